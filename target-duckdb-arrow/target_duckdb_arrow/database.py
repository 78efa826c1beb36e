"""The database file: opened for one transaction at a time, so that several loaders can share it.

DuckDB lets one process at a time open a file for writing (https://duckdb.org/docs/stable/connect/concurrency). So the
file is held only while a batch is written, and loaders side by side take turns. DuckDB itself, in memory, is started
once for a run (0.1 s); attaching the file to it and detaching it, checkpoint included, costs about 0.01 s.
"""

from __future__ import annotations

import random
import re
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from target_duckdb_arrow.errors import DatabaseError, SettingError

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterator

CATALOG = "target_duckdb_arrow_file"
"""What the file's database is called while it is open, whatever the name of the file."""

_FIRST_WAIT = 0.05
_LONGEST_WAIT = 1.0
# "md:", "s3://" and the like; one letter is a Windows drive.
_REMOTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
# POSIX, and the words of Windows.
_LOCKED = re.compile(r"could not set lock|being used by another process|conflicting lock", re.IGNORECASE)
_HOLDER = re.compile(r"\(PID \d+\)")


class Database:
    """A DuckDB file.

    Args:
        filepath: where it is; `~` is the home folder. Its folder is made when it is first opened.
        lock_timeout: seconds to wait for another process that has it open.
        logger: told of waiting.

    Raises:
        SettingError: `filepath` does not name a local file.
    """

    def __init__(self, filepath: str, lock_timeout: int, logger: logging.Logger) -> None:
        if not filepath.strip() or _REMOTE.match(filepath) or filepath.startswith(":"):
            raise SettingError(
                f"Setting 'filepath' is '{filepath}': it must name a local file, such as output/warehouse.duckdb. "
                "A database in memory would be gone at the end of the run.",
            )
        self.path = Path(filepath).expanduser()
        if self.path.is_dir():
            raise SettingError(f"Setting 'filepath' is '{filepath}', which is a folder: name a file in it.")
        self._lock_timeout = lock_timeout
        self._logger = logger
        self._engine: duckdb.DuckDBPyConnection | None = None

    @contextmanager
    def transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open the file, commit what is done inside, close it. On an error nothing of it is kept.

        The file's tables are in the catalogue named by `CATALOG`. The session's time zone is UTC.

        Raises:
            DatabaseError: The file cannot be opened, or DuckDB fails.
        """
        connection = self._attach()
        try:
            connection.execute("BEGIN").fetchall()
            yield connection
            connection.execute("COMMIT").fetchall()
            connection.execute(f"DETACH {CATALOG}").fetchall()
        except BaseException as error:
            # Ends DuckDB as a whole: an open transaction is rolled back, and the file let go.
            connection.close()
            self._engine = None
            if not isinstance(error, duckdb.Error):
                raise
            raise DatabaseError(
                f"Setting 'filepath': DuckDB failed on {self.path}: {_first_line(error)}. What came before the last "
                "state is safe; see to the cause (a full disk, memory, rights) and run again from the last state.",
            ) from error

    def _attach(self) -> duckdb.DuckDBPyConnection:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DatabaseError(
                f"Setting 'filepath': the folder {self.path.parent} cannot be made ({error.strerror}). Choose another.",
            ) from error
        if self._engine is None:
            self._engine = duckdb.connect(":memory:")
            self._engine.execute("SET TimeZone = 'UTC'").fetchall()
        path = str(self.path).replace("'", "''")
        deadline = time.monotonic() + self._lock_timeout
        wait = _FIRST_WAIT
        told = False
        while True:
            try:
                # The type is said, as DuckDB would fetch an extension for a file that looks like another database.
                self._engine.execute(f"ATTACH '{path}' AS {CATALOG} (TYPE duckdb)").fetchall()
            except duckdb.Error as error:
                text = str(error)
                if not _LOCKED.search(text):
                    raise self._not_opened(error) from error
                holder = _HOLDER.search(text)
                by = f"another process{' ' + holder[0] if holder else ''}"
                if time.monotonic() >= deadline:
                    raise DatabaseError(
                        f"Setting 'filepath': {self.path} has been open in {by} for {self._lock_timeout} seconds. "
                        "Close it there, or raise the setting 'lock_timeout', and run again.",
                    ) from error
                if not told:
                    self._logger.info("%s is open in %s: waiting up to %d seconds", self.path, by, self._lock_timeout)
                    told = True
            else:
                return self._engine
            # Uneven waits, so that loaders side by side do not ask at the same moments.
            time.sleep(min(wait, max(0.0, deadline - time.monotonic())) * random.uniform(0.5, 1))  # noqa: S311 - no secret
            wait = min(wait * 1.5, _LONGEST_WAIT)

    def _not_opened(self, error: duckdb.Error) -> DatabaseError:
        if "not a valid DuckDB database" in str(error):
            return DatabaseError(
                f"Setting 'filepath': {self.path} exists and is not a DuckDB database. Name another file.",
            )
        return DatabaseError(f"Setting 'filepath': {self.path} cannot be opened: {_first_line(error)}")


def _first_line(error: duckdb.Error) -> str:
    return str(error).strip().splitlines()[0].rstrip(".")
