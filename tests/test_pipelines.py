"""Runs side by side: places, failures, signals, logs, dead runs in Meltano's record; with a stand-in for Meltano."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import meltano_project
import pipelines
import pytest
from meltano.core.job.job import Job, State
from pipelines import Outcome, Pipeline, exit_code, normal_state_id, run_pipelines
from stand_ins.postgres import cluster

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent

# What is run as `meltano ... el TAP LOADER --no-install --state-id ID`; the state id says what becomes of it.
STAND_IN = """
    import json, os, signal, sys, time
    arguments, folder = sys.argv[1:], os.environ["STAND_IN"]
    what = arguments[-1].split(":")[0]
    begun = time.time()

    def say(**entry):
        print(json.dumps({"timestamp": "now", "level": "info", "event": "METRIC", **entry}), flush=True)

    def rows(name, stream, value):
        say(name=name, metric_info={"metric": "record_count", "tags": {"stream": stream}, "value": value})

    if what == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    open(f"{folder}/{arguments[-1]}.pid", "w").write(str(os.getpid()))
    rows("tap-ispot", "spots", 2)
    rows("tap-ispot", "spots", 3)
    rows("target-jsonl", "spots", 5)
    if what in {"slow", "stubborn"}:
        if os.fork() == 0:
            open(f"{folder}/{arguments[-1]}.child.pid", "w").write(str(os.getpid()))
        time.sleep(60)
    time.sleep(0.3)
    if what == "bad":
        say(name="tap-ispot", level="critical", event="tap-ispot: no such key: check `client_id`\\nmore of it")
    if what == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    with open(f"{folder}/runs", "a") as runs:
        settings = [os.environ.get(f"TAP_ISPOT_{name}") for name in ("START_DATE", "_SELECT_FILTER")]
        runs.write(json.dumps([begun, time.time(), arguments, *settings]) + "\\n")
    sys.exit(what == "bad")
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a folder, with a stand-in for Meltano and a system database of its own."""
    stand_in = tmp_path / "meltano"
    stand_in.write_text(f"#!{sys.executable}\n{textwrap.dedent(STAND_IN)}")
    stand_in.chmod(0o755)
    monkeypatch.setattr(pipelines, "MELTANO", stand_in)
    monkeypatch.setenv("STAND_IN", str(tmp_path))
    monkeypatch.setenv("MELTANO_DATABASE_URI", f"sqlite:///{tmp_path / 'meltano.db'}")
    meltano_project.meltano_project.cache_clear()
    yield tmp_path
    meltano_project.meltano_project.cache_clear()


def pipeline(state_id: str, **more: Any) -> Pipeline:
    return Pipeline(state_id, "tap-ispot", "target-jsonl", state_id, "demo", **more)


def seen(folder: Path) -> list[Any]:
    """Return what the stand-in wrote down: begin, end, arguments, two settings of each run."""
    return [json.loads(line) for line in (folder / "runs").read_text().splitlines()]


def gone(folder: Path) -> bool:
    """Return whether every process that wrote its number down has ended."""
    return not any(alive(int(path.read_text())) for path in folder.glob("*.pid"))


def alive(pid: int) -> bool:
    try:
        # One that has ended and that nobody has asked about yet still has a number.
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def record(state_id: str, *, started: float, beat: float, state: State = State.RUNNING) -> int:
    """Write a run into Meltano's record; times in seconds before now."""
    now = dt.datetime.now(tz=dt.timezone.utc)
    with meltano_project.meltano_project("demo").sessions() as session:
        job = Job(job_name=state_id, state=state, started_at=now - dt.timedelta(seconds=started))
        job.last_heartbeat_at = now - dt.timedelta(seconds=beat)
        session.add(job)
        session.commit()
        return job.id


def recorded(row: int) -> tuple[str, dict[str, Any]]:
    """Return a run's state and payload."""
    with meltano_project.meltano_project("demo").sessions() as session:
        job = session.get_one(Job, row)
        return job.state.name, dict(job.payload)


