"""The database file, opened for one transaction at a time so that several loaders can share it.

DuckDB lets only one process at a time open a file for writing (https://duckdb.org/docs/stable/connect/concurrency). The
file is therefore held only while a batch is written, and parallel loaders take turns. DuckDB is started in memory once
per run (0.1 s). Attaching and detaching the file costs about 0.01 s, checkpoint included.
"""

from __future__ import annotations

import os
import random
import re
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from target_duckdb_arrow.errors import DatabaseError, SettingError

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterator

CATALOG = "target_duckdb_arrow_file"
"""Name of the database while the file is open, independent of the file's name."""

_FIRST_WAIT = 0.05
_LONGEST_WAIT = 1.0
# Such as "md:" and "s3://". A single letter is a Windows drive.
_REMOTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
# The messages of POSIX and Windows.
_LOCKED = re.compile(r"could not set lock|being used by another process|conflicting lock", re.IGNORECASE)
_HOLDER = re.compile(r"\(PID \d+\)")
_NOT_A_DATABASE = "not a valid DuckDB database"
# DuckDB's messages quote names and values of rows.
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_ABOUT_THE_FILE = (
    duckdb.IOException,
    duckdb.OutOfMemoryException,
    duckdb.FatalException,
    duckdb.InternalException,
    duckdb.TransactionException,
)
# Other users may not read the file, its log, or the data that DuckDB spills next to it.
_PRIVATE = 0o077


