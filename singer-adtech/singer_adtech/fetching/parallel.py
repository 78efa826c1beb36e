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
    """Run a function in a new thread.

    The thread is a daemon, unlike those of `concurrent.futures`: a stopped run must not wait for a response that may
    take minutes. Starting a thread is cheap compared with a request.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised when the result is taken
            future.set_exception(error)

    threading.Thread(target=run, name="singer-adtech-fetch", daemon=True).start()
    return future


def side_by_side(pieces: Iterator[Callable[[], T]], parallel: int) -> Iterator[T]:
    """Call functions in parallel and yield their results in order.

    Args:
        pieces: The functions, taken as threads become free, so later ones may depend on yielded results.
        parallel: Maximum number of running or waiting functions. 1 calls them in the calling thread.

    Yields:
        The results, in the order of the functions.
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
