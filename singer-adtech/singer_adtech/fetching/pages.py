"""Pages of a list, prefetched and yielded in order.

Waiting pages are kept as undecoded bytes, so memory is bounded by the number of prefetched pages, not by the length of
the list.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from singer_sdk.pagination import BaseAPIPaginator, PageNumberPaginator
from singer_sdk.streams.rest import PageContext
from typing_extensions import override

from singer_adtech.errors import VendorError
from singer_adtech.fetching.parallel import in_background, side_by_side
from singer_adtech.progress.windows import PartT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import requests

Token = TypeVar("Token")


@dataclass
class PartPage(PageContext[Any], Generic[PartT]):
    """A page of a part, or of a whole list if `part` is None, as `get_http_request` receives it."""

    part: PartT | None = None


class CountedPagesPaginator(PageNumberPaginator):
    """Numbered pages. Each response reports the number of the last page.

    Args:
        count_pages: Reads the number of the last page from a response, or None if not reported.
        start_value: Number of the first page.
    """

    def __init__(self, count_pages: Callable[[requests.Response], int | None], start_value: int = 1) -> None:
        super().__init__(start_value)
        self._count_pages = count_pages

    def last_page(self, response: requests.Response) -> int | None:
        """Return the number of the last page as reported in a response."""
        return self._count_pages(response)

    @override
    def has_more(self, response: requests.Response) -> bool:
        last = self.last_page(response)
        return last is not None and self.current_value < last


def read_pages(
    paginator: BaseAPIPaginator[Token],
    fetch: Callable[[Token], requests.Response],
    *,
    parallel: int,
) -> Iterator[requests.Response]:
    """Fetch all pages of one list.

    Args:
        paginator: Determines the next page.
        fetch: Fetches one page. Called in other threads if `parallel` is above 1.
        parallel: Maximum number of requests in flight. Numbered pages are fetched in parallel. In a chain of cursors,
            the next page is fetched while the caller processes the current one.

    Yields:
        The responses, in order.
    """
    if isinstance(paginator, CountedPagesPaginator):
        yield from _NumberedPages(paginator, cast("Callable[[int], requests.Response]", fetch)).read(parallel)
    else:
        yield from _chained_pages(paginator, fetch, ahead=parallel > 1)


_KNOWN = -1


@dataclass
class _Outcome:
    """Outcome of a page request. `arrival` numbers the responses in order of arrival."""

    page: int
    arrival: int
    result: requests.Response | VendorError


class _NumberedPages:
    """One reading of a list with numbered pages."""

    def __init__(self, paginator: CountedPagesPaginator, fetch: Callable[[int], requests.Response]) -> None:
        self._paginator = paginator
        self._fetch = fetch
        self._page = paginator.current_value
        self._last = self._page
        self._arrivals = itertools.count()
        self._newest = 0

    def read(self, parallel: int) -> Iterator[requests.Response]:
        first = self._fetch(self._page)
        self._last = self._paginator.last_page(first) or self._page
        if self._page >= self._last:
            yield first
            return
        # The first page is queued too, so the others are fetched while it is processed.
        started: list[Callable[[], _Outcome]] = [partial(_Outcome, self._page, _KNOWN, first)]
        # The list may have grown after its last page was requested.
        while self._page < self._last:
            for outcome in side_by_side(itertools.chain(started, self._pieces()), parallel):
                result = self._judge(outcome)
                if result is not None:
                    yield result
            started.clear()

    def _attempt(self, page: int) -> _Outcome:
        result: requests.Response | VendorError
        try:
            result = self._fetch(page)
        except VendorError as error:
            result = error
        return _Outcome(page, next(self._arrivals), result)

    def _pieces(self) -> Iterator[Callable[[], _Outcome]]:
        while self._page < self._last:
            self._page += 1
            yield partial(self._attempt, self._page)

    def _judge(self, outcome: _Outcome) -> requests.Response | None:
        result = outcome.result
        if isinstance(result, VendorError):
            # Not an error beyond the end: the list has shrunk since this page was requested.
            if outcome.page <= self._last:
                raise result
            return None
        # A list may grow or shrink while it is read: the latest response counts.
        reported = self._paginator.last_page(result)
        if reported is not None and outcome.arrival >= self._newest:
            self._last, self._newest = reported, outcome.arrival
        # Beyond the end, a page is empty or repeats the last page.
        return None if reported is not None and reported < outcome.page else result


def _chained_pages(
    paginator: BaseAPIPaginator[Token], fetch: Callable[[Token], requests.Response], *, ahead: bool
) -> Iterator[requests.Response]:
    response = fetch(paginator.current_value)
    while True:
        paginator.advance(response)
        if paginator.finished:
            yield response
            return
        token = paginator.current_value
        if ahead:
            future = in_background(partial(fetch, token))
            yield response
            response = future.result()
        else:
            yield response
            response = fetch(token)