def test_a_failure_stops_nobody_and_two_run_at_once(folder: Path) -> None:
    # given five pipelines, one of which fails and one of which is killed
    ids = ["ok:1", "bad:2", "killed:3", "ok:4", "ok:5"]
    begun, ended = [], []

    # when two are run at once
    outcomes = run_pipelines(
        [pipeline(one) for one in ids],
        at_once=2,
        logs=folder / "logs",
        on_begin=lambda one: begun.append(one.name),
        on_end=lambda outcome: ended.append(outcome.pipeline.name),
    )

    # then all were, in their order, and each has its outcome
    assert begun == ids
    assert sorted(ended) == sorted(ids)
    assert [(one.pipeline.name, one.state, one.code, one.error) for one in outcomes] == [
        ("ok:1", "done", 0, ""),
        ("bad:2", "failed", 1, "tap-ispot: no such key: check `client_id`"),
        ("killed:3", "failed", -9, "Meltano was killed by signal 9"),
        ("ok:4", "done", 0, ""),
        ("ok:5", "done", 0, ""),
    ]
    assert [dict(one.rows) for one in outcomes] == [{"spots": 5}] * 5
    assert exit_code(outcomes) == 1
    # and never more than two at once
    spans = [(begin, end) for begin, end, *_ in seen(folder)]
    assert max(sum(begin <= moment < end for begin, end in spans) for moment, _ in spans) <= 2


def test_a_run_gets_its_settings_and_each_keeps_the_log_before(folder: Path) -> None:
    # given a run with settings and a selection, when it runs twice
    one = pipeline("ok:1", settings={"start_date": "2024-03-01"}, select=["spots", "brands"])
    for _ in range(2):
        (outcome,) = run_pipelines([one], at_once=1, logs=folder / "logs")

    # then Meltano was called so
    (*_, arguments, start_date, select) = seen(folder)[0]
    assert arguments == [
        *["--log-format=json", "--environment=demo", "el", "tap-ispot", "target-jsonl"],
        *["--no-install", "--state-id", "ok:1"],
    ]
    assert (start_date, json.loads(select)) == ("2024-03-01", ["spots", "brands"])
    # and the logs are for a reader
    assert outcome.log == folder / "logs" / "ok:1.log"
    assert sorted(path.name for path in outcome.log.parent.iterdir()) == ["ok:1.log", "ok:1.previous.log"]
    assert outcome.log.read_text().splitlines()[0] == "now info     tap-ispot: record_count spots 2"


def test_without_a_state_id_it_is_meltano_run(folder: Path) -> None:
    one = Pipeline("tap-ispot", "tap-ispot", "target-jsonl", environment="demo")
    run_pipelines([one], at_once=1, logs=folder / "logs")
    assert seen(folder)[0][2][2:] == ["run", "--no-install", "tap-ispot", "target-jsonl"]
    assert normal_state_id("tap-ispot", "target-jsonl", "demo") == "demo:tap-ispot-to-target-jsonl"


def test_nothing_is_left_when_a_callback_fails(folder: Path) -> None:
    # given a caller that fails while another run goes on
    def fail(outcome: Outcome) -> None:
        until = time.monotonic() + 10
        while not (folder / "slow:2.child.pid").exists() and time.monotonic() < until:
            time.sleep(0.05)
        raise RuntimeError(outcome.pipeline.name)

    # when, then it is told so, and the other is ended, with what it has started
    with pytest.raises(RuntimeError, match="ok:1"):
        run_pipelines([pipeline("ok:1"), pipeline("slow:2")], at_once=2, logs=folder / "logs", on_end=fail)
    assert (folder / "slow:2.child.pid").exists()
    assert gone(folder)


