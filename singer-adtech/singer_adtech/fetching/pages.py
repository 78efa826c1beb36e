"""Pages of one list: which follow each other, fetched ahead, and given out in order.

A waiting page is held as the bytes that came; whoever takes it decodes it, one page at a time. So memory is bounded by
`ahead` pages, whatever the length of the list.
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
    """Pages by number, the last of which is known from each answer.

    Args:
        count_pages: Reads the number of the last page from an answer; None if the answer does not tell.
        start_value: Number of the first page.
    """

    def __init__(self, count_pages: Callable[[requests.Response], int | None], start_value: int = 1) -> None:
        super().__init__(start_value)
        self._count_pages = count_pages

    def last_page(self, response: requests.Response) -> int | None:
        """Return the number of the last page, as an answer tells it."""
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
        paginator: Says which page comes next.
        fetch: Gets one page; called in other threads if `parallel` is above 1.
        parallel: Requests in flight at most. Pages with known numbers are fetched side by side; in a chain of cursors
            the next page is fetched while the caller works on this one.

    Yields:
        The answers, in order.
    """
    if isinstance(paginator, CountedPagesPaginator):
        yield from _CountedPages(paginator, cast("Callable[[int], requests.Response]", fetch)).read(parallel)
    else:
        yield from _chained_pages(paginator, fetch, ahead=parallel > 1)


_KNOWN = -1


@dataclass
class _Outcome:
    """What came of asking for a page; `arrival` counts answers in the order in which they came."""

    page: int
    arrival: int
    answer: requests.Response | VendorError


class _CountedPages:
    """One reading of a list whose pages have known numbers."""

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
        # The first page takes a place like the others, so that these are on their way while it is worked on.
        started: list[Callable[[], _Outcome]] = [partial(_Outcome, self._page, _KNOWN, first)]
        # A list that grew after its last page was asked for has more pieces.
        while self._page < self._last:
            for outcome in side_by_side(itertools.chain(started, self._pieces()), parallel):
                answer = self._judge(outcome)
                if answer is not None:
                    yield answer
            started.clear()

    def _attempt(self, page: int) -> _Outcome:
        answer: requests.Response | VendorError
        try:
            answer = self._fetch(page)
        except VendorError as error:
            answer = error
        return _Outcome(page, next(self._arrivals), answer)

    def _pieces(self) -> Iterator[Callable[[], _Outcome]]:
        while self._page < self._last:
            self._page += 1
            yield partial(self._attempt, self._page)

    def _judge(self, outcome: _Outcome) -> requests.Response | None:
        answer = outcome.answer
        if isinstance(answer, VendorError):
            # Beyond the end there is no error: the list became shorter after this page had been asked for.
            if outcome.page <= self._last:
                raise answer
            return None
        # A list may grow or shrink while it is read: the newest answer knows best.
        told = self._paginator.last_page(answer)
        if told is not None and outcome.arrival >= self._newest:
            self._last, self._newest = told, outcome.arrival
        # By its own word it is beyond the end: it has nothing, or the last page once more.
        return None if told is not None and told < outcome.page else answer


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