class Database:
    """A DuckDB file.

    Args:
        filepath: its path; `~` is the home folder. Its folder is created when it is first opened.
        lock_timeout: seconds to wait for another process that has it open.
        logger: logs when it waits.

    Raises:
        SettingError: `filepath` does not name a local file.
    """

    def __init__(self, filepath: str, lock_timeout: int, logger: logging.Logger) -> None:
        if not filepath.strip() or _REMOTE.match(filepath) or filepath.startswith(":"):
            raise SettingError(
                f"Setting 'filepath' must be a local file, such as output/warehouse.duckdb, and not '{filepath}'.",
            )
        try:
            self.path = Path(filepath).expanduser()
            is_folder = self.path.is_dir()
            if "\0" in filepath:
                raise ValueError("the path contains a NUL")  # noqa: TRY301 - from Python 3.14 on is_dir() raises it
        except (OSError, RuntimeError, ValueError) as error:  # no such user, a name too long
            reason = getattr(error, "strerror", None) or error
            raise SettingError(f"Setting 'filepath' is not a usable path ({reason}). Choose a file.") from error
        if is_folder:
            raise SettingError(f"Setting 'filepath' must be a file, and '{filepath}' is a folder. Choose a file in it.")
        self._lock_timeout = lock_timeout
        self._logger = logger
        self._engine: duckdb.DuckDBPyConnection | None = None

    @contextmanager
    def transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open the file, begin a transaction, commit it and close the file. An error rolls it back.

        The tables are in the catalogue `CATALOG`. The session's time zone is UTC.

        Raises:
            DatabaseError: The file cannot be opened, or DuckDB fails.
        """
        with _private_files():
            yield from self._transaction()

    def _transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        connection = self._attach()
        try:
            connection.execute("BEGIN").fetchall()
            yield connection
            connection.execute("COMMIT").fetchall()
            connection.execute(f"DETACH {CATALOG}").fetchall()
        except BaseException as error:
            # Shut DuckDB down to roll back an open transaction and release the file.
            connection.close()
            self._engine = None
            if not isinstance(error, duckdb.Error):
                raise
            cause = "disk space, memory, permissions" if is_about_the_file(error) else "the table's definition"
            reason = _first_line(error) if is_about_the_file(error) else plain_text(error)
            raise DatabaseError(
                f"Setting 'filepath': DuckDB failed on {self.path}: {reason}. Everything before the last state is "
                f"committed. Fix the cause ({cause}) and run again from the last state.",
            ) from error

    def _attach(self) -> duckdb.DuckDBPyConnection:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DatabaseError(
                f"Setting 'filepath': the folder {self.path.parent} cannot be created ({error.strerror}). Choose "
                "another.",
            ) from error
        if self._engine is None:
            # Two threads take longer than one to insert and compress a batch, and twice the CPU.
            self._engine = duckdb.connect(":memory:", config={"threads": 1})
            self._engine.execute("SET TimeZone = 'UTC'").fetchall()
            # Next to the file. For a database in memory, DuckDB would choose the current folder.
            self._engine.execute(f"SET temp_directory = {_literal(f'{self.path}.tmp')}").fetchall()
        deadline = time.monotonic() + self._lock_timeout
        wait = _FIRST_WAIT
        logged = False
        again = _short_waits()
        while True:
            try:
                # With a type, because DuckDB would download an extension for a file that looks like another database.
                self._engine.execute(f"ATTACH {_literal(str(self.path))} AS {CATALOG} (TYPE duckdb)").fetchall()
            except duckdb.Error as error:
                text = str(error)
                # Another loader may have created the database after this one read an empty file.
                if _NOT_A_DATABASE in text and (_removed_if_empty(self.path) or next(again, False)):
                    continue
                if not _LOCKED.search(text):
                    raise self._not_opened(error) from error
                holder = _HOLDER.search(text)
                by = f"another process{' ' + holder[0] if holder else ''}"
                if time.monotonic() >= deadline:
                    raise DatabaseError(
                        f"Setting 'filepath': {self.path} is still open in {by} after {self._lock_timeout} seconds. "
                        "Close it there or raise lock_timeout, and run again.",
                    ) from error
                if not logged:
                    self._logger.info("%s is open in %s: waiting up to %d seconds", self.path, by, self._lock_timeout)
                    logged = True
            else:
                return self._engine
            # Random waits, so that parallel loaders do not retry at the same moment.
            time.sleep(min(wait, max(0.0, deadline - time.monotonic())) * random.uniform(0.5, 1))  # noqa: S311 - no secret
            wait = min(wait * 1.5, _LONGEST_WAIT)

    def _not_opened(self, error: duckdb.Error) -> DatabaseError:
        if _NOT_A_DATABASE in str(error):
            return DatabaseError(
                f"Setting 'filepath': {self.path} is not a DuckDB database. Choose another file.",
            )
        return DatabaseError(f"Setting 'filepath': {self.path} cannot be opened: {_first_line(error)}")


@contextmanager
def _private_files() -> Iterator[None]:
    before = os.umask(_PRIVATE)
    try:
        yield
    finally:
        os.umask(before)


def _short_waits() -> Iterator[bool]:
    for _ in range(3):
        time.sleep(_FIRST_WAIT)
        yield True


def _removed_if_empty(path: Path) -> bool:
    """Remove a file of 0 bytes, as created by `touch` and `mktemp`, so that DuckDB can create the database."""
    if os.name != "posix":
        return False
    import fcntl  # noqa: PLC0415 - absent on Windows

    with suppress(OSError), path.open("r+b") as file:
        # DuckDB's own lock: no other loader is creating its database in this file.
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        found = os.fstat(file.fileno())
        if found.st_size == 0 and os.path.samestat(found, path.stat()):
            path.resolve().unlink()
            return True
    return False


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def is_about_the_file(error: duckdb.Error) -> bool:
    """Return whether the disk, the memory or DuckDB is the cause, rather than the table or the rows."""
    return isinstance(error, _ABOUT_THE_FILE)


def plain_text(error: duckdb.Error) -> str:
    """Return DuckDB's message without the values and names that it quotes."""
    return _QUOTED.sub("...", _first_line(error))


def _first_line(error: duckdb.Error) -> str:
    return str(error).strip().splitlines()[0].rstrip(".")
