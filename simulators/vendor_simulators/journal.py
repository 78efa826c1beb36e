"""The journal: every request received, in order of arrival."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, overload

from typing_extensions import override

if TYPE_CHECKING:
    from vendor_simulators.messages import Request


class Journal(Sequence["Request"]):
    """The requests received so far, in order of arrival; thread-safe.

    Iteration covers the requests that had arrived when it began.
    """

    def __init__(self) -> None:
        self._entries: list[Request] = []
        self._lock = threading.Lock()

    @overload
    def __getitem__(self, index: int) -> Request: ...
    @overload
    def __getitem__(self, index: slice) -> list[Request]: ...
    @override
    def __getitem__(self, index: int | slice) -> Request | list[Request]:
        return self._snapshot()[index]

    @override
    def __len__(self) -> int:
        with self._lock:
            return len(self._entries)

    @override
    def __iter__(self) -> Iterator[Request]:
        return iter(self._snapshot())

    @override
    def __repr__(self) -> str:
        return "\n".join(f"{entry.status} {entry.method} {entry.target}" for entry in self) or "no request"

    def add(self, request: Request) -> None:
        """Add a request that has just arrived; its status is set when the response is ready."""
        with self._lock:
            self._entries.append(request)

    def clear(self) -> None:
        """Forget all requests so far."""
        with self._lock:
            self._entries.clear()

    def matching(self, path: str | None = None, method: str | None = None, **params: object) -> list[Request]:
        """Return the requests with this path (exact or an `fnmatch` pattern), method and parameters, among others.

        Pass names such as `page[number]` as `**{"page[number]": 2}`. Values are compared as text.
        """
        return [entry for entry in self if entry.matches(path, method, params)]

    def concurrency(self, path: str | None = None, method: str | None = None, **params: object) -> int:
        """Return the largest number of matching requests that were in progress at the same time."""
        changes: list[tuple[float, int]] = []
        for entry in self.matching(path, method, **params):
            # A request without an end is still in progress.
            changes += [(entry.at, 1), (entry.finished or float("inf"), -1)]
        highest = running = 0
        for _, change in sorted(changes):
            running += change
            highest = max(highest, running)
        return highest

    def _snapshot(self) -> list[Request]:
        with self._lock:
            return list(self._entries)
