"""Asynchronous jobs: busy vendors, polls, deadlines, lost and failed jobs, cancelling."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from singer_adtech.errors import VendorError
from singer_adtech.fetching.jobs import Job, JobBusyError, JobLostError, JobPolicy, JobStatus, Phase, run_job
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from singer_adtech.testing import FakeClock


POLICY = JobPolicy(first_wait=10, growth=1.5, longest_wait=60, timeout=1800, timeout_setting="query_timeout")
LOGGER = logging.getLogger("tap-test")


def waiting(ticket: str = "t1", word: str = "RUNNING") -> JobStatus:
    return JobStatus(ticket, Phase.WAITING, word)


def complete(ticket: str = "t1", answer: Any = None) -> JobStatus:
    return JobStatus(ticket, Phase.COMPLETE, "DONE", answer=answer)


def failed(reason: str = "out of memory") -> JobStatus:
    return JobStatus("t1", Phase.FAILED, "ERRORED", reason)


class Scripted(Job[str]):
    """A job whose vendor answers what a test says.

    Attributes:
        calls: What was asked, in order.
    """

    def __init__(
        self,
        submits: Iterable[JobStatus | Exception],
        polls: Iterable[JobStatus | Exception] = (),
        parts: Iterable[Iterable[str | Exception]] = (("a", "b"),),
        *,
        cancellable: bool = False,
    ) -> None:
        self.cancellable = cancellable
        self.calls: list[str] = []
        self.on_submit: Callable[[], object] = lambda: None
        self.cancel_error: Exception | None = None
        self._submits, self._polls = deque(submits), deque(polls)
        self._parts = deque(list(one) for one in parts)

    @override
    def submit(self) -> JobStatus:
        self.calls.append("submit")
        self.on_submit()
        return self._given(self._submits.popleft())

    @override
    def poll(self, ticket: str) -> JobStatus:
        self.calls.append(f"poll {ticket}")
        # The last answer goes on.
        return self._given(self._polls.popleft() if len(self._polls) > 1 else self._polls[0])

    @override
    def fetch(self, status: JobStatus) -> Iterable[str]:
        self.calls.append(f"fetch {status.ticket}")
        for part in self._parts.popleft():
            if isinstance(part, Exception):
                raise part
            yield part

    @override
    def cancel(self, ticket: str) -> None:
        self.calls.append(f"cancel {ticket}")
        if self.cancel_error is not None:
            raise self.cancel_error

    @staticmethod
    def _given(answer: JobStatus | Exception) -> JobStatus:
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_polls_wait_longer_and_longer_up_to_a_limit(clock: FakeClock) -> None:
    # Given a job that is complete at the seventh poll
    job = Scripted([waiting()], [waiting()] * 6 + [complete()])
    # When it is run
    parts = run_job(job, POLICY, clock=clock, logger=LOGGER)
    # Then each wait is 1.5 times the one before, at most a minute, and the parts come in order
    assert clock.slept == [10, 15, 22.5, 33.75, 50.625, 60, 60]
    assert parts == ["a", "b"]
    assert job.calls == ["submit", *["poll t1"] * 7, "fetch t1"]


def test_a_job_complete_at_once_is_not_polled(clock: FakeClock) -> None:
    # Given a vendor whose first answer has the result
    job = Scripted([complete()])
    # When the job is run
    run_job(job, POLICY, clock=clock, logger=LOGGER)
    # Then nothing is polled or waited for
    assert job.calls == ["submit", "fetch t1"]
    assert clock.slept == []


def test_a_job_that_never_ends_is_given_up_at_the_deadline_and_cancelled(clock: FakeClock) -> None:
    # Given a job that goes on for ever, and a deadline of 25 seconds
    job = Scripted([waiting()], [waiting(word="BUILDING")], cancellable=True)
    # When it is run
    with pytest.raises(VendorError) as caught:
        run_job(job, replace(POLICY, growth=1, timeout=25), clock=clock, logger=LOGGER)
    # Then the last poll is at the deadline itself, and the message has the last status and the setting
    assert clock.slept == [10, 10, 5]
    assert job.calls == ["submit", "poll t1", "poll t1", "poll t1", "cancel t1"]
    assert str(caught.value) == (
        "no result within 25 s (last status BUILDING): raise `query_timeout`, or request less at a time"
    )


@pytest.mark.parametrize(("for_all", "waits"), [(False, [10, 10, 10, 5]), (True, [10, 10, 5])])
def test_a_deadline_counts_from_the_last_submit_or_the_first(
    clock: FakeClock, *, for_all: bool, waits: list[float]
) -> None:
    # Given a job that is lost at its first poll, and one that goes on for ever
    job = Scripted([waiting(), waiting("t2")], [JobLostError("t1 is gone"), waiting("t2")])
    policy = replace(POLICY, growth=1, timeout=25, resubmits=1, timeout_for_all=for_all)
    # When it is run
    with pytest.raises(VendorError, match="no result within 25 s"):
        run_job(job, policy, clock=clock, logger=LOGGER)
    # Then the second job has the whole time, or what the first one left
    assert clock.slept == waits


def test_a_busy_vendor_is_asked_again_until_its_own_deadline(clock: FakeClock) -> None:
    # Given a vendor that is busy three times, and a deadline of polls that is shorter than that
    busy = JobBusyError("another query is running")
    job = Scripted([busy, busy, busy, waiting()], [complete()])
    policy = replace(POLICY, timeout=20, busy_wait=60, busy_timeout=180, busy_setting="busy_timeout")
    # When the job is run
    parts = run_job(job, policy, clock=clock, logger=LOGGER)
    # Then the time with a busy vendor does not count as time of the job
    assert parts == ["a", "b"]
    assert clock.slept == [60, 60, 60, 10]


def test_a_vendor_that_stays_busy_ends_the_run(clock: FakeClock) -> None:
    # Given a vendor that is busy for ever, twice before a job that is lost, and after it
    busy = JobBusyError("another query is running")
    job = Scripted([busy, busy, waiting(), *[busy] * 9], [JobLostError("t1 is gone")])
    policy = replace(POLICY, resubmits=1, busy_wait=60, busy_timeout=200, busy_setting="busy_timeout")
    # When the job is run
    with pytest.raises(VendorError) as caught:
        run_job(job, policy, clock=clock, logger=LOGGER)
    # Then the deadline is one for all submits of the result
    assert clock.slept == [60, 60, 10, 60]
    assert str(caught.value) == (
        "another query is running (waited 180 s): wait until the other job ends, or raise `busy_timeout`"
    )


@pytest.mark.parametrize("outcome", [failed(), JobLostError("t1 is gone")], ids=["failed", "lost"])
def test_a_lost_or_failed_job_is_asked_for_anew(clock: FakeClock, outcome: JobStatus | Exception) -> None:
    # Given a first job that ends badly
    job = Scripted([waiting(), waiting("t2")], [outcome, complete("t2")], cancellable=True)
    # When it may be submitted once more
    parts = run_job(job, replace(POLICY, resubmits=1), clock=clock, logger=LOGGER)
    # Then the second job's result is given; waits begin anew; what does not run is not cancelled
    assert parts == ["a", "b"]
    assert job.calls == ["submit", "poll t1", "submit", "poll t2", "fetch t2"]
    assert clock.slept == [10, 10]


def test_a_job_lost_between_two_parts_is_asked_for_anew_from_its_first_part(clock: FakeClock) -> None:
    # Given a job that is forgotten after its first part
    job = Scripted([complete(), complete("t2")], parts=[["old a", JobLostError("t1 is gone")], ["a", "b"]])
    # When it is run
    parts = run_job(job, replace(POLICY, resubmits=1), clock=clock, logger=LOGGER)
    # Then no part of the first job is left
    assert parts == ["a", "b"]


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (
            failed(),
            (
                "the job failed (status ERRORED): out of memory (tried 3 times): "
                "run again later, or request less at a time"
            ),
        ),
        (
            failed(""),
            "the job failed (status ERRORED) (tried 3 times): run again later, or request less at a time",
        ),
        (JobLostError("t1 is gone", "ask the vendor"), "t1 is gone (tried 3 times): ask the vendor"),
    ],
)
def test_jobs_that_end_badly_too_often_end_the_run(
    clock: FakeClock, outcome: JobStatus | Exception, words: str
) -> None:
    # Given jobs that all end badly
    job = Scripted([waiting()] * 9, [outcome])
    # When two more submits are allowed
    with pytest.raises(VendorError) as caught:
        run_job(job, replace(POLICY, resubmits=2), clock=clock, logger=LOGGER)
    # Then there are three in all
    assert job.calls.count("submit") == 3
    assert str(caught.value) == words


def test_without_new_submits_the_first_failure_is_the_last(clock: FakeClock) -> None:
    # Given a job that fails, and a policy without new submits
    job = Scripted([failed()])
    # When it is run
    with pytest.raises(VendorError, match=r"\(status ERRORED\): out of memory: run again"):
        run_job(job, POLICY, clock=clock, logger=LOGGER)
    # Then it is asked for once
    assert job.calls == ["submit"]


@pytest.mark.parametrize("cancellable", [True, False])
def test_a_run_that_stops_while_the_vendor_works_cancels_the_job(clock: FakeClock, *, cancellable: bool) -> None:
    # Given a poll that meets an undocumented status
    job = Scripted([waiting()], [VendorError("unknown status 9")], cancellable=cancellable)
    # When the job is run
    with pytest.raises(VendorError, match="unknown status 9"):
        run_job(job, POLICY, clock=clock, logger=LOGGER)
    # Then it is cancelled where the vendor has that
    assert job.calls == ["submit", "poll t1", *(["cancel t1"] if cancellable else [])]


def test_a_cancel_that_fails_does_not_hide_what_ended_the_run(clock: FakeClock) -> None:
    # Given a vendor that refuses to cancel
    job = Scripted([waiting()], [VendorError("unknown status 9")], cancellable=True)
    job.cancel_error = VendorError("no such thing")
    # When a run stops / then its own error is what the user sees
    with pytest.raises(VendorError, match="unknown status 9"):
        run_job(job, POLICY, clock=clock, logger=LOGGER)
    assert job.calls[-1] == "cancel t1"


def test_a_refused_submit_leaves_nothing_to_cancel(clock: FakeClock) -> None:
    # Given a vendor that refuses the job
    job = Scripted([VendorError("bad dimension")], cancellable=True)
    # When it is run
    with pytest.raises(VendorError, match="bad dimension"):
        run_job(job, POLICY, clock=clock, logger=LOGGER)
    # Then nothing else is asked
    assert job.calls == ["submit"]


def test_a_signal_while_the_submit_is_under_way_cancels_the_job_it_made(clock: FakeClock) -> None:
    # Given a vendor that takes a while to answer a submit, and a stop signal meanwhile
    class StopError(BaseException):
        """What a signal handler raises."""

    def stop(*_: Any) -> None:
        raise StopError

    answered = threading.Event()

    def slow() -> None:
        time.sleep(0.05)  # so that the caller waits for the answer by now
        os.kill(os.getpid(), signal.SIGUSR1)
        time.sleep(0.2)
        answered.set()

    job = Scripted([waiting()], [complete()], cancellable=True)
    job.on_submit = slow
    before = signal.signal(signal.SIGUSR1, stop)
    try:
        # When the run stops
        with pytest.raises(StopError):
            run_job(job, POLICY, clock=clock, logger=LOGGER)
    finally:
        signal.signal(signal.SIGUSR1, before)
    # Then the answer was waited for, as it has the ticket, and the job is cancelled
    assert answered.is_set()
    assert job.calls == ["submit", "cancel t1"]


def test_the_wait_for_jobs_of_other_runs_is_none_of_the_times_of_a_job(clock: FakeClock) -> None:
    # Given other runs whose jobs take far longer than this one may, and a vendor that is busy once
    job = Scripted([JobBusyError("busy"), waiting()], [complete()], cancellable=True)
    policy = replace(POLICY, timeout=20, busy_wait=5, busy_timeout=10)

    @contextmanager
    def turn() -> Iterator[None]:
        job.calls.append("waited")
        clock.pass_by(100_000)
        yield
        job.calls.append("left")

    # When the job has its turn
    parts = run_job(job, policy, clock=clock, logger=LOGGER, alone=turn())
    # Then it has all its time, and the others wait until its last part is there
    assert parts == ["a", "b"]
    assert job.calls == ["waited", "submit", "submit", "poll t1", "fetch t1", "left"]


def test_other_runs_wait_until_a_job_is_cancelled(clock: FakeClock) -> None:
    # Given a poll that ends the run
    job = Scripted([waiting()], [VendorError("unknown status 9")], cancellable=True)

    @contextmanager
    def turn() -> Iterator[None]:
        try:
            yield
        finally:
            job.calls.append("left")

    # When it does
    with pytest.raises(VendorError, match="unknown status 9"):
        run_job(job, POLICY, clock=clock, logger=LOGGER, alone=turn())
    # Then the place is free after the cancel
    assert job.calls == ["submit", "poll t1", "cancel t1", "left"]
