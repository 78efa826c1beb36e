"""Pages: which follow each other, fetched ahead, given out in order, and no more of them than allowed."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import requests
from singer_adtech.errors import VendorError
from singer_adtech.fetching.pages import CountedPagesPaginator, read_pages
from singer_adtech.fetching.parallel import in_background, side_by_side
from singer_sdk.pagination import BaseAPIPaginator
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Book:
    """A list of pages that may change while it is read, and a journal of who asked for what.

    Attributes:
        last: Number of the last page now.
        alive: Pages fetched or being fetched, and not given out yet; `most_alive` is the largest number of them.
    """

    def __init__(self, last: int) -> None:
        self.last = last
        self.asked: list[int] = []
        self.threads: set[int] = set()
        self.before: Callable[[int], None] = lambda _: None
        self.alive = self.most_alive = 0
        self.in_flight = self.most_in_flight = 0
        self._lock = threading.Lock()

    def fetch(self, number: int) -> requests.Response:
        """Give a page, or refuse one beyond the last."""
        with self._lock:
            self.asked.append(number)
            self.threads.add(threading.get_ident())
            self.alive += 1
            self.in_flight += 1
            self.most_alive = max(self.most_alive, self.alive)
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            self.before(number)
            if number > self.last:
                raise VendorError(f"there is no page {number}")
            return page(number, self.last)
        finally:
            with self._lock:
                self.in_flight -= 1

    def read(self, parallel: int, first: int = 1) -> list[int]:
        """Read the book; return the numbers of the pages in the order in which they were given out."""
        numbers = []
        for response in read_pages(counted(first), self.fetch, parallel=parallel):
            with self._lock:
                self.alive -= 1
            numbers.append(response.number)  # type: ignore[attr-defined]  # set by `page`
        return numbers


def page(number: int, last: int | None, following: str | None = None) -> requests.Response:
    response = requests.Response()
    response.number, response.last, response.following = number, last, following  # type: ignore[attr-defined]
    return response


def counted(first: int = 1) -> CountedPagesPaginator:
    return CountedPagesPaginator(lambda response: response.last, first)  # type: ignore[attr-defined]


@pytest.mark.parametrize("parallel", [1, 2, 4, 50])
@pytest.mark.parametrize("last", [1, 2, 9])
def test_every_page_is_asked_for_once_and_given_out_in_order(last: int, parallel: int) -> None:
    # given: the later a page, the faster it comes
    book = Book(last)
    book.before = lambda number: time.sleep(0.002 * (last - number))
    # when
    numbers = book.read(parallel)
    # then
    assert numbers == list(range(1, last + 1))
    assert sorted(book.asked) == numbers


@pytest.mark.parametrize("told", [0, 1, None])
def test_no_total_or_a_total_of_none_or_one_is_one_page(told: int | None) -> None:
    # given
    asked = []

    def fetch(number: int) -> requests.Response:
        asked.append(number)
        return page(number, told)

    # when
    responses = list(read_pages(counted(), fetch, parallel=4))
    # then: what a vendor answers beyond the last page is unknown, so it is not asked
    assert asked == [1]
    assert len(responses) == 1


@pytest.mark.parametrize(
    ("first", "last", "more"),
    [(1, 2, True), (2, 2, False), (3, 2, False), (0, 1, True), (0, 0, False), (1, None, False)],
)
def test_a_paginator_by_itself_stops_at_the_last_page(first: int, last: int | None, more: bool) -> None:  # noqa: FBT001 - one of the examples
    assert counted(first).has_more(page(first, last)) is more
    assert CountedPagesPaginator(lambda _: 2).current_value == 1


def test_pages_are_fetched_side_by_side() -> None:
    # given: pages 2 to 5 wait until all four are asked for
    book = Book(5)
    together = threading.Barrier(4, timeout=10)
    book.before = lambda number: None if number == 1 else wait_at(together)
    # when
    numbers = book.read(4)
    # then
    assert numbers == [1, 2, 3, 4, 5]
    assert book.most_in_flight == 4


def wait_at(barrier: threading.Barrier) -> None:
    barrier.wait()


def test_the_next_pages_are_on_their_way_while_the_first_is_worked_on() -> None:
    # given
    book = Book(3)
    fetched = threading.Event()
    book.before = lambda number: fetched.set() if number == 3 else None
    pages = read_pages(counted(), book.fetch, parallel=3)
    # when: the first page is taken, and no other
    next(pages)
    # then
    assert fetched.wait(10)
    pages.close()  # type: ignore[attr-defined]  # a generator


@pytest.mark.parametrize("parallel", [2, 3, 5])
def test_no_more_pages_wait_than_allowed(parallel: int) -> None:
    # given: whoever takes pages is slower than the vendor
    book = Book(20)
    taken = []
    # when
    for response in read_pages(counted(), book.fetch, parallel=parallel):
        time.sleep(0.003)
        book.alive -= 1
        taken.append(response)
    # then
    assert len(taken) == 20
    assert book.most_alive <= parallel  # those that are on their way or wait, and the one that is worked on
    assert book.most_in_flight <= parallel


def test_one_at_a_time_uses_no_thread() -> None:
    # given
    book = Book(3)
    # when
    book.read(1)
    # then
    assert book.threads == {threading.get_ident()}
    assert book.most_alive == 1


@pytest.mark.parametrize("parallel", [1, 2, 8])
def test_a_list_that_grows_while_it_is_read_is_read_to_its_new_end(parallel: int) -> None:
    # given
    book = Book(3)

    def grow(number: int) -> None:
        if number == 3:
            book.last = 6

    book.before = grow
    # when / then
    assert book.read(parallel) == [1, 2, 3, 4, 5, 6]
    assert sorted(book.asked) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("parallel", [1, 2, 4])
def test_a_list_that_shrinks_while_it_is_read_ends_where_the_vendor_says(parallel: int) -> None:
    # given: page 2 tells that there are 3 pages now; the vendor refuses pages beyond the last
    book = Book(9)

    def shrink(number: int) -> None:
        if number == 2:
            book.last = 3
        elif number > 3:
            wait_for(lambda: book.last == 3)

    book.before = shrink
    # when / then: pages that were on their way already are no error
    assert book.read(parallel) == [1, 2, 3]
    assert max(book.asked) <= 1 + parallel if parallel > 1 else max(book.asked) == 3


@pytest.mark.parametrize("parallel", [2, 4])
def test_a_page_past_the_end_that_repeats_the_last_one_is_dropped(parallel: int) -> None:
    # given: page 2 reports that there are 3 pages now, and any later page is the last one once more
    book = Book(9)

    def shrink(number: int) -> None:
        if number == 2:
            book.last = 3
        elif number > 3:
            wait_for(lambda: book.last == 3)

    def repeat(number: int) -> requests.Response:
        shrink(number)
        return page(number, book.last)

    book.fetch = repeat  # type: ignore[method-assign]
    # when / then
    assert book.read(parallel) == [1, 2, 3]


@pytest.mark.parametrize("parallel", [1, 3])
def test_the_last_page_itself_must_not_fail(parallel: int) -> None:
    # given
    book = Book(3)

    def fail(number: int) -> None:
        if number == 3:
            raise VendorError("page 3 is broken")

    book.before = fail
    # when / then
    with pytest.raises(VendorError, match="page 3 is broken"):
        book.read(parallel)


def test_an_older_answer_does_not_lengthen_the_list_again() -> None:
    # given: page 3 was answered while there were 9 pages, page 2 came later and tells of 3
    book = Book(9)
    third = threading.Event()

    def shrink(number: int) -> None:
        if number == 2:
            assert third.wait(10)
            time.sleep(0.02)
            book.last = 3

    fetch = book.fetch

    def fetch_and_tell(number: int) -> requests.Response:
        response = fetch(number)
        if number == 3:
            third.set()
        return response

    book.before = shrink
    book.fetch = fetch_and_tell  # type: ignore[method-assign]
    # when / then
    assert book.read(2) == [1, 2, 3]
    assert book.asked == [1, 2, 3]


def wait_for(happened: Callable[[], object]) -> None:
    end = time.monotonic() + 10
    while not happened() and time.monotonic() < end:
        time.sleep(0.001)


@pytest.mark.parametrize("parallel", [1, 3])
def test_an_error_comes_in_its_turn(parallel: int) -> None:
    # given
    book = Book(9)

    def fail(number: int) -> None:
        if number == 3:
            raise VendorError("page 3 is broken")

    book.before = fail
    pages = read_pages(counted(), book.fetch, parallel=parallel)
    # when
    numbers = [next(pages).number, next(pages).number]  # type: ignore[attr-defined]  # set by `page`
    # then
    assert numbers == [1, 2]
    with pytest.raises(VendorError, match="page 3 is broken"):
        next(pages)


def test_pages_may_start_at_0() -> None:
    assert Book(3).read(2, first=0) == [0, 1, 2, 3]


class Chain(BaseAPIPaginator[Any]):
    """A cursor in each answer leads to the next."""

    @override
    def get_next(self, response: requests.Response) -> Any:
        return response.following  # type: ignore[attr-defined]


class Links:
    """A chain of three pages, and a journal."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def fetch(self, token: Any) -> requests.Response:
        """Give the page of a cursor."""
        self.asked.append(token)
        following = {None: "b", "b": "c", "c": None}[token]
        return page(len(self.asked), None, following)


