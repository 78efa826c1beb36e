"""Request budgets shared by processes on one machine that read the same account at the same time.

The processes share a folder (the setting `budget_folder`). It contains a small file of spent requests per family,
guarded by an operating system lock, and lock files for slots: for requests in flight, and for jobs that the vendor
runs one at a time. The system releases the locks of a process however it ends.

File names contain the tap's name and the host of `api_url`, but no part or hash of the credentials: use one folder per
account.
"""

from __future__ import annotations

import itertools
import logging
import re
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypeVar
from urllib.parse import quote, urlsplit

import msgspec
from filelock import BaseFileLock, FileLock, Timeout
from typing_extensions import override

from singer_adtech.errors import SettingError
from singer_adtech.http.budgets import Account, Budgets, Family

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from filelock import AcquireReturnProxy

    from singer_adtech.clock import Clock

T = TypeVar("T")

SHARED_MARGIN = 0.5
"""Seconds added to each limit's span: network latency varies more between processes than between threads."""

REQUEST_POLL, JOB_POLL = 0.02, 0.1
"""Seconds between polls for a free slot, for a request and for a job. A poll costs 0.2 ms of CPU time."""

PATIENCE = 60.0
"""Seconds to wait for the lock of the counts. It is held for about 1 ms, so a longer wait means a suspended holder."""

LONGEST_HOLD = 3600.0
"""Longest pause of a family in seconds. A file with a longer one is damaged."""


class Spent(msgspec.Struct):
    """The file of a family. All times are seconds of the machine's monotonic clock, shared by all processes.

    Args:
        written: Time of writing.
        starts: Start times of the requests that still count.
        held_until: Earliest start of the next request.
    """

    written: float
    starts: list[float]
    held_until: float


_read_spent = msgspec.json.Decoder(Spent).decode


