"""Row counts."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from singer_adtech.errors import DataError
from singer_adtech.row_counts import check_row_count

if TYPE_CHECKING:
    from singer_adtech.row_counts import RowCountCheck

LOGGER = logging.getLogger("tap-test")
MODES: list[RowCountCheck] = ["fail", "warn", "off"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("told", [7, None])
def test_equal_counts_and_no_total_are_silent(mode: RowCountCheck, told: int | None, log: list[str]) -> None:
    # when
    check_row_count(read=7, told=told, mode=mode, logger=LOGGER)
    # then
    assert log == []


def test_a_difference_fails_with_both_numbers() -> None:
    # when
    with pytest.raises(DataError) as caught:
        check_row_count(read=6, told=7, mode="fail", logger=LOGGER, window="2024-03-08..2024-03-08")
    # then
    assert str(caught.value) == (
        "6 rows read, and the vendor's total is 7: "
        "run again; if it stays so, set `row_count_check` to `warn` and tell the vendor"
    )


def test_a_difference_warns_with_the_window(log: list[str]) -> None:
    # when
    check_row_count(read=8, told=7, mode="warn", logger=LOGGER, window="2024-03-08..2024-03-08")
    # then
    (line,) = log
    assert line == (
        "window 2024-03-08..2024-03-08: 8 rows read, and the vendor's total is 7 "
        "(`row_count_check` decides whether this fails the run)"
    )


def test_off_says_nothing(log: list[str]) -> None:
    # when
    check_row_count(read=0, told=7, mode="off", logger=LOGGER)
    # then
    assert log == []
