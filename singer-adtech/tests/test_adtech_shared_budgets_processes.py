"""Runs in processes of their own that keep budgets as one: limits, places, kills, signals."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest
from singer_adtech.clock import Clock
from singer_adtech.http.budgets import Family, Limit
from singer_adtech.http.shared_budgets import SharedBudgets, SharedFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    WaitUntil = Callable[[Callable[[], object]], None]

LOGGER = logging.getLogger("tap-test")
MANY = Family("many", ("/many",), (Limit(100_000, 60),))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "budget"


def join(folder: Path, in_flight: int = 2) -> tuple[SharedFolder, SharedBudgets]:
    """Make this process one of the runs."""
    here = SharedFolder(str(folder), tap="tap-test", api_url="https://api.acme.example/v1")
    return here, SharedBudgets([MANY], Clock(), folder=here, in_flight=in_flight, logger=LOGGER)


WORKER = """
import logging, os, sys, time
from singer_adtech.http.budgets import Family, Limit
from singer_adtech.clock import Clock
from singer_adtech.http.shared_budgets import SharedBudgets, SharedFolder

folder = SharedFolder(sys.argv[1], tap="tap-test", api_url="https://api.acme.example/v1")
families = [Family("quick", ("/quick",), (Limit(5, 0.5),)), Family("many", ("/many",), (Limit(100000, 60),))]
budgets = SharedBudgets(families, Clock(), folder=folder, in_flight=2, logger=logging.getLogger())

def limited():
    for _ in range(5):
        with budgets.slot("/quick", lambda: None):
            began = time.monotonic()
            time.sleep(0.01)
            print(began, time.monotonic(), flush=True)

def counting():
    while True:
        budgets.acquire("/many")
        print("counted", flush=True)

def holding():
    with budgets.slot("/quick", lambda: None), folder.alone("report", logging.getLogger()):
        print("held", flush=True)
        time.sleep(60)

globals()[sys.argv[2]]()
"""


@pytest.fixture
def worker(folder: Path) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Start a process that is one of the runs."""
    started: list[subprocess.Popen[str]] = []

    def start(what: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", WORKER, str(folder), what]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_processes_keep_limits_and_places_as_one(worker: Callable[[str], subprocess.Popen[str]]) -> None:
    # Given three processes, 5 starts in half a second, and two places
    processes = [worker("limited") for _ in range(3)]
    # When each starts five requests
    spans = [
        (float(began), float(ended))
        for process in processes
        for began, ended in (line.split() for line in process.communicate(timeout=60)[0].splitlines())
    ]
    # Then never more than five started within half a second, nor were more than two in flight
    assert len(spans) == 15
    starts = sorted(began for began, _ in spans)
    assert all(later - earlier > 0.5 for earlier, later in zip(starts, starts[5:], strict=False))
    assert all(sum(began <= moment < ended for began, ended in spans) <= 2 for moment in starts)


def test_a_process_that_is_killed_frees_its_places_and_its_lock(
    worker: Callable[[str], subprocess.Popen[str]], folder: Path, log: list[str]
) -> None:
    # Given processes that hold both places, of which one has a report at work and the other waits for it
    processes = [worker("holding"), worker("holding")]
    here, budgets = join(folder)
    first = threading.Event()

    def listen(process: subprocess.Popen[str]) -> None:
        if process.stdout and process.stdout.readline():
            first.set()

    for process in processes:
        threading.Thread(target=listen, args=(process,), daemon=True).start()
    assert first.wait(60)
    # When they are killed
    for process in processes:
        process.kill()
        process.wait(30)
    # Then a run gets everything at once
    began = time.monotonic()
    with budgets.slot("/users", lambda: None), here.alone("report", LOGGER):
        took = time.monotonic() - began
    assert took < 5
    assert not [one for one in log if "Another run" in one or "Other runs" in one]


def test_a_process_that_is_killed_while_it_counts_loses_no_count(
    worker: Callable[[str], subprocess.Popen[str]], folder: Path, log: list[str]
) -> None:
    # Given a process that does nothing but count
    process = worker("counting")
    stdout = process.stdout
    assert stdout is not None
    lines = [stdout.readline() for _ in range(50)]
    # When it is killed, and its last lines are read
    process.kill()
    lines += stdout.readlines()
    # Then the file has every start that it had told, one at most beside them, and serves the next run
    file = folder / "tap-test.api.acme.example.family.many.json"
    known = len(json.loads(file.read_bytes())["starts"])
    assert 0 <= known - len([line for line in lines if line == "counted\n"]) <= 1
    _, budgets = join(folder)
    assert budgets.acquire("/many") == 0
    assert len(json.loads(file.read_bytes())["starts"]) == known + 1
    assert not [one for one in log if "damaged" in one]


def test_a_run_that_waits_for_the_job_of_another_ends_at_a_signal(
    folder: Path, tmp_path: Path, wait_until: WaitUntil
) -> None:
    # Given a program that waits for a job of this process
    (tmp_path / "program.py").write_text(
        "import logging, sys\n"
        "from singer_adtech.http.shared_budgets import SharedFolder\n"
        "import signal\n"
        "signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))\n"
        "logging.basicConfig(level=logging.DEBUG)\n"
        "here = SharedFolder(sys.argv[1], tap='tap-test', api_url='https://a.example')\n"
        "with here.alone('report', logging.getLogger('waiter')):\n"
        "    print('mine')\n"
    )
    here = SharedFolder(str(folder), tap="tap-test", api_url="https://a.example")
    said = tmp_path / "stderr"
    with here.alone("report", LOGGER), said.open("w") as stderr:
        command = [sys.executable, str(tmp_path / "program.py"), str(folder)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True)
        wait_until(lambda: "Another run has a report in progress" in said.read_text())
        time.sleep(0.5)
        # When it is told to stop
        os.kill(process.pid, signal.SIGTERM)
        out, _ = process.communicate(timeout=30)
    # Then it does so at once, without its turn, having said once that it waits, at the level DEBUG too
    assert (process.returncode, out) == (143, "")
    assert len(said.read_text().splitlines()) == 1
