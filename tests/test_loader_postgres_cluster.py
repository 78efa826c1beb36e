"""The PostgreSQL that the loaders are tested against: started, stopped, and nothing left."""

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


def test_a_cluster_asks_for_its_password_and_leaves_nothing() -> None:
    # given a cluster, when it is asked with its password, and with another one
    with postgres.cluster(settings={"TimeZone": "Asia/Kolkata"}) as database:
        with psycopg.connect(database.uri()) as connection:
            zone = connection.execute("show timezone").fetchone()
            user = connection.execute("select usesuper from pg_user where usename = current_user").fetchone()
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(database.uri().replace(database.password, "other"))
        process = Path("/proc", str(database.pid))
        assert process.exists()
    # then it was as asked for, and is gone
    assert zone == ("Asia/Kolkata",)
    assert user == (True,)
    assert not database.folder.exists()
    assert not process.exists()


def test_a_port_that_is_taken_meanwhile_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    # given a port that was free and is not any more
    free = postgres._free_port()  # noqa: SLF001 - where the race is
    with socket.socket() as other:
        other.bind((postgres.HOST, 0))
        other.listen()
        ports = [other.getsockname()[1], free]
        monkeypatch.setattr(postgres, "_free_port", lambda: ports.pop(0))
        # when a cluster is started, then it takes the next
        with postgres.cluster() as database:
            assert database.port == free


def test_a_server_that_does_not_start_is_one_line_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    # given a temporary folder that is looked at, and a setting that PostgreSQL does not know
    made: list[Path] = []
    initialise = postgres._initialise  # noqa: SLF001 - tells where the folder is

    def watched(place: Path, password: str) -> None:
        made.append(place)
        initialise(place, password)

    monkeypatch.setattr(postgres, "_initialise", watched)
    # when it is started
    with (
        pytest.raises(postgres.PostgresError, match="unrecognized configuration parameter") as error,
        postgres.cluster(settings={"nonsense": "1"}),
    ):
        pass
    # then
    assert "\n" not in str(error.value)
    assert [place.exists() for place in made] == [False]


def test_serve_prints_the_address_and_ends_by_a_signal() -> None:
    # given the command
    process = subprocess.Popen(
        [sys.executable, "-m", "stand_ins.postgres", "serve"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    # when its address is used, and it is told to end
    with psycopg.connect(address) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    process.send_signal(signal.SIGTERM)
    rest, errors = process.communicate(timeout=60)
    # then it does, and says nothing more
    assert (process.returncode, rest, errors) == (0, "", "")
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(address)


def test_a_killed_test_takes_its_server_with_it() -> None:
    # given the command, when it is killed
    process = subprocess.Popen([sys.executable, "-m", "stand_ins.postgres", "serve"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    with psycopg.connect(address) as connection:
        folder = connection.execute("show data_directory").fetchone()
    process.kill()
    process.communicate()
    # then its server stops: the last file that it removes is that of its process
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
def test_a_folder_that_the_server_cannot_enter_is_named(tmp_path: Path) -> None:
    # given a folder of root alone
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    # when a cluster is to be there, then one line says so
    with pytest.raises(postgres.PostgresError, match=r"^the server runs as \w+, who cannot enter .*closed: give "):
        postgres.cluster(closed).__enter__()
    assert list(closed.iterdir()) == []


@pytest.mark.parametrize("command", ["install", "serve"])
def test_without_postgresql_and_apt_one_line_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    # given a machine without either
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(postgres, "FOLDERS", ())
    # when
    code = postgres.main([command])
    # then
    said = capsys.readouterr()
    assert (code, said.out) == (1, "")
    assert said.err.count("\n") == 1
    assert "install PostgreSQL 13 or newer by hand, so that `initdb` and `postgres` are on PATH" in said.err
