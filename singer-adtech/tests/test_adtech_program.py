"""The made-up tap as a program of its own: signals, closed outputs, restarts, and what is left on stderr."""

from __future__ import annotations

import array
import fcntl
import json
import mmap
import os
import signal
import termios
from typing import IO, TYPE_CHECKING, Any

import pytest
from singer_adtech.records.writer import BUFFER_SIZE

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from acme_vendor import AcmeVendor
    from local_server import Call

    Start = Callable[..., subprocess.Popen[str]]
    WaitUntil = Callable[[Callable[[], object]], None]


def messages(output: str) -> list[dict[str, Any]]:
    """Read messages; a line that is cut fails here."""
    assert output.endswith("\n")
    return [json.loads(line) for line in output.splitlines()]


def ids(output: str) -> list[str]:
    records = [message for message in messages(output) if message["type"] == "RECORD"]
    return [message["record"]["airing_id"] for message in records if message["stream"] == "airings"]


def fill_a_pipe(acme: AcmeVendor, write_airing: Callable[..., str]) -> None:
    """Give the first day more rows than a pipe and the tap's buffer hold."""
    number = 8 * BUFFER_SIZE // len(write_airing(1, "2024-03-08"))
    acme.airings = {"2024-03-08": [write_airing(n, "2024-03-08") for n in range(number)]}


def last_line(stderr: str) -> str:
    """Return the last line without what the log's format puts before it."""
    return stderr.rstrip("\n").rpartition("\n")[2].rpartition(" | ")[2]


def test_a_run_that_is_killed_goes_on_from_its_last_state(
    acme: AcmeVendor, start_tap: Start, tmp_path: Path, acme_config: dict[str, Any]
) -> None:
    # given: the second page of the third day is never answered, and the tap is killed meanwhile
    acme.airings["2024-03-10"] += [
        row.replace('"id": "', '"id": "1').replace("2024-03-08", "2024-03-10") for row in acme.airings["2024-03-08"]
    ]

    def never(call: Call) -> Any:
        if (call.query.get("start"), call.query["page"]) == ("2024-03-10", "2"):
            process.kill()
            return acme.server.reply(hang_up=True)
        return None

    acme.before = never
    process = start_tap()
    # when
    first, _ = process.communicate(timeout=60)
    acme.before = lambda _: None
    acme.server.calls.clear()
    state = tmp_path / "state.json"
    state.write_text(json.dumps([message for message in messages(first) if message["type"] == "STATE"][-1]["value"]))
    config = tmp_path / "again.json"
    config.write_text(json.dumps(acme_config | {"lookback_days": 0}))
    second, stderr = start_tap("--config", str(config), "--state", str(state)).communicate(timeout=60)
    # then: killed, no line cut, and the third day is read again from its beginning
    assert process.returncode == -signal.SIGKILL
    assert {day for day, _ in acme.data_calls()} == {"2024-03-10", "/v1/spots"}
    assert set(ids(first)) >= {"1", "2", "3", "4", "5"}
    assert {*ids(first), *ids(second)} == {*"1234567", "11", "12", "13", "14", "15"}, stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_sigterm_ends_the_run_with_143_and_cuts_no_line(
    acme: AcmeVendor, start_tap: Start, wait_until: WaitUntil, write_airing: Callable[..., str], unbuffered: str
) -> None:
    # given: stdout is a pipe that nobody reads, so that the tap is in the middle of a write
    fill_a_pipe(acme, write_airing)
    process = start_tap(env={"PYTHONUNBUFFERED": unbuffered})
    stdout: IO[str] = process.stdout  # type: ignore[assignment]  # it is a pipe
    wait_until(lambda: pipe_is_full(stdout))
    # when
    process.send_signal(signal.SIGTERM)
    output, stderr = process.communicate(timeout=60)
    # then
    assert process.returncode == 143
    written = messages(output)
    assert {message["type"] for message in written} == {"SCHEMA", "RECORD"}
    assert ids(output) == [str(n) for n in range(len(written) - 1)]
    assert last_line(stderr) == "tap-acme: stopped by signal 15: run it again to continue from the last STATE"


def pipe_is_full(pipe: IO[str]) -> bool:
    """Tell whether a pipe holds as much as it can, by asking how much there is to read."""
    waiting = array.array("i", [0])
    fcntl.ioctl(pipe.fileno(), termios.FIONREAD, waiting)
    # The kernel fills a pipe by memory pages, of which the first may hold little.
    return waiting[0] > fcntl.fcntl(pipe.fileno(), fcntl.F_GETPIPE_SZ) - 2 * mmap.PAGESIZE


