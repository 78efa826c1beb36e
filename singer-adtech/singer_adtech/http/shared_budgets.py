"""Budgets that several runs keep as one: processes of one machine that read one account at the same time.

They meet in a folder (the setting `budget_folder`). It holds what was spent of each family, in a small file guarded by
a lock of the operating system, and lock files for places: of requests in flight, and of work that a vendor does for one
at a time. The system frees the locks of a process that ends, however it ends.

The names of the files have the tap's name and the host of `api_url`, and nothing of the credentials, not even a hash:
one folder is for one account.
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
"""Seconds added to each limit's span: the ways of several processes to the vendor differ more than those of threads."""

REQUEST_POLL, JOB_POLL = 0.02, 0.1
"""Seconds between two looks whether a place is free, for a request and for a job; a look costs 0.2 ms of CPU time."""

PATIENCE = 60.0
"""Seconds to wait for the lock of the counts, which is held for a millisecond: by then its holder has been stopped."""

LONGEST_HOLD = 3600.0
"""Seconds for which a file of counts can hold a family back; one that says more is damaged."""


class Spent(msgspec.Struct):
    """The file of a family; all times are seconds of the machine's monotonic clock, which all processes share.

    Args:
        written: When it was written.
        starts: When requests started that still count.
        held_until: Before this moment none may start.
    """

    written: float
    starts: list[float]
    held_until: float


_read_spent = msgspec.json.Decoder(Spent).decode


class SharedFolder:
    """A folder in which runs meet.

    Args:
        folder: The setting `budget_folder`. It is made if it is not there, and tried at once.
        tap: Name of the tap; taps do not share what they spend.
        api_url: The vendor's base address.

    Raises:
        SettingError: Nothing can be written or locked there.
    """

    def __init__(self, folder: str, *, tap: str, api_url: str) -> None:
        self._folder = Path(folder).expanduser().absolute()
        host = re.sub(r"[^a-z0-9.]", "-", urlsplit(api_url).netloc.lower())
        self._prefix = f"{tap}.{host}"
        # At the level DEBUG it would say three lines at each look.
        logging.getLogger("filelock").setLevel(logging.INFO)
        self._counts = self.lock("counts")
        self._jobs: dict[str, Places] = {}
        with self.named_errors():
            # For nobody else: whoever can write there can hold back every run.
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self.counting():
            probe = self._path("probe.json")
            _write(probe, b"{}")
            probe.unlink()

    def lock(self, name: str) -> BaseFileLock:
        """Return the lock of this name; each thread that takes it excludes all others, of this process too."""
        # Soft locks, which filelock would fall back to on some file systems, outlive a process that is killed.
        return FileLock(self._path(f"{name}.lock"), fallback_to_soft=False)

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Keep other runs away from the counts of all families.

        Raises:
            SettingError: The folder cannot be used, or another run keeps this one away.
        """
        with self.named_errors(), self._counts.acquire(timeout=PATIENCE):
            yield

    def read(self, family: Family) -> Spent | None:
        """Return what was spent of a family; None if nothing is known of it.

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
        """Keep what was spent of a family; a process that is killed meanwhile leaves the old file."""
        _write(self._file(family), msgspec.json.encode(spent))

    def alone(
        self, what: str, logger: logging.Logger | logging.LoggerAdapter[logging.Logger]
    ) -> AbstractContextManager[None]:
        """Be the only run, of those that use this folder, that does something.

        Args:
            what: What is done, one lower-case word, such as `report`.
            logger: Told once if another run is at it.
        """
        if what not in self._jobs:
            self._jobs[what] = Places(self, what, 1, poll=JOB_POLL)
        return self._jobs[what].take(
            lambda: logger.info("Another run has a %s in progress; waiting until it ends (`budget_folder`)", what)
        )

    @contextmanager
    def named_errors(self) -> Iterator[None]:
        """Name the setting in errors of the file system.

        Raises:
            SettingError: In place of them.
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
    # Never half written under its own name. Its lock is held, so nobody else writes the other one.
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_bytes(content)
    fresh.replace(path)


class Places:
    """Places for something of which so many go on at once, over all runs that use a folder.

    Who waits for a place holds the door meanwhile, so that no run keeps the others out by coming back at once.

    Args:
        folder: Where the runs meet.
        name: What the places are for.
        number: How many there are.
        poll: Seconds between two looks whether one is free.
    """

    def __init__(self, folder: SharedFolder, name: str, number: int, *, poll: float) -> None:
        self._folder = folder
        self._poll = poll
        self._queue = threading.Lock()
        # Kept, as the end of a lock object would run in the middle of anything, where a signal is lost.
        self._door = folder.lock(f"{name}.door")
        self._places = [folder.lock(f"{name}.{one}") for one in range(1, number + 1)]

    @contextmanager
    def take(self, told: Callable[[], None]) -> Iterator[None]:
        """Wait for a place and keep it while the block runs.

        Args:
            told: Called once, if none is free.

        Raises:
            SettingError: The folder cannot be used any more.
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
    """The budgets of several runs.

    Args:
        families: The vendor's limits.
        clock: Where time comes from; its monotonic time is that of the machine.
        folder: Where the runs meet.
        in_flight: Requests in flight at most, over all runs.
        logger: Gets a line about damaged files, before each long wait, and once that all places are taken.
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
            # First: a login within must not wait for a place while it keeps one.
            prepared = prepare()
            with self._places.take(self._tell_once):
                delay, _ = self._start(path, label)
                if delay <= 0:
                    yield prepared
                    return
            # Slept without a place, so that requests of other families go on.
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
        """Take over what all runs have spent; returns what the file says, if it says anything."""
        account.starts.clear()
        known_hold, account.held_until = account.held_until, 0.0
        try:
            spent = self._folder.read(account.family)
        except ValueError as error:
            # What it had counted is lost, so everything counts as spent just now.
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
