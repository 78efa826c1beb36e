"""Request budgets."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from singer_adtech.clock import Clock
from singer_adtech.http.budgets import MARGIN, Budgets, Family, Limit
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable

    from singer_adtech.testing import FakeClock


AIRINGS = Family("airings", ("/airings", "/airings/*"), (Limit(2, 10), Limit(3, 60)))
REPORTS = Family("reports", ("/reports/*",), (Limit(1, 5),))
ALL = Family("all", ("*",), (Limit(4, 20),))


def test_requests_within_the_budget_start_at_once(clock: FakeClock) -> None:
    # given
    budgets = Budgets([AIRINGS], clock)
    # when
    waited = [budgets.acquire("/airings"), budgets.acquire("/airings/updates")]
    # then
    assert waited == [0, 0]
    assert clock.slept == []


def test_several_limits_of_a_family_hold_at_once(clock: FakeClock) -> None:
    # given: 2 in 10 s and 3 in 60 s
    budgets = Budgets([AIRINGS], clock)
    # when
    waited = [budgets.acquire("/airings") for _ in range(4)]
    # then: the third waits for the first limit, the fourth for the second
    # with a tenth of a second more for each span: the vendor counts arrivals
    assert waited == [0, 0, 10.1, pytest.approx(60.1 - 10.1)]


def test_paths_of_other_families_do_not_wait(clock: FakeClock) -> None:
    # given
    budgets = Budgets([AIRINGS, REPORTS], clock)
    budgets.acquire("/reports/1")
    # when
    waited = [budgets.acquire("/airings"), budgets.acquire("/users"), budgets.acquire("/reports/2")]
    # then
    assert waited == [0, 0, 5 + MARGIN]


def test_a_path_in_two_families_waits_for_both(clock: FakeClock) -> None:
    # given: all calls 4 in 20 s, reports 1 in 5 s
    budgets = Budgets([ALL, REPORTS], clock)
    # when
    waited = [budgets.acquire("/reports/1") for _ in range(5)]
    # then: four starts 5.1 s apart, and the fifth 20.1 s after the first
    assert [family.name for family in budgets.families("/reports/1")] == ["all", "reports"]
    assert waited == pytest.approx([0, 5.1, 5.1, 5.1, 5.1])
    assert clock.monotonic() == pytest.approx(20.4)


def test_a_hold_delays_the_family_and_no_other(clock: FakeClock) -> None:
    # given
    budgets = Budgets([AIRINGS, REPORTS], clock)
    # when: a longer hold is not shortened by a later, shorter one
    budgets.hold("/airings", 30)
    budgets.hold("/airings", 7)
    # then
    assert budgets.acquire("/reports/1") == 0
    assert budgets.acquire("/airings") == 30


def test_the_longest_span_of_a_family_is_that_of_its_longest_limit() -> None:
    assert AIRINGS.longest_span == 60


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["/airings", "/airings/updates", "/reports/1", "/users"]),
            st.floats(min_value=0, max_value=30),
        ),
        max_size=60,
    )
)
def test_no_span_holds_more_starts_than_allowed_and_nobody_waits_longer_than_needed(
    steps: list[tuple[str, float]], make_clock: Callable[[], FakeClock]
) -> None:
    # given
    clock = make_clock()
    families = (AIRINGS, REPORTS, ALL)
    budgets = Budgets(families, clock)
    starts: dict[str, list[float]] = {family.name: [] for family in families}
    for path, pause in steps:
        clock.pass_by(pause)
        # when
        waited = budgets.acquire(path)
        now = clock.monotonic()
        gaps: list[float] = []
        for family in budgets.families(path):
            mine = starts[family.name]
            mine.append(now)
            full = [limit for limit in family.limits if len(mine) > limit.requests]
            gaps += [now - mine[-limit.requests - 1] - limit.seconds for limit in full]
        # then: no limit is broken; and whoever waited did so until a limit allowed it, and no longer
        assert all(gap >= 0 for gap in gaps)
        assert waited == 0 or min(gaps) <= MARGIN + 1e-6


def test_threads_share_a_budget_on_a_real_clock() -> None:
    # given: 5 starts in 0.2 s, and 15 requests of 5 threads
    budgets = Budgets([Family("all", ("*",), (Limit(5, 0.2),))], Clock())
    starts: list[float] = []
    lock = threading.Lock()

    def work() -> None:
        for _ in range(3):
            budgets.acquire("/any")
            with lock:
                starts.append(time.monotonic())

    threads = [threading.Thread(target=work) for _ in range(5)]
    begin = time.monotonic()
    # when
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # then: two full spans (and their margins) lie between the first five and the last five; starts are noted a little
    # later than they are counted
    starts.sort()
    assert len(starts) == 15
    assert starts[10] - begin >= 2 * (0.2 + MARGIN)
    assert starts[-1] - begin < 2 * (0.2 + MARGIN) + 1.5


def test_a_thread_that_waits_does_not_keep_other_families_waiting() -> None:
    # given: a clock on which the first sleeper sleeps until it is woken
    asleep, wake = threading.Event(), threading.Event()

    class StuckClock(Clock):
        def sleep(self, seconds: float) -> None:  # noqa: ARG002 - woken by the test
            asleep.set()
            wake.wait(10)

    budgets = Budgets([REPORTS, AIRINGS], StuckClock())
    budgets.hold("/reports/1", 0.05)
    thread = threading.Thread(target=budgets.acquire, args=("/reports/1",))
    thread.start()
    assert asleep.wait(10)
    # when
    waited: Any = budgets.acquire("/airings")
    # then
    assert waited == 0
    time.sleep(0.06)
    wake.set()
    thread.join(10)
    assert not thread.is_alive()


def test_a_span_begins_when_the_answer_is_there_or_when_the_vendor_has_surely_counted(clock: FakeClock) -> None:
    # given a vendor that may count a request up to half a second late
    budgets = Budgets([Family("reports", ("/report",), (Limit(1, 60),), lateness=0.5)], clock)

    # when the first answer takes 0.2 s, the second 3 s
    with budgets.slot("/report", lambda: None):
        clock.sleep(0.2)
    first = clock.monotonic()
    with budgets.slot("/report", lambda: None):
        second = clock.monotonic()
        clock.sleep(3)
    budgets.acquire("/report")

    # then the second starts a minute after the first answer, the third a minute and a half second after the second
    assert second - first == pytest.approx(60 + MARGIN)
    assert clock.monotonic() - second == pytest.approx(60.5 + MARGIN)


# ------------------------------------------------------------------------------------------------- waits that are said


def said(log: list[str]) -> list[str]:
    return [line for line in log if "waiting" in line]


def test_a_wait_of_more_than_five_seconds_is_said_before_it_begins(clock: FakeClock, log: list[str]) -> None:
    # given
    family = Family("reports", ("/report",), (Limit(2, 60),), "report_requests_per_minute")
    budgets = Budgets([family, Family("all", ("*",), (Limit(1, 4),))], clock)
    # when: the second waits for 4.1 s, which is not said, and the third for the minute
    waited = [budgets.acquire("/report", "stream demand_daily") for _ in range(3)]
    # then
    assert waited == pytest.approx([0, 4.1, 56])
    assert said(log) == [
        (
            "stream demand_daily: waiting 56 s for the budget of reports: 2 requests per minute "
            "(`report_requests_per_minute`)"
        )
    ]


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        (Limit(1, 1), "1 request per second"),
        (Limit(50, 60), "50 requests per minute"),
        (Limit(1000, 3600), "1,000 requests per hour"),
        (Limit(100, 900), "100 requests per 900 s"),
    ],
)
def test_a_limit_is_said_in_words(limit: Limit, words: str) -> None:
    assert str(limit) == words


def test_a_pause_that_the_vendor_asks_for_is_said(clock: FakeClock, log: list[str]) -> None:
    # given
    budgets = Budgets([AIRINGS], clock)
    budgets.hold("/airings", 120)
    # when
    budgets.acquire("/airings", "login")
    # then
    assert said(log) == [
        "login: waiting 120 s for the budget of airings: the vendor requested a pause of 120 s",
    ]


def test_threads_that_wait_for_one_thing_say_so_once(log: list[str]) -> None:
    # given: eight threads, and a clock that lets them go on when all of them wait
    class Together(Clock):
        def __init__(self) -> None:
            self.passed = 0.0
            self.all_wait = threading.Barrier(8, timeout=20)

        @override
        def monotonic(self) -> float:
            return self.passed

        @override
        def sleep(self, seconds: float) -> None:
            self.all_wait.wait()
            self.passed = 60.0

    clock = Together()
    budgets = Budgets([Family("airings", ("/airings",), (Limit(8, 50),))], clock)
    budgets.hold("/airings", 60)
    threads = [threading.Thread(target=budgets.acquire, args=("/airings", f"thread {n}")) for n in range(8)]
    # when
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    # then
    assert len(said(log)) == 1
