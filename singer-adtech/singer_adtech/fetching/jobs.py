"""Asynchronous jobs: a vendor is asked for a result, works on it in its own time, and gives it out when asked again.

A `Job` says how one vendor is asked (submit, poll, fetch, cancel); `run_job` does what is the same everywhere: it waits
while the vendor is busy, polls with growing waits up to a deadline, submits anew what the vendor forgot or failed, and
cancels what still runs when the run stops.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from singer_adtech.errors import VendorError
from singer_adtech.fetching.parallel import in_background

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager

    from singer_adtech.clock import Clock

T = TypeVar("T")

STOP_GRACE = 10.0
"""Seconds that a stopped run waits for the answer to a submit under way, whose ticket it needs to cancel the job."""


class JobBusyError(VendorError):
    """The vendor does not take a job now, as it works on another one; raised by `Job.submit`."""


class JobLostError(VendorError):
    """The vendor does not know a ticket any more; raised by `Job.poll` and `Job.fetch`."""


class Phase(enum.Enum):
    """Where a job stands, whatever words or numbers a vendor has for it.

    A status that the vendor does not document is none of these: `Job.submit` and `Job.poll` raise `VendorError` for it.
    """

    WAITING = "waiting"
    COMPLETE = "complete"
    FAILED = "failed"


@dataclass(frozen=True)
class JobStatus:
    """What a vendor answered about a job.

    Args:
        ticket: What the vendor calls the job.
        phase: Where it stands.
        word: The vendor's own word or number for that, for messages.
        reason: Why it failed, in the vendor's words.
        answer: The answer itself, where results come with it.
    """

    ticket: str
    phase: Phase
    word: str
    reason: str = ""
    answer: Any = None


class Job(ABC, Generic[T]):
    """One result to be had from a vendor, such as a report over a window; `T` is one part of it, such as a page."""

    cancellable: bool = False
    """Whether the vendor lets a job be cancelled."""

    @abstractmethod
    def submit(self) -> JobStatus:
        """Ask for the result.

        Raises:
            JobBusyError: The vendor takes no job now.
            VendorError: The vendor refused, or told a status that is not documented.
        """

    @abstractmethod
    def poll(self, ticket: str) -> JobStatus:
        """Ask how the job stands.

        Raises:
            JobLostError: The vendor does not know the ticket.
            VendorError: The vendor refused, or told a status that is not documented.
        """

    @abstractmethod
    def fetch(self, status: JobStatus) -> Iterable[T]:
        """Get the result of a job that is complete, all parts in order.

        Raises:
            JobLostError: The vendor does not know the ticket.
            VendorError: The vendor refused.
        """

    def cancel(self, ticket: str) -> None:
        """Tell the vendor that nobody waits for the result; asked only if `cancellable`, and its errors are ignored."""


@dataclass(frozen=True)
class JobPolicy:
    """How patiently jobs are waited for.

    Args:
        first_wait: Seconds between the submit and the first poll.
        growth: Each later wait is so many times the one before it.
        longest_wait: Seconds that no wait exceeds.
        timeout: Seconds from the answer to the submit after which the run ends.
        timeout_setting: The setting that has them, for the message.
        timeout_for_all: Whether jobs that are submitted anew share one timeout, counted from the first submit.
        resubmits: How often a result is asked for anew, after jobs that were lost or failed, before the run ends.
        busy_wait: Seconds before a submit is repeated that met a busy vendor.
        busy_timeout: Seconds, over all submits of one result, that are spent with a busy vendor before the run ends.
        busy_setting: The setting that has them, for the message.
    """

    first_wait: float
    timeout: float
    timeout_setting: str
    growth: float = 1.0
    longest_wait: float = 60.0
    timeout_for_all: bool = False
    resubmits: int = 0
    busy_wait: float = 60.0
    busy_timeout: float = 0.0
    busy_setting: str = ""

    def waits(self) -> Iterator[float]:
        """Yield the seconds before each poll, without an end."""
        wait = min(self.first_wait, self.longest_wait)
        while True:
            yield wait
            wait = min(wait * self.growth, self.longest_wait)


def run_job(  # noqa: PLR0913 - what a job is made of, and who hears of it
    job: Job[T],
    policy: JobPolicy,
    *,
    clock: Clock,
    logger: logging.Logger | logging.LoggerAdapter[logging.Logger],
    alone: AbstractContextManager[None] | None = None,
    on_wait: Callable[[float], None] = lambda _: None,
) -> list[T]:
    """Get one result, whole.

    Nothing is given out before the last part is there: a job may be forgotten between two parts, and is then asked for
    anew. If the run stops while the vendor works (an error, a signal), the job is cancelled where that is possible.

    Args:
        job: How this vendor is asked for this result.
        policy: How long is waited for it.
        clock: Where time comes from.
        logger: Told about waits and new attempts.
        alone: Entered before the first submit, and left after the last part or the cancel. `AdTechTap.alone` waits
            there for jobs of other runs, which counts as none of the policy's times.
        on_wait: Called with the seconds of each wait after it.

    Returns:
        All parts, in order.

    Raises:
        VendorError: The vendor was busy or at work for too long, lost or failed the job too often, or refused.
    """
    with alone or nullcontext():
        return _Attempts(job, policy, clock, logger, on_wait).run()


class _Attempts(Generic[T]):
    """The attempts at one result."""

    def __init__(
        self,
        job: Job[T],
        policy: JobPolicy,
        clock: Clock,
        logger: logging.Logger | logging.LoggerAdapter[logging.Logger],
        on_wait: Callable[[float], None],
    ) -> None:
        self._job = job
        self._policy = policy
        self._clock = clock
        self._logger = logger
        self._on_wait = on_wait
        self._busy = 0.0
        self._deadline: float | None = None

    def run(self) -> list[T]:
        tries = 0
        while True:
            tries += 1
            error: VendorError
            try:
                status = self._wait_for(self._submit())
                if status.phase is Phase.COMPLETE:
                    return list(self._job.fetch(status))
                error = VendorError(
                    f"the job failed (status {status.word}){f': {status.reason}' if status.reason else ''}",
                    "run again later, or request less at a time",
                )
            except JobLostError as lost:
                error = lost
            if tries > self._policy.resubmits:
                if tries > 1:
                    error.what = f"{error.what} (tried {tries} times)"
                raise error
            self._logger.warning("%s; submitting again", error.what)

    def _submit(self) -> JobStatus:
        policy = self._policy
        while True:
            try:
                status = self._submit_once()
            except JobBusyError as busy:
                if self._busy + policy.busy_wait > policy.busy_timeout:
                    raise VendorError(
                        f"{busy.what} (waited {self._busy:g} s)",
                        f"wait until the other job ends, or raise `{policy.busy_setting}`"
                        if policy.busy_setting
                        else "",
                    ) from busy
                self._logger.info("%s; trying again in %g s", busy.what, policy.busy_wait)
                self._sleep(policy.busy_wait)
                self._busy += policy.busy_wait
                continue
            if self._deadline is None or not policy.timeout_for_all:
                self._deadline = self._clock.monotonic() + policy.timeout
            return status

    def _submit_once(self) -> JobStatus:
        if not self._job.cancellable:
            return self._job.submit()
        # In a thread: a run that is stopped while the request is under way still needs its answer, for the ticket.
        future = in_background(self._job.submit)
        try:
            return future.result()
        except BaseException:
            with suppress(Exception):
                self._cancel(future.result(STOP_GRACE))
            raise

    def _wait_for(self, status: JobStatus) -> JobStatus:
        waits = self._policy.waits()
        try:
            while status.phase is Phase.WAITING:
                self._pause(next(waits), status)
                status = self._job.poll(status.ticket)
        except JobLostError:
            raise
        except BaseException:
            self._cancel(status)
            raise
        return status

    def _pause(self, wait: float, status: JobStatus) -> None:
        """Wait before a poll; the last one is at the deadline itself."""
        left = (self._deadline or 0.0) - self._clock.monotonic()
        if left <= 0:
            raise VendorError(
                f"no result within {self._policy.timeout:g} s (last status {status.word})",
                f"raise `{self._policy.timeout_setting}`, or request less at a time",
            )
        self._logger.info("Job in progress (status %s); next poll in %g s", status.word, min(wait, left))
        self._sleep(min(wait, left))

    def _sleep(self, seconds: float) -> None:
        self._clock.sleep(seconds)
        self._on_wait(seconds)

    def _cancel(self, status: JobStatus) -> None:
        if not self._job.cancellable or status.phase is not Phase.WAITING:
            return
        try:
            self._job.cancel(status.ticket)
        except Exception as error:  # noqa: BLE001 - an attempt: what ended the run is what the user shall read
            self._logger.info("The job could not be cancelled: %s", error)
