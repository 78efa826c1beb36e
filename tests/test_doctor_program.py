"""The live check as a program: its report, exit codes, settings and end by a signal."""

from __future__ import annotations

import datetime as dt
import json
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from singer_adtech.doctor.__main__ import find_tap, main
from singer_adtech.testing import tap_runner
from vendor_simulators.adspect import AdspectSimulator
from vendor_simulators.faults import Fault
from vendor_simulators.springserve import SpringServeSimulator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vendor_simulators.pytest_plugin import Simulate

DAY = dt.timedelta(days=1)


@pytest.fixture(autouse=True)
def _restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Restore signal handlers and secrets after a run in this process."""
    with tap_runner(find_tap("tap-adspect"), dt.datetime.now(dt.timezone.utc), monkeypatch):
        yield


@pytest.fixture
def config(tmp_path: Path, simulate: Simulate, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a settings file of a running vendor, in an otherwise empty folder that is the current one."""
    today = dt.datetime.now(dt.timezone.utc).date()
    vendor = simulate(AdspectSimulator(first_day=today - 8 * DAY, days=9, rows_per_day=30, streams=5))
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(vendor.settings()))
    return path


def test_the_program_prints_a_report_and_leaves_no_file(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["tap-adspect", "--config", str(config), "--streams", "streams,funnel_daily"])

    out, err = capsys.readouterr()
    assert code == 0
    assert out.startswith("# Live check of tap-adspect\n\n- tap-adspect ")
    assert "settings changed from their default: `api_key`, `api_url`, `start_date`\n" in out
    assert "\n## streams\n" in out
    assert "singer_adtech.doctor: funnel_daily: read twice\n" in err
    assert [path.name for path in config.parent.iterdir()] == ["config.json"]


def test_a_failed_check_is_exit_code_1(config: Path, simulate: Simulate, capsys: pytest.CaptureFixture[str]) -> None:
    vendor = simulate(AdspectSimulator(days=3, rows_per_day=5, streams=50, per_page="default"))
    config.write_text(json.dumps(vendor.settings()))

    assert main(["tap-adspect", "--config", str(config), "--streams", "streams"]) == 1

    assert "| page size | FAILED: the vendor caps the page size" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tap-adspect"], "setting `api_key` is missing"),
        (["tap-adspect", "--config", "absent.json"], "`--config`: absent.json: file not found"),
        (["tap-adspect", "--config", "config.json", "--streams", "clicks"], "--streams: no stream clicks: there are "),
        (["tap-adspect", "--config", "config.json", "--date", "12.3.2025"], "argument --date: invalid "),
        (["tap-adspect", "--config", "config.json", "--max-rows", "0"], "argument --max-rows: invalid "),
        (["tap-nobody"], "tap-nobody is not installed in this environment"),
        ([], "the following arguments are required: tap"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_code_2(
    arguments: list[str], message: str, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert config.exists()
    with pytest.raises(SystemExit) as ended:
        main(arguments)

    out, err = capsys.readouterr()
    assert ended.value.code == 2
    assert out == ""
    assert err.startswith(f"singer_adtech.doctor: {message}")
    assert err.count("\n") == 1


def test_settings_may_be_in_the_environment(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in json.loads(config.read_text()).items():
        monkeypatch.setenv(f"TAP_ADSPECT_{name.upper()}", value)

    assert main(["tap-adspect", "--config", "ENV", "--streams", "account"]) == 0

    assert "## account" in capsys.readouterr().out


def test_ctrl_c_ends_it_with_a_report(tmp_path: Path, simulate: Simulate) -> None:
    # Given a vendor that does not answer the second stream
    vendor = simulate(SpringServeSimulator(days=3, rows_per_day=5))
    vendor.faults.add(Fault(path="*/supply_tags", action="slow", delay=20, times=None))
    path = tmp_path / "config.json"
    path.write_text(json.dumps(vendor.settings()))
    command = ["-m", "singer_adtech.doctor", "tap-springserve", "--config", str(path)]
    process = subprocess.Popen(
        [sys.executable, *command, "--streams", "campaigns,supply_tags"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while "supply_tags" not in (one := process.stderr.readline() if process.stderr else ""):
        assert one
    while not vendor.journal.matching("*/supply_tags"):
        time.sleep(0.05)
    # When the user stops it
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=15)
    # Then the finished checks are reported, without a traceback
    assert process.returncode == 130
    assert "- incomplete: stopped by signal 2\n" in out
    assert "## campaigns\n" in out
    assert "Traceback" not in err
