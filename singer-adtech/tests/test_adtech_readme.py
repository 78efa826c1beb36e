"""All examples of the README are executed, against a local server if they send requests."""

from __future__ import annotations

import doctest
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local_server import Call, Reply, Server
    from singer_adtech.testing import FakeClock

README_PATH = Path(__file__).parent.parent / "README.md"
README = README_PATH.read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_example_is_a_tap(server: Server, tmp_path: Path) -> None:
    # given: two days of two pages each
    def answer(call: Call) -> Reply:
        day, number = call.query["start"], int(call.query["page"])
        row = {"airing": {"data": {"id": f"{day}/{number}", "day": day, "spend": "0.10", "new": number}}}
        return server.json({"data": [row], "meta": {"pages": 2}})

    server.answer = answer
    program, config = tmp_path / "tap_acme.py", tmp_path / "config.json"
    program.write_text(EXAMPLES[0])
    settings = {
        "api_key": "the-key",
        "api_url": f"{server.url}/v1",
        "start_date": "2024-03-09",
        "end_date": "2024-03-10",
    }
    config.write_text(json.dumps(settings))
    # when
    done = subprocess.run(
        [sys.executable, program, "--config", config], capture_output=True, text=True, check=False, env={**os.environ}
    )
    # then
    assert done.returncode == 0, done.stderr
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    assert [message["type"] for message in messages] == [
        "SCHEMA", "RECORD", "RECORD", "STATE", "RECORD", "RECORD", "STATE",
    ]  # fmt: skip
    assert messages[1]["record"] == {
        "airing_id": "2024-03-09/1", "airing_day": "2024-03-09", "airing_spend": 0.1, "_extra": {"airing_new": 1},
    }  # fmt: skip
    assert '"airing_spend":0.10,' in done.stdout
    assert messages[-1]["value"]["bookmarks"]["airings"]["replication_key_value"] == "2024-03-11"
    assert {call.headers["Api-Key"] for call in server.calls} == {"the-key"}
    assert "the-key" not in done.stderr


def test_interactive_examples() -> None:
    result = doctest.testfile(str(README_PATH), module_relative=False)
    assert (result.failed, result.attempted) == (0, 7)


@pytest.fixture
def examples(clock: FakeClock) -> dict[str, Any]:
    """Execute all examples in order, as parts of one module; their taps use the fake clock."""
    names: dict[str, Any] = {"__name__": "examples"}
    for example in EXAMPLES:
        # Without the `from __future__` of this module.
        exec(compile(example, "README.md", "exec", dont_inherit=True), names)  # noqa: S102 - the text of the README
    names["TapAcme"].clock = clock
    return names


@pytest.fixture
def sync(server: Server, examples: dict[str, Any]) -> Iterator[Callable[..., Any]]:
    """Run a tap of the README over the days up to 2024-03-10; return the tap."""
    taps: list[Any] = []

    def run(name: str, first_day: str = "2024-03-09") -> Any:
        settings = {"api_key": "the-key", "api_url": f"{server.url}/v1", "end_date": "2024-03-10"}
        taps.append(examples[name](config={**settings, "start_date": first_day}))
        taps[-1].sync_all()
        return taps[-1]

    yield run
    for tap in taps:
        tap.session.close()


def no_rows(server: Server) -> Reply:
    return server.json({"data": [], "meta": {"pages": 1}})


def test_retry_example(server: Server, sync: Callable[..., Any], waits: list[float]) -> None:
    # given: a vendor that fails twice
    server.script(server.reply(500), server.reply(500))
    server.answer = lambda _: no_rows(server)
    # when
    sync("PatientTap")
    # then
    assert waits == [5, 10]
    assert len(server.calls) == 4


def test_login_example(server: Server, sync: Callable[..., Any]) -> None:
    # given
    def answer(call: Call) -> Reply:
        return server.json({"access_token": "t", "expires_in": 3600}) if call.path == "/v1/login" else no_rows(server)

    server.answer = answer
    # when
    sync("SessionTap")
    # then: it logs in once, and logs out at the end
    calls = [(call.method, call.path, call.headers.get("Authorization")) for call in server.calls]
    airings = ("GET", "/v1/airings", "Bearer t")
    assert calls == [("POST", "/v1/login", None), airings, airings, ("DELETE", "/v1/session", None)]
    assert json.loads(server.calls[0].body) == {"key": "the-key"}


def test_budget_example(server: Server, sync: Callable[..., Any], clock: FakeClock) -> None:
    # given: 26 days, each of one request
    server.answer = lambda _: no_rows(server)
    # when
    sync("LimitedTap", "2024-02-14")
    # then: the 26th request waits for the limit of 25 in 10 seconds
    assert len(server.calls) == 26
    assert 10 <= sum(clock.slept) < 12


def test_job_example(server: Server, examples: dict[str, Any], clock: FakeClock) -> None:
    # given: a report that is ready at the second poll
    running = server.json({"id": "r1", "status": "running"})
    done = server.json({"id": "r1", "status": "done"})
    server.script(running, running, done, server.json([{"id": 1}, {"id": 2}]))
    tap = examples["ReportTap"](
        config={"api_key": "the-key", "api_url": f"{server.url}/v1", "start_date": "2024-03-10"}
    )
    # when
    rows = tap.report_rows()
    tap.session.close()
    # then
    assert rows == [{"id": 1}, {"id": 2}]
    assert [(call.method, call.path) for call in server.calls] == [
        ("POST", "/v1/reports"),
        ("GET", "/v1/reports/r1"),
        ("GET", "/v1/reports/r1"),
        ("GET", "/v1/reports/r1/rows"),
    ]
    assert clock.slept == [10, 15]


def test_every_example_is_executed() -> None:
    # given: fenced blocks of Python in any spelling
    blocks = re.findall(r"^```(py\w*)$", README, re.MULTILINE)
    # then
    assert len(blocks) == len(EXAMPLES) + 2
    assert set(blocks) == {"python", "pycon"}


def test_the_readme_names_every_room() -> None:
    # given
    folder = Path(__file__).parent.parent / "singer_adtech"
    table = README.partition("| room | concern |")[2].partition("\n\n")[0]
    # then
    names = {path.stem for path in folder.iterdir()} - {"__init__", "__pycache__", "py"}
    assert set(re.findall(r"`(\w+)`", table)) == names
