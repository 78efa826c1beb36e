"""Sequences read side by side, given out one after the other."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest
from singer_adtech.fetching.prefetching import read_ahead

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Shelf:
    """Sequences of numbers, and a journal of what was read of them.

    Attributes:
        taken: Items given out by the sequences, in order.
        alive: Sequences that have begun and not ended.
    """

    def __init__(self) -> None:
        self.taken: list[tuple[int, int]] = []
        self.threads: set[int] = set()
        self.alive = self.most_alive = 0
        self.before: Callable[[int, int], None] = lambda *_: None
        self._lock = threading.Lock()

    def sequence(self, name: int, length: int) -> Iterator[tuple[int, int]]:
        """Give out pairs of name and number."""
        with self._lock:
            self.alive += 1
            self.most_alive = max(self.most_alive, self.alive)
        for number in range(length):
            self.before(name, number)
            with self._lock:
                self.threads.add(threading.get_ident())
                self.taken.append((name, number))
            yield name, number
        with self._lock:
            self.alive -= 1

    def sources(self, *lengths: int) -> Iterator[Callable[[], Iterator[tuple[int, int]]]]:
        """Give the beginnings of sequences of these lengths."""
        for name, length in enumerate(lengths):
            yield partial(self.sequence, name, length)


def wait_for(happened: Callable[[], object]) -> None:
    end = time.monotonic() + 10
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.001)


@pytest.mark.parametrize("parallel", [1, 2, 3, 10])
def test_sequences_and_their_items_come_in_order(parallel: int) -> None:
    # given
    shelf = Shelf()
    # when
    given = [list(items) for items in read_ahead(shelf.sources(3, 0, 5, 1), parallel=parallel)]
    # then
    assert given == [[(0, 0), (0, 1), (0, 2)], [], [(2, number) for number in range(5)], [(3, 0)]]


def test_sequences_are_read_side_by_side() -> None:
    # given: each of three sequences waits at its beginning for the two others
    shelf = Shelf()
    together = threading.Barrier(3, timeout=10)

    def meet(_: int, number: int) -> None:
        if number == 0:
            together.wait()

    shelf.before = meet
    # when
    given = [item for items in read_ahead(shelf.sources(2, 2, 2), parallel=3) for item in items]
    # then
    assert given == [(name, number) for name in range(3) for number in range(2)]


def test_no_more_sequences_are_open_and_no_more_items_wait_than_allowed() -> None:
    # given
    shelf = Shelf()
    readers = read_ahead(shelf.sources(50, 50, 50, 50), parallel=2, held=3)
    # when: nothing is taken of the first sequence
    first = next(readers)
    wait_for(lambda: len(shelf.taken) == 6)
    time.sleep(0.03)
    # then: two sequences of three items each
    assert sorted(shelf.taken) == [(name, number) for name in range(2) for number in range(3)]
    # when: one item is taken, one more is read
    next(first)
    wait_for(lambda: len(shelf.taken) == 7)
    time.sleep(0.03)
    # then
    assert (0, 3) in shelf.taken
    assert len(shelf.taken) == 7
    assert shelf.most_alive == 2
    readers.close()


def test_one_at_a_time_is_read_in_the_calling_thread_as_it_is_taken() -> None:
    # given
    shelf = Shelf()
    readers = read_ahead(shelf.sources(3, 3), parallel=1)
    # when
    first = next(next(readers))
    # then
    assert first == (0, 0)
    assert shelf.taken == [(0, 0)]
    assert shelf.threads == {threading.get_ident()}


def test_an_error_comes_after_the_items_before_it() -> None:
    # given
    shelf = Shelf()

    def fail(name: int, number: int) -> None:
        if (name, number) == (1, 2):
            raise ValueError("broken")

    shelf.before = fail
    readers = read_ahead(shelf.sources(2, 5, 5), parallel=3)
    given = list(next(readers))
    second = next(readers)
    # when
    given += [next(second), next(second)]
    # then
    assert given == [(0, 0), (0, 1), (1, 0), (1, 1)]
    with pytest.raises(ValueError, match="broken"):
        next(second)


def test_threads_end_when_the_reading_is_given_up() -> None:
    # given: two long sequences are being read
    shelf = Shelf()
    before = set(threading.enumerate())
    readers = read_ahead(shelf.sources(50, 50), parallel=2)
    next(readers)
    wait_for(lambda: len(shelf.taken) == 4)
    started = set(threading.enumerate()) - before
    # when
    readers.close()
    # then
    wait_for(lambda: not any(thread.is_alive() for thread in started))
    assert len(started) == 2
    assert len(shelf.taken) == 4
