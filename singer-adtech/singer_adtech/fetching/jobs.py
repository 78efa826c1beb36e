"""Asynchronous jobs: submit a request for a result, poll until it is complete, then fetch it.

A `Job` implements the requests of one vendor (submit, poll, fetch, cancel). `run_job` does the rest: it waits while the
vendor is busy, polls with growing waits until a deadline, resubmits lost and failed jobs, and cancels a running job
when the run stops.
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
"""Seconds that a stopped run waits for the response to a submit, because the ticket is needed to cancel the job."""


class JobBusyError(VendorError):
    """A job refused because another one is running. Raised by `Job.submit`."""


class JobLostError(VendorError):
    """A ticket unknown to the vendor. Raised by `Job.poll` and `Job.fetch`."""


class Phase(enum.Enum):
    """State of a job, independent of the vendor's words and numbers.

    For an undocumented status, `Job.submit` and `Job.poll` raise `VendorError`.
    """

    WAITING = "waiting"
    COMPLETE = "complete"
    FAILED = "failed"


@dataclass(frozen=True)
class JobStatus:
    """Status of a job as the vendor reported it.

    Args:
        ticket: The vendor's id of the job.
        phase: Its state.
        word: The vendor's word or number for the state, for messages.
        reason: The vendor's description of a failure.
        answer: The response, if it contains results.
    """

    ticket: str
    phase: Phase
    word: str
    reason: str = ""
    answer: Any = None


class Job(ABC, Generic[T]):
    """One result, such as a report for a window. `T` is a part of it, such as a page."""

    cancellable: bool = False
    """Whether a job can be cancelled."""

    @abstractmethod
    def submit(self) -> JobStatus:
        """Request the result.

        Raises:
            JobBusyError: Another job is running.
            VendorError: The vendor refused, or reported an undocumented status.
        """

    @abstractmethod
    def poll(self, ticket: str) -> JobStatus:
        """Request the status of the job.

        Raises:
            JobLostError: The vendor does not know the ticket.
            VendorError: The vendor refused, or reported an undocumented status.
        """

    @abstractmethod
    def fetch(self, status: JobStatus) -> Iterable[T]:
        """Fetch the result of a complete job, all parts in order.

        Raises:
            JobLostError: The vendor does not know the ticket.
            VendorError: The vendor refused.
        """

    def cancel(self, ticket: str) -> None:
        """Cancel the job. Called only if `cancellable`; errors are ignored."""


@dataclass(frozen=True)
class JobPolicy:
    """Waits, timeouts and retries of jobs.

    Args:
        first_wait: Seconds between the submit and the first poll.
        growth: Growth factor of later waits.
        longest_wait: Longest wait in seconds.
        timeout: Seconds from the response to the submit until the run fails.
        timeout_setting: The setting of `timeout`, for the message.
        timeout_for_all: Whether resubmitted jobs share one timeout, counted from the first submit.
        resubmits: Number of resubmits after lost or failed jobs before the run fails.
        busy_wait: Seconds before a submit is repeated while the vendor is busy.
        busy_timeout: Seconds to wait for a busy vendor, over all submits of one result, before the run fails.
        busy_setting: The setting of `busy_timeout`, for the message.
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
        """Yield the seconds before each poll, endlessly."""
        wait = min(self.first_wait, self.longest_wait)
        while True:
            yield wait
            wait = min(wait * self.growth, self.longest_wait)


def run_job(  # noqa: PLR0913 - a job, its policy and its observers
    job: Job[T],
    policy: JobPolicy,
    *,
    clock: Clock,
    logger: logging.Logger | logging.LoggerAdapter[logging.Logger],
    alone: AbstractContextManager[None] | None = None,
    on_wait: Callable[[float], None] = lambda _: None,
) -> list[T]:
    """Run a job and return its complete result.

    Parts are returned only after all are fetched, because a job lost between two parts is resubmitted. If the run stops
    during the job (error, signal), the job is cancelled if possible.

    Args:
        job: The job.
        policy: Its waits, timeouts and retries.
        clock: The time source.
        logger: Logs waits and resubmits.
        alone: Entered before the first submit and left after the last part or the cancel. `AdTechTap.alone` waits
            there for jobs of other runs. This wait does not count towards the policy's timeouts.
        on_wait: Called with the seconds of each wait after it.

    Returns:
        All parts, in order.

    Raises:
        VendorError: The vendor was busy for too long, or the job timed out, was refused, or failed or was lost too
            often.
    """
    with alone or nullcontext():
        return _Attempts(job, policy, clock, logger, on_wait).run()


class _Attempts(Generic[T]):
    """Attempts at one result."""

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
        # In a thread, because a run stopped during the request still needs the ticket from its response.
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
        """Wait before a poll. The last poll is at the deadline."""
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
        except Exception as error:  # noqa: BLE001 - best effort: the user should see the error that ended the run
            self._logger.info("The job could not be cancelled: %s", error)
