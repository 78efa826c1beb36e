"""The simulators as programs: command line, control over HTTP, signals."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from vendor_simulators.__main__ import main
from vendor_simulators.calls import call
from vendor_simulators.exact import exact_json
from vendor_simulators.ispot.truth import INCLUDE
from vendor_simulators.options import describe
from vendor_simulators.registry import SIMULATORS

if TYPE_CHECKING:
    from vendor_simulators.ispot import ISpotSimulator


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_program_serves_until_told_to_stop(tmp_path: Path, number: signal.Signals) -> None:
    # Given a program with a file for its address
    path = tmp_path / "address.json"
    command = [
        *(sys.executable, "-m", "vendor_simulators", "ispot", "--seed", "7", "--days", "2", "--rows-per-day", "30"),
        *("--last-day", "2024-03-10", "--option", "ids=digits", "--port-file", str(path)),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None

        # When it is ready
        line = program.stdout.readline()
        facts = json.loads(path.read_text())
        truth = call(facts["url"], "/__simulator__/truth/brands")

        # Then line and file agree, and it serves
        assert line == f"ispot ready {facts['url']} api_url={facts['api_url']}\n"
        assert facts["api_url"] == facts["settings"]["api_url"] == f"{facts['url']}/v4"
        assert facts["settings"]["start_date"] == "2024-03-09"
        assert truth.status == 200
        assert len(truth.json()) > 50

        # When it gets the signal, then it ends well and has nothing more to say
        program.send_signal(number)
        rest, errors = program.communicate(timeout=10)
    assert (program.returncode, rest, errors) == (0, "", "")
    assert [item.name for item in tmp_path.iterdir()] == ["address.json"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nobody"], "invalid choice: 'nobody'"),
        (["ispot", "ispot"], "a vendor is named twice"),
        (["ispot", "--option", "ties"], "--option ties: expected NAME=VALUE"),
        (["ispot", "--option", "magnite.ties=stable"], "expected NAME=VALUE, or VENDOR.NAME=VALUE"),
        (["ispot", "--option", "ispot.ties=loose"], "option ties: 'loose' is not allowed; allowed: move | stable"),
        (["ispot", "--option", "colour=red"], "unknown option colour; known options: account"),
        (["ispot", "--days", "0"], "count from 1"),
        (["ispot", "--last-day", "soon"], "value: 'soon'"),
    ],
)
def test_program_refuses_wrong_arguments(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    # When an argument is wrong
    with pytest.raises(SystemExit) as caught:
        main(arguments)

    # Then it ends with the usage and the reason
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_control_reads_and_resets_the_journal(ispot: ISpotSimulator) -> None:
    # Given three requests
    headers = {"Authorization": f"Bearer {ispot.tokens.issue()}"}
    call(ispot.url, "/v4/brands", params={"sort": "id"}, headers=headers)
    call(ispot.url, "/v4/brands", headers=headers)
    call(ispot.url, "/v4/networks")

    # When the journal is read, whole and as counts
    whole = call(ispot.url, "/__simulator__/journal").json()
    counts = call(ispot.url, "/__simulator__/journal", params={"count": 1}).json()
    violations = call(ispot.url, "/__simulator__/violations").json()

    # Then it has these and no control request
    assert [(entry["method"], entry["path"], entry["params"], entry["status"]) for entry in whole] == [
        ("GET", "/v4/brands", [["sort", "id"]], 200),
        ("GET", "/v4/brands", [], 200),
        ("GET", "/v4/networks", [], 401),
    ]
    assert whole[0]["headers"]["authorization"] == headers["Authorization"]
    assert counts == {
        "total": 3,
        "by_path": {"GET /v4/brands": 2, "GET /v4/networks": 1},
        "by_status": {"200": 2, "401": 1},
    }
    assert violations == ["no Bearer token: GET /v4/networks"]

    # When it is reset, then it is empty
    assert call(ispot.url, "/__simulator__/reset-journal", "POST").status == 200
    assert len(ispot.journal) == 0


def test_control_plans_faults_restates_and_expires(ispot: ISpotSimulator) -> None:
    # Given a token and the truth
    headers = {"Authorization": f"Bearer {ispot.tokens.issue()}"}
    before = ispot.truth("audience_airings")

    # When a fault is planned, rows are restated and tokens expire
    faults = json.dumps([{"path": "/v4/brands", "action": "status", "status": 503, "times": None}])
    assert call(ispot.url, "/__simulator__/faults", "POST", body=faults).json() == {"added": 1}
    first = call(ispot.url, "/v4/brands", headers=headers).status
    restated = call(ispot.url, "/__simulator__/restate", "POST", body='{"seed": 2, "days": 2}').json()
    assert call(ispot.url, "/__simulator__/expire-tokens", "POST").status == 200
    second = call(ispot.url, "/v4/networks", headers=headers).status

    # Then all of it has happened
    assert (first, second) == (503, 401)
    assert sorted(restated) == ["added", "changed"]
    assert len(restated["added"]) == 2
    assert len(ispot.truth("audience_airings")) == len(before) + 2


def test_control_tells_the_truth_with_all_digits(ispot: ISpotSimulator) -> None:
    # When the truth of one day is read over HTTP
    params = {"first_day": "2024-03-08", "last_day": "2024-03-08"}
    reply = call(ispot.url, "/__simulator__/truth/audience_airings", params=params)

    # Then numbers are exact
    found = json.loads(reply.body, parse_float=Decimal)
    assert found == ispot.truth("audience_airings", last_day=ispot.first_day, include=INCLUDE)
    assert b"123456789012345678.90" in reply.body
    assert exact_json([Decimal("1E+2"), 'a"1', None]) == '[100, "a\\"1", null]'


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "message"),
    [
        ("GET", "/__simulator__/truth/rubbish", None, 400, "no stream 'rubbish'"),
        ("GET", "/__simulator__/truth/brands?day=2024-03-08", None, 400, "no parameter day"),
        ("POST", "/__simulator__/faults", '[{"colour": "red"}]', 400, "a fault has no colour"),
        ("POST", "/__simulator__/faults", '[{"action": "explode"}]', 400, "allowed are status"),
        ("POST", "/__simulator__/faults", "[1]", 400, "a list of objects"),
        ("POST", "/__simulator__/faults", "{", 400, "Expecting"),
        ("POST", "/__simulator__/restate", '{"months": 1}', 400, "unexpected keyword"),
        ("GET", "/__simulator__/restate", None, 404, "no control request GET"),
        ("GET", "/__simulator__/journal/1", None, 404, "no control request GET"),
    ],
)
def test_control_refuses_mistakes(  # noqa: PLR0913, PLR0917 - the columns of the table
    ispot: ISpotSimulator, method: str, path: str, body: str | None, status: int, message: str
) -> None:
    # When a control request is wrong
    bare, _, query = path.partition("?")
    params = dict([query.split("=")]) if query else None
    reply = call(ispot.url, bare, method, params=params, body=body)

    # Then it says so in one line, and nothing was journaled or broken
    assert reply.status == status
    assert message in reply.body.decode()
    assert reply.body.count(b"\n") == 1
    assert len(ispot.journal) == 0
    assert ispot.errors == []


def test_readme_and_help_name_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    # Given the README and the help of the program
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    shown = capsys.readouterr().out

    # Then both name each option of each simulator, and the README its choices
    assert caught.value.code == 0
    for name, kind in SIMULATORS.items():
        assert f"`vendor_simulators.{name}`" in readme
        for option, allowed, default in describe(kind.option_type):
            assert f"  {option}={default}  ({allowed})\n" in shown
            assert f"`{option}`" in readme, option
            if " | " in allowed and not allowed.startswith(("comma", "whole")):
                assert f"`{option}` {allowed.replace(' | ', ', ')}" in readme