PROGRAM = """
import sys
from pathlib import Path
import pipelines
from pipelines import Pipeline, exit_code, run_pipelines
folder = Path(sys.argv[1])
pipelines.MELTANO = folder / "meltano"
runs = [Pipeline(one, "tap-ispot", "target-jsonl", one, "demo") for one in sys.argv[2:]]
outcomes = run_pipelines(
    runs, at_once=2, logs=folder, on_end=lambda outcome: print(outcome.pipeline.name, outcome.state, flush=True)
)
sys.exit(exit_code(outcomes))
"""


def start(folder: Path, *ids: str) -> subprocess.Popen[str]:
    """Start a program that runs these, and wait until the first two are at work."""
    command = [sys.executable, "-c", PROGRAM, str(folder), *ids]
    process = subprocess.Popen(command, cwd=ROOT / "scripts", stdout=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    while len(list(folder.glob("*.child.pid"))) < 2:
        assert time.monotonic() < until, process.poll()
        time.sleep(0.05)
    return process


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_stops_what_runs_and_the_rest_is_not_begun(folder: Path, number: signal.Signals, code: int) -> None:
    # given two at work and one that waits, when a signal comes
    process = start(folder, "slow:1", "slow:2", "ok:3")
    process.send_signal(number)
    # then
    output, _ = process.communicate(timeout=30)
    assert sorted(output.splitlines()) == ["ok:3 not begun", "slow:1 stopped", "slow:2 stopped"]
    assert process.returncode == code
    assert gone(folder)


def test_a_second_signal_kills(folder: Path) -> None:
    # given two at work, one of which does not care about signals
    process = start(folder, "slow:1", "stubborn:2")
    process.send_signal(signal.SIGTERM)
    assert process.stdout is not None
    assert process.stdout.readline() == "slow:1 stopped\n"
    assert alive(int((folder / "stubborn:2.pid").read_text()))
    # when another comes
    process.send_signal(signal.SIGTERM)
    # then
    output, _ = process.communicate(timeout=30)
    assert (output, process.returncode) == ("stubborn:2 stopped\n", 143)
    assert gone(folder)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent was killed")
def test_meltano_is_told_when_the_program_itself_is_killed(folder: Path) -> None:
    # given two at work, when the program is killed
    process = start(folder, "slow:1", "slow:2")
    process.kill()
    process.communicate(timeout=30)
    # then Meltano ends; the tap and the loader lose their pipes then, which the stand-in's child has not
    numbers = [int((folder / f"slow:{one}.pid").read_text()) for one in (1, 2)]
    until = time.monotonic() + 10
    while any(alive(number) for number in numbers) and time.monotonic() < until:
        time.sleep(0.05)
    assert [alive(number) for number in numbers] == [False, False]
    for path in folder.glob("*.child.pid"):
        os.kill(int(path.read_text()), signal.SIGKILL)


def test_a_dead_run_is_buried_and_the_next_one_begins(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given a run that was killed a moment ago, and one of another state id
    monkeypatch.setattr(meltano_project, "DEAD_AFTER", 1.0)
    dead, other = record("ok:1", started=60, beat=2), record("ok:2", started=60, beat=2)
    notes: list[str] = []

    # when it is started again
    (outcome,) = run_pipelines(
        [pipeline("ok:1")], at_once=1, logs=folder, on_note=lambda one, note: notes.append(f"{one.name} {note}")
    )

    # then the heartbeat was watched for as long, the record is closed, and the other's is not touched
    assert (outcome.state, outcome.error) == ("done", "")
    assert outcome.seconds > 1
    assert recorded(dead) == ("FAIL", {"error": "No heartbeat for 1 seconds: the process was killed."})
    assert recorded(other) == ("RUNNING", {})
    assert [note.partition(" of ")[0] for note in notes] == ["ok:1 the run"]
    assert notes[0].endswith(" UTC is dead (no heartbeat): started again")


def test_a_living_run_is_left_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given a run whose heart beats
    monkeypatch.setattr(meltano_project, "DEAD_AFTER", 2.0)
    row = record("ok:1", started=3600, beat=0.5)
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(0.3):
            with meltano_project.meltano_project("demo").sessions() as session:
                session.get_one(Job, row).last_heartbeat_at = dt.datetime.now(tz=dt.timezone.utc)
                session.commit()

    heart = threading.Thread(target=beat)
    heart.start()
    # when
    try:
        outcomes = run_pipelines([pipeline("ok:1"), pipeline("ok:2")], at_once=2, logs=folder / "logs")
    finally:
        ended.set()
        heart.join()
    # then it is busy, nothing of it was run and no log touched; the other was
    assert [(one.state, one.code) for one in outcomes] == [("busy", None), ("done", 0)]
    assert outcomes[0].error.startswith("another run of it is going on since ")
    assert outcomes[0].error.endswith(" UTC (state id ok:1)")
    assert exit_code(outcomes) == 1
    assert recorded(row)[0] == "RUNNING"
    assert [arguments[-1] for _, _, arguments, *_ in seen(folder)] == ["ok:2"]
    assert [path.name for path in (folder / "logs").iterdir()] == ["ok:2.log"]


@pytest.mark.meltano
def test_the_record_may_be_in_postgresql(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given a system database that several machines share, and a run in it that was killed
    monkeypatch.setattr(meltano_project, "DEAD_AFTER", 1.0)
    with cluster() as database:
        monkeypatch.setenv("MELTANO_DATABASE_URI", database.uri("postgresql+psycopg"))
        dead = record("ok:1", started=60, beat=2)
        # when it is started again, then its record is closed and it runs
        (outcome,) = run_pipelines([pipeline("ok:1")], at_once=1, logs=folder)
        assert (outcome.state, recorded(dead)[0]) == ("done", "FAIL")
        # and of two that find one dead at once, one may go on
        project = meltano_project.meltano_project("demo")
        row = record("ok:2", started=60, beat=2)
        beat = project.running("ok:2")[row]
        assert [project.bury(beat), project.bury(beat)] == [True, False]


@pytest.mark.parametrize(
    ("beat", "state"), [(301, State.RUNNING), (2, State.FAIL), (2, State.SUCCESS), (2, State.STATE_EDIT)]
)
def test_what_is_not_in_meltanos_way_is_not_waited_for(folder: Path, beat: float, state: State) -> None:
    # given a run that Meltano itself takes for dead after five minutes, or that has ended
    row = record("ok:1", started=400, beat=beat, state=state)
    # when
    (outcome,) = run_pipelines([pipeline("ok:1")], at_once=1, logs=folder)
    # then
    assert outcome.state == "done"
    assert outcome.seconds < 10
    assert recorded(row) == (state.name, {})


def test_two_that_find_the_same_run_dead(folder: Path) -> None:
    # given a dead run that two have seen
    project = meltano_project.meltano_project("demo")
    row = record("ok:1", started=60, beat=20)
    first, second = (project.running("ok:1")[row] for _ in range(2))
    # when, then one of them may go on
    assert [project.bury(first), project.bury(second)] == [True, False]
    # and nobody where the heart has beaten again
    again = record("ok:1", started=60, beat=20)
    looked = project.running("ok:1")[again]
    with project.sessions() as session:
        session.get_one(Job, again).last_heartbeat_at = dt.datetime.now(tz=dt.timezone.utc)
        session.commit()
    assert project.bury(looked) is False
    assert recorded(again)[0] == "RUNNING"
    assert folder.exists()


@pytest.mark.parametrize(
    ("states", "code"),
    [
        ([("done", None)], 0),
        ([("done", None), ("failed", None)], 1),
        ([("busy", None)], 1),
        ([("failed", None), ("stopped", 15), ("not begun", 15)], 143),
        ([("not begun", 2)], 130),
    ],
)
def test_exit_codes(states: list[tuple[Any, int | None]], code: int) -> None:
    outcomes = [Outcome(pipeline("x"), state, None, 0, {}, "", Path("x.log"), number) for state, number in states]
    assert exit_code(outcomes) == code