def test_sigterm_while_waiting_for_an_answer_ends_the_run_at_once(
    acme: AcmeVendor, start_tap: Start, wait_until: WaitUntil
) -> None:
    # given: the last day is not answered until the tap is gone
    arrived: list[Call] = []

    def wait(call: Call) -> None:
        if call.query["start"] == "2024-03-10":
            arrived.append(call)
            wait_until(lambda: process.poll() is not None)

    acme.before = wait
    process = start_tap()
    wait_until(lambda: arrived)
    # when
    process.send_signal(signal.SIGTERM)
    output, stderr = process.communicate(timeout=60)
    # then: the STATE of the last window read whole is there, and no other comes
    assert process.returncode == 143
    assert last_line(stderr) == "tap-acme: stopped by signal 15: run it again to continue from the last STATE"
    state = messages(output)[-1]
    assert state["type"] == "STATE"
    assert state["value"]["bookmarks"]["airings"]["replication_key_value"] == "2024-03-10T00:00:00-05:00"


def test_a_reader_that_goes_away_is_one_line(
    acme: AcmeVendor, start_tap: Start, write_airing: Callable[..., str]
) -> None:
    # given: as `tap | head -1`
    fill_a_pipe(acme, write_airing)
    process = start_tap()
    stdout: IO[str] = process.stdout  # type: ignore[assignment]  # it is a pipe
    # when
    first = stdout.readline()
    stdout.close()
    stderr = process.stderr.read()  # type: ignore[union-attr]  # it is a pipe
    # then
    assert json.loads(first)["type"] == "SCHEMA"
    assert process.wait(timeout=60) == 1
    assert last_line(stderr) == ("tap-acme: stdout: Broken pipe: check the program that reads this output, or the disk")
    assert "Traceback" not in stderr
    assert "Exception ignored" not in stderr


@pytest.mark.usefixtures("acme")
def test_a_disk_that_is_full_is_one_line(start_tap: Start) -> None:
    # given
    full = os.open("/dev/full", os.O_WRONLY)
    # when
    process = start_tap(stdout=full)
    os.close(full)
    _, stderr = process.communicate(timeout=60)
    # then
    assert process.returncode == 1
    assert last_line(stderr) == (
        "tap-acme: stream airings, window 2024-03-08..2024-03-08: stdout: No space left on device: "
        "check the program that reads this output, or the disk"
    )
    assert "Traceback" not in stderr
    assert "Exception ignored" not in stderr


def test_a_refusal_is_the_last_line_and_no_secret_is_on_stderr_at_debug_level(
    acme: AcmeVendor, start_tap: Start
) -> None:
    # given: a vendor that repeats what it was sent
    acme.before = lambda call: (
        acme.server.reply(403, f"{call.headers['Authorization']} s3cret/of+acme".encode())
        if call.query.get("start") == "2024-03-10"
        else None
    )
    # when
    _, stderr = start_tap(env={"TAP_ACME_LOGLEVEL": "DEBUG"}).communicate(timeout=60)
    # then
    assert last_line(stderr) == (
        'tap-acme: stream airings, window 2024-03-10..2024-03-10: HTTP 403 Forbidden "Bearer [hidden] [hidden]": '
        "no access: ask the vendor for it, or deselect it: `meltano select tap-acme "
        '--exclude airings "*"`, or `"selected": false` in the catalog'
    )
    assert "Traceback" in stderr
    assert "GET /v1/airings" in stderr
    assert [secret for secret in ("s3cret", "of-acme", "acme-client") if secret in stderr] == []


def test_there_is_no_traceback_unless_the_log_level_asks_for_it(acme: AcmeVendor, start_tap: Start) -> None:
    # given
    acme.before = lambda call: acme.server.json({"title": "Oops"}, 500) if "start" in call.query else None
    # when
    process = start_tap(env={"ACME_IMPATIENT": "1"})
    _, stderr = process.communicate(timeout=60)
    # then
    assert process.returncode == 1
    assert last_line(stderr) == (
        "tap-acme: stream airings, window 2024-03-08..2024-03-08: "
        'HTTP 500 Internal Server Error "Oops" (tried 2 times): the vendor may be down: try again later'
    )
    assert "Traceback" not in stderr
