"""The clock."""

from __future__ import annotations

import datetime as dt
import time

from singer_adtech.clock import Clock


def test_now_is_the_present_in_utc() -> None:
    # given
    clock = Clock()
    # when
    now = clock.now()
    # then
    assert now.utcoffset() == dt.timedelta(0)
    assert abs(now.timestamp() - time.time()) < 1


def test_sleep_takes_as_long_as_the_monotonic_clock_says() -> None:
    # given
    clock = Clock()
    start = clock.monotonic()
    # when
    clock.sleep(0.02)
    # then
    assert 0.02 <= clock.monotonic() - start < 1
