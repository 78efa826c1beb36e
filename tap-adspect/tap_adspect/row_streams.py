"""Responses of reports and the click log: rows are arrays in the order of the requested columns."""

from __future__ import annotations

import re
from abc import abstractmethod
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from singer_adtech.errors import DataError
from singer_adtech.http.bodies import InvalidBodyError
from singer_adtech.progress.windows import DayWindow, WindowT
from singer_adtech.records.exact_json import exact_json
from singer_adtech.records.page import once_per_response
from typing_extensions import override

from tap_adspect.client import AdspectStream
from tap_adspect.rows import report_problem, report_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import requests
    from singer_adtech.progress.windows import InstantWindow
    from singer_adtech.records.page import Page, Row
    from singer_adtech.records.row_times import RowCheck
    from singer_sdk.helpers.types import Record
    from singer_sdk.streams.rest import HTTPRequest

_EMPTY = re.compile(rb"\s*(?:\[\s*\]\s*)?")

EMPTY_WAIT = 1.0
"""Seconds before an empty response is requested once more."""


class _RowFormError(Exception):
    """A row is not an array of the requested columns.

    Args:
        row: The row.
        problem: The problem.
    """

    def __init__(self, row: Row, problem: str) -> None:
        super().__init__(problem)
        self.row = row


def named_row(row: Row, names: Sequence[str]) -> dict[str, Any]:
    """Decode a row.

    Args:
        row: The row.
        names: The requested columns, in order.

    Raises:
        _RowFormError: It is not an array, or has a different number of items.
    """
    items = exact_json(bytes(row))
    if not isinstance(items, list):
        raise _RowFormError(row, "is not an array")
    if len(items) != len(names):
        raise _RowFormError(row, f"has {len(items)} items instead of {len(names)} ({', '.join(names)})")
    return dict(zip(names, items, strict=True))


@contextmanager
def numbered(rows: Iterable[Any]) -> Iterator[None]:
    """Name the number of a row of the wrong form.

    Raises:
        DataError: A row is not an array, or has a different number of items.
    """
    try:
        yield
    except _RowFormError as error:
        number = next(number for number, row in enumerate(rows, start=1) if row is error.row)
        raise DataError(f"row {number} of the report {error}", "report this with the request's time") from None


@once_per_response
def read_rows(response: requests.Response) -> Sequence[Row]:
    """Split a report into rows, once."""
    return report_rows(response.content)


class RowsStream(AdspectStream[WindowT]):
    """A report: rows are arrays in the order of the requested columns."""

    nested = False

    @property
    @abstractmethod
    def item_names(self) -> tuple[str, ...]:
        """The requested columns, in order."""

    @override
    def fetch(self, request: HTTPRequest, *, label: str = "", counted_as: str | None = None) -> requests.Response:
        response = super().fetch(request, label=label, counted_as=counted_as)
        if _EMPTY.fullmatch(response.content):
            # A failing gateway looks the same. The format has no other way to express "no rows".
            # Assumed: two empty responses mean that there are none. If wrong, rows are missing, and the user sees a
            # warning if an earlier run has read this window or the funnel counts clicks of the log.
            self.tap.clock.sleep(EMPTY_WAIT)
            response = super().fetch(request, label=label, counted_as=counted_as)
        self.check_complete(response, len(read_rows(response)))
        return response

    def check_empty(self, window: DayWindow | InstantWindow, position: Any) -> None:
        """Warn about an empty window that an earlier run has read, because it may have had rows then.

        Args:
            window: The window.
            position: The bookmark before this window; None on the first run.
        """
        start = window.first if isinstance(window, DayWindow) else window.start
        if position is not None and start < position:
            self.log_lines.warning(
                "window %s: two responses without rows, and an earlier run has read this window: if it had rows then, "
                "run again, and report this to the vendor if it is still empty",
                window,
            )

    @override
    def check_body(self, response: requests.Response) -> None:
        # A report that is cut off also has status 200: every line is checked before a row counts.
        try:
            read_rows(response)
        except (ValueError, RecursionError):
            problem = report_problem(response.content)
            if problem is not None:
                raise InvalidBodyError(problem, response, columns=self.item_names) from None
            raise

    @override
    def response_rows(self, response: requests.Response) -> Sequence[Row]:
        return read_rows(response)

    @override
    def decode_row(self, row: Row | dict[str, Any]) -> dict[str, Any]:
        return named_row(cast("Row", row), self.item_names)

    @override
    def page_records(self, page: Page, window: WindowT | None, check: RowCheck | None = None) -> Iterable[Record]:
        with numbered(page.rows):
            yield from super().page_records(page, window, check)
