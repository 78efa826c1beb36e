"""Locks for several machines: advisory locks in the PostgreSQL database that holds Dagster's records.

PostgreSQL frees a lock when its session ends: immediately if the process dies, after about 25 seconds if the machine
does. A process that loses its session kills itself before that, so a lock never has two living holders.
"""

from __future__ import annotations

import os
import signal
import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    import dagster as dg
    from psycopg2.extensions import connection

PING_SECONDS = 5.0
CLIENT_SECONDS = 10
# The server notices a dead machine after 10 + 3 * 5 seconds, later than the client notices a dead server (5 + 10).
SERVER = "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3"


class BusyError(Exception):
    """Another process holds the lock."""


def database(instance: dg.DagsterInstance) -> str | None:
    """Return the URL of Dagster's PostgreSQL database, or None for another storage."""
    url: Any = getattr(instance.event_log_storage, "postgres_url", None)
    return str(url) if url else None


@contextmanager
def held(url: str, name: str, *, wait: bool = True) -> Iterator[None]:
    """Hold a lock until the end of the block.

    Args:
        url: URL of the database. A pooler must keep sessions (PgBouncer: `pool_mode=session`).
        name: Name of the lock.
        wait: Whether to wait for another holder.

    Raises:
        BusyError: Another process holds it, and `wait` is false.
    """
    with closing(_connect(url)) as session:
        if not _lock(session, name, wait=wait):
            raise BusyError(name)
        ended = threading.Event()
        watch = threading.Thread(target=_watch, args=(session, ended), daemon=True)
        watch.start()
        try:
            yield
        finally:
            ended.set()
            watch.join()


def is_held(url: str, name: str) -> bool:
    """Return whether a process holds a lock."""
    with closing(_connect(url)) as session:
        return not _lock(session, name, wait=False)


def _connect(url: str) -> connection:
    import psycopg2  # noqa: PLC0415 - not installed on single machines

    session = psycopg2.connect(
        url,
        connect_timeout=CLIENT_SECONDS,
        tcp_user_timeout=CLIENT_SECONDS * 1000,
        keepalives_idle=CLIENT_SECONDS,
        options=SERVER,
    )
    session.autocommit = True
    return session


def _lock(session: connection, name: str, *, wait: bool) -> bool:
    function = "pg_advisory_lock" if wait else "pg_try_advisory_lock"
    with session.cursor() as cursor:
        cursor.execute(f"select {function}(hashtextextended(%s, 0))", [f"adtech {name}"])
        (locked,) = cursor.fetchone() or (False,)
        return wait or bool(locked)


def _watch(session: connection, ended: threading.Event) -> None:
    """End this process when its session is lost; Linux then stops Meltano."""
    while not ended.wait(PING_SECONDS):
        if not _answers(session):
            os.kill(os.getpid(), signal.SIGKILL)


def _answers(session: connection) -> bool:
    try:
        with session.cursor() as cursor:
            cursor.execute("select 1")
    except Exception:  # noqa: BLE001 - any error may mean that the lock is free
        return False
    return True
