"""Sequences read in parallel in background threads and yielded one after another.

Windows of a stream can be read in parallel if the vendor allows it. Each is a chain of pages linked by their responses.
The thread of a sequence pauses while `held` items wait, so memory is bounded by `parallel` times `held` items, not by
the length of the sequences.
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
    """An error that ended a sequence, raised when the next item is taken."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


class _Whole:
    """The end of a sequence."""


class _Background(Generic[T]):
    """One sequence, read in a background thread."""

    def __init__(self, source: Callable[[], Iterator[T]], held: int) -> None:
        self._items: SimpleQueue[T | _Failure | _Whole] = SimpleQueue()
        self._places = threading.Semaphore(held)
        self._abandoned = False
        # A daemon, because a stopped run must not wait minutes for a response.
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
        except BaseException as error:  # noqa: BLE001 - raised when the item is taken
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
        """Stop the thread at its next item."""
        self._abandoned = True
        self._places.release()


def read_ahead(sources: Iterator[Callable[[], Iterator[T]]], *, parallel: int, held: int = 2) -> Generator[Iterator[T]]:
    """Read sequences in parallel.

    Args:
        sources: Functions that start a sequence, called as threads become free.
        parallel: Sequences read in parallel, including the one being yielded. 1 reads in the calling thread.
        held: Maximum number of waiting items per sequence.

    Yields:
        The sequences, in order. The rest of a sequence is dropped when the next one is taken.
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
            # The caller may leave a sequence early. Its thread must not wait forever.
            running.popleft().abandon()
    finally:
        for sequence in running:
            sequence.abandon()
