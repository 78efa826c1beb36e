"""Several sequences read at once in the background, and given out one after the other.

Windows of a stream may be read side by side where a vendor allows it: each is a chain of pages whose next link is known
only from the page before. Each sequence has a thread, which stops once it holds `held` items that nobody has taken. So
memory is bounded by `parallel` times `held` items, however long the sequences are.
"""

from __future__ import annotations

import threading
from collections import deque
from queue import SimpleQueue
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

T = TypeVar("T")


class _Failure:
    """What ended a sequence early; raised where the next item is asked for."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


class _Whole:
    """The end of a sequence."""


class _Background(Generic[T]):
    """One sequence that is read in a thread of its own."""

    def __init__(self, source: Callable[[], Iterator[T]], held: int) -> None:
        self._items: SimpleQueue[T | _Failure | _Whole] = SimpleQueue()
        self._places = threading.Semaphore(held)
        self._abandoned = False
        # A daemon: a stopped run must not wait for an answer that may take minutes.
        threading.Thread(target=self._read, args=(source,), name="singer-adtech-ahead", daemon=True).start()

    def _read(self, source: Callable[[], Iterator[T]]) -> None:
        try:
            items = source()
            while True:
                self._places.acquire()
                if self._abandoned:
                    return
                self._items.put(next(items))
        except StopIteration:
            self._items.put(_Whole())
        except BaseException as error:  # noqa: BLE001 - raised where the item is asked for
            self._items.put(_Failure(error))

    def __iter__(self) -> Iterator[T]:
        while True:
            item = self._items.get()
            if isinstance(item, _Whole):
                return
            if isinstance(item, _Failure):
                raise item.error
            self._places.release()
            yield item

    def abandon(self) -> None:
        """Let the thread end at its next item."""
        self._abandoned = True
        self._places.release()


def read_ahead(sources: Iterator[Callable[[], Iterator[T]]], *, parallel: int, held: int = 2) -> Generator[Iterator[T]]:
    """Read sequences side by side.

    Args:
        sources: What starts each sequence; taken one by one as places become free.
        parallel: Sequences being read at once, the one that is given out included. 1 reads in the calling thread.
        held: Items of each sequence that wait at most.

    Yields:
        The sequences, in order. What is left of one when the next is asked for is given up.
    """
    if parallel <= 1:
        for source in sources:
            yield source()
        return
    running: deque[_Background[T]] = deque()
    try:
        while True:
            while len(running) < parallel:
                following = next(sources, None)
                if following is None:
                    break
                running.append(_Background(following, held))
            if not running:
                return
            yield iter(running[0])
            # A sequence may be left before its end; its thread must not wait for ever for somebody to take its items.
            running.popleft().abandon()
    finally:
        for sequence in running:
            sequence.abandon()
