"""The PostgreSQL clusters that loaders are tested against: starting, stopping, and cleaning up."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from stand_ins import postgres

pytestmark = pytest.mark.meltano


def test_a_cluster_requires_its_password_and_leaves_nothing() -> None:
    # given a cluster, when connecting with its password and with a wrong one
    with postgres.cluster(settings={"TimeZone": "Asia/Kolkata"}) as database:
        with psycopg.connect(database.uri()) as connection:
            zone = connection.execute("show timezone").fetchone()
            user = connection.execute("select usesuper from pg_user where usename = current_user").fetchone()
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(database.uri().replace(database.password, "other"))
        process = Path("/proc", str(database.pid))
        assert process.exists()
    # then it had the settings, and everything is deleted
    assert zone == ("Asia/Kolkata",)
    assert user == (True,)
    assert not database.folder.exists()
    assert not process.exists()


def test_a_port_taken_in_the_meantime_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    # given a port that was free and no longer is
    free = postgres._free_port()  # noqa: SLF001 - the function with the race
    with socket.socket() as other:
        other.bind((postgres.HOST, 0))
        other.listen()
        ports = [other.getsockname()[1], free]
        monkeypatch.setattr(postgres, "_free_port", lambda: ports.pop(0))
        # when a cluster is started, then it uses the next port
        with postgres.cluster() as database:
            assert database.port == free


def test_a_server_that_does_not_start_is_a_one_line_error_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    # given a recorded temporary folder, and a setting unknown to PostgreSQL
    created: list[Path] = []
    initialise = postgres._initialise  # noqa: SLF001 - receives the folder

    def recording(directory: Path, password: str) -> None:
        created.append(directory)
        initialise(directory, password)

    monkeypatch.setattr(postgres, "_initialise", recording)
    # when it is started
    with (
        pytest.raises(postgres.PostgresError, match="unrecognized configuration parameter") as error,
        postgres.cluster(settings={"nonsense": "1"}),
    ):
        pass
    # then
    assert "\n" not in str(error.value)
    assert [directory.exists() for directory in created] == [False]


def test_serve_prints_the_uri_and_ends_on_a_signal() -> None:
    # given the command
    process = subprocess.Popen(
        [sys.executable, "-m", "stand_ins.postgres", "serve"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    # when a client connects, and the command is terminated
    with psycopg.connect(address) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    process.send_signal(signal.SIGTERM)
    rest, errors = process.communicate(timeout=60)
    # then it ends without further output
    assert (process.returncode, rest, errors) == (0, "", "")
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(address)


def test_the_server_of_a_killed_test_stops() -> None:
    # given the command, when it is killed
    process = subprocess.Popen([sys.executable, "-m", "stand_ins.postgres", "serve"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    with psycopg.connect(address) as connection:
        folder = connection.execute("show data_directory").fetchone()
    process.kill()
    process.communicate()
    # then its server stops: the last file that it removes is its status file
    assert folder is not None
    left = Path(folder[0]) / "postmaster.pid"
    for _ in range(200):
        if not left.exists():
            break
        signal.sigtimedwait([], 0.1)
    assert not left.exists()
    for path in sorted(left.parent.parent.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    left.parent.parent.rmdir()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts the server as another user")
def test_an_inaccessible_folder_is_named(tmp_path: Path) -> None:
    # given a folder that only root may enter
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    # when a cluster is created there, then a one-line error names the folder
    with pytest.raises(postgres.PostgresError, match=r"^the server runs as \w+, who cannot access .*closed: use "):
        postgres.cluster(closed).__enter__()
    assert list(closed.iterdir()) == []


@pytest.mark.parametrize("command", ["install", "serve"])
def test_without_postgresql_and_apt_a_one_line_error_has_the_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    # given a machine without either
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(postgres, "FOLDERS", ())
    # when
    code = postgres.main([command])
    # then
    captured = capsys.readouterr()
    assert (code, captured.out) == (1, "")
    assert captured.err.count("\n") == 1
    assert "install PostgreSQL 13 or newer and put `initdb` and `postgres` on PATH" in captured.err
