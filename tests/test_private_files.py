"""What our commands write is for nobody else's eyes, and what runs that were killed have left is removed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from private_files import keep_private

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parent.parent
HOUR = 3600.0


def mode(path: Path) -> str:
    return f"{path.stat().st_mode & 0o777:o}"


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """Work as a user whose files others can read, and leave other tests as they are."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def meltano(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Give what starts a program that is called like Meltano, and ends it."""
    program = tmp_path / "meltano"
    program.write_text("import time\nprint(flush=True)\ntime.sleep(60)\n")
    started: list[subprocess.Popen[bytes]] = []

    def start(folder: Path, **variables: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, str(program), "run", "tap-x", "target-y"]
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, env={**os.environ, **variables})
        started.append(process)
        assert process.stdout is not None
        process.stdout.readline()
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def written(path: Path, seconds_ago: float = 0.0) -> Path:
    """Write a file that was written some time ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}")
    moment = time.time() - seconds_ago
    os.utime(path, (moment, moment))
    os.utime(path.parent, (moment, moment))
    return path


def test_nobody_else_reads_what_is_written(tmp_path: Path) -> None:
    # given a folder of Meltano's that others may read, as it was made before
    (tmp_path / ".meltano").mkdir()
    assert mode(tmp_path / ".meltano") == "755"
    # when
    keep_private(tmp_path)
    # then it is closed, whatever is in it, and so is what is written from now on, by programs that are started too
    subprocess.run([sys.executable, "-c", "open('log', 'w')"], cwd=tmp_path, check=True)
    assert [mode(tmp_path / name) for name in (".meltano", "output", "log")] == ["700", "700", "600"]


WARNING = "warning: .env holds credentials, and other users of this machine can read it: chmod 600 .env\n"


@pytest.mark.parametrize(("bits", "line"), [(0o644, WARNING), (0o640, WARNING), (0o604, WARNING), (0o600, "")])
def test_an_env_file_that_others_can_read_gets_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], bits: int, line: str
) -> None:
    (tmp_path / ".env").touch()
    (tmp_path / ".env").chmod(bits)

    keep_private(tmp_path)
    keep_private(tmp_path, warn=False)

    assert capsys.readouterr().err == line


def test_what_killed_runs_have_left_is_removed(tmp_path: Path) -> None:
    # given what `meltano run` and `meltano el` leave when they are killed, and a catalog that Meltano keeps
    run = tmp_path / ".meltano" / "run"
    left = [
        written(run / "tap-ispot" / "tap.5f3c.config.json"),
        written(run / "target-duckdb" / "target.77aa.config.json"),
        written(run / "elt" / "prod:tap-ispot-to-target-duckdb" / "0199" / "tap.5f3d.config.json"),
    ]
    kept = written(run / "tap-ispot" / "tap.properties.json")
    # when
    keep_private(tmp_path)
    # then
    assert [path for path in left if path.exists()] == []
    assert kept.exists()
    assert not (run / "elt" / "prod:tap-ispot-to-target-duckdb").exists()


def test_what_a_living_run_may_need_is_left_alone(
    tmp_path: Path, meltano: Callable[..., subprocess.Popen[bytes]]
) -> None:
    # given a run at work, and what others have left before it began
    run = tmp_path / ".meltano" / "run"
    old = [
        written(run / "tap-x" / "tap.1.config.json", HOUR),
        written(run / "elt" / "prod:tap-x-to-target-y" / "0198" / "state.json", HOUR),
    ]
    os.utime(old[1].parent, (time.time() - HOUR,) * 2)
    living = meltano(tmp_path)
    new = [
        written(run / "tap-x" / "tap.2.config.json"),
        written(run / "elt" / "prod:tap-x-to-target-y" / "0199" / "tap.3.config.json"),
    ]
    # when
    keep_private(tmp_path)
    # then
    assert [path for path in old if path.exists()] == []
    assert [path for path in new if path.exists()] == new

    # when it is killed
    living.kill()
    living.wait()
    keep_private(tmp_path)
    # then
    assert [path for path in new if path.exists()] == []


def test_a_run_of_another_project_holds_nothing_back(
    tmp_path: Path, meltano: Callable[..., subprocess.Popen[bytes]]
) -> None:
    # given a Meltano that works elsewhere
    project, elsewhere = tmp_path / "here", tmp_path / "there"
    project.mkdir()
    elsewhere.mkdir()
    meltano(elsewhere)
    # when, then
    settings = written(project / ".meltano" / "run" / "tap-x" / "tap.1.config.json")
    keep_private(project)
    assert not settings.exists()

    # given one that works here, though it was started elsewhere
    meltano(elsewhere, MELTANO_PROJECT_ROOT=str(project))
    # when, then
    written(settings)
    keep_private(project)
    assert settings.exists()


def make(folder: Path) -> str:
    """Run `make env` in a folder; returns what it said."""
    command = ["make", "--no-print-directory", "-f", str(ROOT / "Makefile"), "env"]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def test_make_env_makes_a_file_that_nobody_else_can_read(tmp_path: Path) -> None:
    # given an example that everybody may read, when
    example = tmp_path / ".env.example"
    example.write_text("TAP_ISPOT_CLIENT_ID=\n")
    said = make(tmp_path)
    # then
    assert mode(tmp_path / ".env") == "600"
    assert (tmp_path / ".env").read_text() == example.read_text()
    assert "Fill in the credentials" in said
    assert "meltano run tap-ispot target-duckdb" in said


def test_make_env_leaves_a_file_that_is_there_as_it_is(tmp_path: Path) -> None:
    (tmp_path / ".env.example").write_text("TAP_ISPOT_CLIENT_ID=\n")
    (tmp_path / ".env").write_text("TAP_ISPOT_CLIENT_ID=mine\n")

    said = make(tmp_path)
    (tmp_path / ".env").chmod(0o600)
    said_of_private = make(tmp_path)

    assert (tmp_path / ".env").read_text() == "TAP_ISPOT_CLIENT_ID=mine\n"
    assert "chmod 600 .env" in said
    assert "chmod" not in said_of_private
    assert "left as it is" in said_of_private