class SharedFolder:
    """A folder shared by several runs.

    Args:
        folder: The setting `budget_folder`. It is created if missing, and checked immediately.
        tap: Name of the tap. Different taps do not share budgets.
        api_url: The vendor's base address.

    Raises:
        SettingError: Files cannot be written or locked there.
    """

    def __init__(self, folder: str, *, tap: str, api_url: str) -> None:
        self._folder = Path(folder).expanduser().absolute()
        host = re.sub(r"[^a-z0-9.]", "-", urlsplit(api_url).netloc.lower())
        self._prefix = f"{tap}.{host}"
        # filelock logs three lines per poll at level DEBUG.
        logging.getLogger("filelock").setLevel(logging.INFO)
        self._counts = self.lock("counts")
        self._jobs: dict[str, Places] = {}
        with self.named_errors():
            # Private, because any user with write access could block every run.
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self.counting():
            probe = self._path("probe.json")
            _write(probe, b"{}")
            probe.unlink()

    def lock(self, name: str) -> BaseFileLock:
        """Return the lock of this name. It excludes other processes and other threads of this process."""
        # Soft locks, filelock's fallback on some file systems, outlive a killed process.
        return FileLock(self._path(f"{name}.lock"), fallback_to_soft=False)

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Lock the counts of all families.

        Raises:
            SettingError: The folder cannot be used, or another run does not release the lock.
        """
        with self.named_errors(), self._counts.acquire(timeout=PATIENCE):
            yield

    def read(self, family: Family) -> Spent | None:
        """Return the spent requests of a family, or None if it has no file.

        Raises:
            ValueError: The file is damaged.
        """
        try:
            content = self._file(family).read_bytes()
        except FileNotFoundError:
            return None
        spent = _read_spent(content)
        if spent.held_until - spent.written > LONGEST_HOLD:
            raise ValueError(f"held for more than {LONGEST_HOLD:g} s")
        return spent

    def write(self, family: Family, spent: Spent) -> None:
        """Write the spent requests of a family. If the process is killed meanwhile, the old file remains."""
        _write(self._file(family), msgspec.json.encode(spent))

    def alone(
        self, what: str, logger: logging.Logger | logging.LoggerAdapter[logging.Logger]
    ) -> AbstractContextManager[None]:
        """Exclude other runs that use this folder from a kind of work.

        Args:
            what: The kind of work, one lower-case word, such as `report`.
            logger: Gets one line if another run is doing this work.
        """
        if what not in self._jobs:
            self._jobs[what] = Places(self, what, 1, poll=JOB_POLL)
        return self._jobs[what].take(
            lambda: logger.info("Another run has a %s in progress; waiting until it ends (`budget_folder`)", what)
        )

    @contextmanager
    def named_errors(self) -> Iterator[None]:
        """Turn file system errors into errors that name the setting.

        Raises:
            SettingError: The folder cannot be used, or a lock timed out.
        """
        try:
            yield
        except Timeout:
            raise SettingError(
                f"setting `budget_folder`: another run has locked the counts in {self._folder} for {PATIENCE:g} s",
                "end or resume the suspended run, or choose another folder",
            ) from None
        except OSError as error:
            raise SettingError(
                f"setting `budget_folder`: {self._folder} cannot be used: {error.strerror or error}",
                "choose a folder on a local disk in which this user can create files",
            ) from error

    def _file(self, family: Family) -> Path:
        return self._path(f"family.{quote(family.name, safe='')}.json")

    def _path(self, name: str) -> Path:
        return self._folder / f"{self._prefix}.{name}"


def _write(path: Path, content: bytes) -> None:
    # Atomic. The caller holds the lock, so no other process writes the temporary file.
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_bytes(content)
    fresh.replace(path)


class Places:
    """A fixed number of slots for parallel work, shared by all runs that use a folder.

    A run holds the door lock while it waits for a slot, so a run that returns immediately cannot starve the others.

    Args:
        folder: The shared folder.
        name: The purpose of the slots.
        number: The number of slots.
        poll: Seconds between polls for a free slot.
    """

    def __init__(self, folder: SharedFolder, name: str, number: int, *, poll: float) -> None:
        self._folder = folder
        self._poll = poll
        self._queue = threading.Lock()
        # Kept, because a lock object's finalizer can run at any point, and a signal during it is lost.
        self._door = folder.lock(f"{name}.door")
        self._places = [folder.lock(f"{name}.{one}") for one in range(1, number + 1)]

    @contextmanager
    def take(self, told: Callable[[], None]) -> Iterator[None]:
        """Wait for a slot and keep it while the block runs.

        Args:
            told: Called once if no slot is free.

        Raises:
            SettingError: The folder can no longer be used.
        """
        waits = itertools.count()

        def wait() -> None:
            if next(waits) == 0:
                told()
            time.sleep(self._poll)

        with self._folder.named_errors(), self._queue, _first_free([self._door], wait):
            place = _first_free(self._places, wait)
        with place:
            yield


def _first_free(locks: Sequence[BaseFileLock], wait: Callable[[], None]) -> AcquireReturnProxy[BaseFileLock]:
    while True:
        for lock in locks:
            with suppress(Timeout):
                return lock.acquire(blocking=False)
        wait()


class SharedBudgets(Budgets):
    """Budgets shared by several runs.

    Args:
        families: The vendor's limits.
        clock: The clock. Its monotonic time must be the machine's.
        folder: The shared folder.
        in_flight: Maximum number of requests in flight, across all runs.
        logger: Logs damaged files, each long wait, and once that all slots are taken.
    """

    margin: ClassVar[float] = SHARED_MARGIN

    def __init__(
        self,
        families: Iterable[Family],
        clock: Clock,
        *,
        folder: SharedFolder,
        in_flight: int,
        logger: logging.Logger,
    ) -> None:
        super().__init__(families, clock, logger)
        self._folder = folder
        self._places = Places(folder, "in-flight", in_flight, poll=REQUEST_POLL)
        self._in_flight = in_flight
        self._told = False

    @override
    @contextmanager
    def slot(self, path: str, prepare: Callable[[], T], label: str = "") -> Iterator[T]:
        while True:
            # First, because a login during it must not wait for a slot while holding one.
            prepared = prepare()
            with self._places.take(self._tell_once):
                delay, _ = self._start(path, label)
                if delay <= 0:
                    yield prepared
                    return
            # Sleep without a slot, so that requests of other families can proceed.
            self._clock.sleep(delay)

    @override
    def hold(self, path: str, seconds: float) -> None:
        super().hold(path, min(seconds, LONGEST_HOLD))

    @override
    @contextmanager
    def _changing(self, accounts: list[Account]) -> Iterator[None]:
        if not accounts:
            yield
            return
        with super()._changing(accounts), self._folder.counting():
            now = self._clock.monotonic()
            before = [self._load(account, now) for account in accounts]
            yield
            for account, known in zip(accounts, before, strict=True):
                if known != (tuple(account.starts), account.held_until):
                    self._folder.write(account.family, Spent(now, list(account.starts), account.held_until))

    def _load(self, account: Account, now: float) -> tuple[tuple[float, ...], float] | None:
        """Load the spent requests of all runs into an account. Return them, or None without a usable file."""
        account.starts.clear()
        known_hold, account.held_until = account.held_until, 0.0
        try:
            spent = self._folder.read(account.family)
        except ValueError as error:
            # Its counts are lost, so assume that the whole budget was just spent.
            wait = account.family.longest_span + account.margin
            self._logger.warning(
                "the counts of %s in `budget_folder` are damaged (%s): the whole budget counts as spent for %g s",
                account.family.name,
                error,
                wait,
            )
            account.held_until, account.held_because = now + wait, "its counts are damaged"
            return None
        if spent is None:
            return None
        if spent.written > now:
            self._logger.info(
                "ignored the counts of %s: they were written before this machine was restarted", account.family.name
            )
            return None
        account.starts.extend(sorted(start for start in spent.starts if start <= now + account.family.lateness))
        account.held_until = spent.held_until
        if account.held_until != known_hold:
            account.held_because = "the vendor requested a pause in another run"
        return tuple(account.starts), account.held_until

    def _tell_once(self) -> None:
        if not self._told:
            self._told = True
            what = "Other runs have all %d requests of `parallel_requests` in flight; taking turns with them"
            self._logger.info(what, self._in_flight)
