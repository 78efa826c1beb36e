"""Work in background threads, with results in order."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


T = TypeVar("T")


def in_background(work: Callable[[], T]) -> Future[T]:
    """Run a piece of work in a thread of its own.

    The thread is a daemon: a stopped run must not wait for an answer that may take minutes, as the threads of
    `concurrent.futures` would make it do. A request takes far longer than the start of a thread.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised where the result is asked for
            future.set_exception(error)

    threading.Thread(target=run, name="singer-adtech-fetch", daemon=True).start()
    return future


def side_by_side(pieces: Iterator[Callable[[], T]], parallel: int) -> Iterator[T]:
    """Do pieces of work side by side and give their results out in order.

    Args:
        pieces: The work; taken one by one as places become free, so that later pieces may depend on results given out.
        parallel: Pieces in flight or waiting to be taken, at most. 1 does one after the other in the calling thread.

    Yields:
        The results, in the order of the pieces.
    """
    if parallel <= 1:
        for piece in pieces:
            yield piece()
        return
    waiting: deque[Future[T]] = deque()
    while True:
        while len(waiting) < parallel:
            work = next(pieces, None)
            if work is None:
                break
            waiting.append(in_background(work))
        if not waiting:
            return
        yield waiting.popleft().result()