@pytest.mark.parametrize("parallel", [1, 2, 4])
def test_a_chain_is_followed_to_its_end(parallel: int) -> None:
    # given
    links = Links()
    # when
    numbers = [response.number for response in read_pages(Chain(None), links.fetch, parallel=parallel)]  # type: ignore[attr-defined]
    # then
    assert numbers == [1, 2, 3]
    assert links.asked == [None, "b", "c"]


def test_a_chain_is_fetched_one_page_ahead_and_no_further() -> None:
    # given
    links = Links()
    pages = read_pages(Chain(None), links.fetch, parallel=4)
    # when: the first page is being worked on
    next(pages)
    # then
    wait_for(lambda: len(links.asked) == 2)
    time.sleep(0.02)
    assert links.asked == [None, "b"]
    pages.close()  # type: ignore[attr-defined]  # a generator


def test_a_chain_without_parallel_requests_is_not_fetched_ahead() -> None:
    # given
    links = Links()
    pages = read_pages(Chain(None), links.fetch, parallel=1)
    # when
    next(pages)
    time.sleep(0.02)
    # then
    assert links.asked == [None]
    pages.close()  # type: ignore[attr-defined]  # a generator


def test_an_error_ahead_comes_after_the_page_before_it() -> None:
    # given
    def fetch(token: Any) -> requests.Response:
        if token == "b":
            raise VendorError("b is broken")
        return page(1, None, "b")

    pages = read_pages(Chain(None), fetch, parallel=2)
    # when / then
    assert next(pages).number == 1  # type: ignore[attr-defined]
    with pytest.raises(VendorError, match="b is broken"):
        next(pages)


