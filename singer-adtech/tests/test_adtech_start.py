"""The first second of a program: a signal during imports is one line and an exit code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from singer_adtech.start import start

if TYPE_CHECKING:
    from pathlib import Path

SLOW = "import os, time\nos.write(1, b'importing')\ntime.sleep(60)\n"
PROGRAM = "from singer_adtech.start import start; start('tap-slow', 'slow_tap', 'Tap')"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Put a tap whose import takes a minute on the path."""
    (tmp_path / "slow_tap.py").write_text(SLOW)
    return {**os.environ, "PYTHONPATH": str(tmp_path)}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_in_the_first_second_is_one_line(environment: dict[str, str], number: signal.Signals, code: int) -> None:
    # given
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stdout.read(9) == b"importing"
        # when
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    # then
    assert process.returncode == code
    assert err.decode() == f"tap-slow: stopped by signal {int(number)}: run it again to continue from the last STATE\n"


def test_a_stdout_that_is_closed_is_one_line(environment: dict[str, str]) -> None:
    # when: as by `>&-` in a shell
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$0" -c "$1" >&-', sys.executable, PROGRAM],
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        check=False,
    )
    # then
    assert done.returncode == 1
    assert done.stderr == "tap-slow: stdout is closed: check the program that starts this one\n"


def test_a_tap_that_is_imported_is_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # given
    (tmp_path / "quick_tap.py").write_text("class Tap:\n    cli = staticmethod(lambda: print('ran'))\n")
    monkeypatch.syspath_prepend(tmp_path)
    # when
    start("tap-quick", "quick_tap", "Tap")
    # then
    assert capsys.readouterr().out == "ran\n"
