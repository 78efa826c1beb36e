"""What belongs to an id from another list, and is not found."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from singer_adtech.errors import NotFoundError, VendorError
from singer_adtech.streams.not_found import read_not_found

if TYPE_CHECKING:
    from collections.abc import Iterator


def read_again(not_found: list[int], *, of: int, listed: set[int], there: set[int]) -> tuple[list[int], bool]:
    """Return what is read after all, and whether the stream counts as read whole."""
    stream = SimpleNamespace(
        name="members", log_lines=logging.getLogger("members"), counts=SimpleNamespace(read_whole=True)
    )

    def read(one: int) -> Iterator[int]:
        if one not in there:
            raise NotFoundError("HTTP 404")
        yield one

    rows = read_not_found(
        cast("Any", stream), not_found, of=of, name=lambda one: f"list {one}", listed=lambda: listed, read=read
    )
    return list(rows), stream.counts.read_whole


def test_what_is_found_after_all_is_read_and_the_rest_is_skipped_with_its_reason(
    caplog: pytest.LogCaptureFixture,
) -> None:
    # Given three ids: one is found by now, one is not listed any more, one is listed and not found
    rows, whole = read_again([1, 2, 3], of=4, listed={1, 3, 4}, there={1})

    assert (rows, whole) == ([1], False)
    assert [record.getMessage() for record in caplog.records] == [
        "list 2 is gone: skipped",
        "list 3 was not found twice, although it is still listed: skipped",
    ]


def test_nothing_is_listed_again_where_everything_was_found() -> None:
    assert read_again([], of=2, listed=set(), there=set()) == ([], True)


def test_none_of_several_found_is_a_failure_and_a_single_one_is_not() -> None:
    with pytest.raises(VendorError, match="none of 2 lists was found"):
        read_again([1, 2], of=2, listed={1, 2}, there=set())

    assert read_again([1], of=1, listed={1}, there=set()) == ([], False)