def test_pieces_are_done_side_by_side_and_their_results_given_out_in_order() -> None:
    # given: the first piece waits for the second
    second_done = threading.Event()

    def piece(number: int) -> int:
        if number == 0:
            assert second_done.wait(10)
        if number == 1:
            second_done.set()
        return number * number

    # when / then
    assert list(side_by_side((partial(piece, number) for number in range(5)), 2)) == [0, 1, 4, 9, 16]


def test_later_pieces_may_depend_on_results_given_out() -> None:
    # given
    results: list[int] = []

    def pieces() -> Iterator[Callable[[], int]]:
        yield lambda: 1
        while len(results) < 4:
            yield partial(int, results[-1] * 2)

    # when
    for result in side_by_side(pieces(), 1):
        results.append(result)  # noqa: PERF402 - the pieces look at it meanwhile
    # then
    assert results == [1, 2, 4, 8]


def test_background_work_gives_its_result_or_its_error() -> None:
    # given
    def fail() -> None:
        raise SystemExit(3)

    # then
    assert in_background(lambda: 7).result(10) == 7
    with pytest.raises(SystemExit):
        in_background(fail).result(10)


def test_a_run_that_ends_does_not_wait_for_answers_on_their_way() -> None:
    # given
    names: list[tuple[str, bool]] = []
    # when
    in_background(lambda: names.append((threading.current_thread().name, threading.current_thread().daemon))).result(10)
    # then
    assert names == [("singer-adtech-fetch", True)]
