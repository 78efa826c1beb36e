"""Lists that do not end; what becomes of missing rows is in `test_adtech_streams`, `..._children` and `..._keyset`."""

from __future__ import annotations

import pytest
from singer_adtech.errors import DataError
from singer_adtech.records.totals import PageProgress


def test_three_pages_in_a_row_without_a_new_row_are_a_list_that_does_not_end() -> None:
    # given a page with a new row, after two without one
    progress = PageProgress("deselect it")
    for new in (1, 0, 0, 1, 0, 0):
        progress.page(rows=5, new=new)
    # when a third one has none
    with pytest.raises(DataError) as caught:
        progress.page(rows=5, new=0)
    # then
    assert str(caught.value) == "the list does not end: 3 pages in a row have no new row: deselect it"


@pytest.mark.parametrize(("total", "most"), [(0, 1_000), (10, 1_020), (5_000, 11_000)])
def test_a_list_may_grow_to_twice_its_total_and_a_thousand_rows_more(total: int, most: int) -> None:
    # given
    progress = PageProgress("deselect it")
    progress.page(rows=most, new=most, total=total)
    # when
    with pytest.raises(DataError) as caught:
        progress.page(rows=1, new=1, total=total)
    # then
    assert str(caught.value) == (
        f"the list does not end: {most + 1:,} rows were received, and the reported total is {total:,}: deselect it"
    )
