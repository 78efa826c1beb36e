"""A least-recently-used cache."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

V = TypeVar("V")


class Cache(Generic[V]):
    """A thread-safe cache with a maximum total weight.

    Two threads that miss the same key both compute the value; neither waits for the other.

    Args:
        limit: Maximum total weight; a heavier value is returned but not cached.
        weigh: Returns the weight of a value.
    """

    def __init__(self, limit: int, weigh: Callable[[V], int]) -> None:
        self._limit = limit
        self._weigh = weigh
        self._values: OrderedDict[Hashable, V] = OrderedDict()
        self._weight = 0
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], V]) -> V:
        """Return the cached value of a key, computing it on a miss."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        value = make()
        with self._lock:
            if key not in self._values:
                self._values[key] = value
                self._weight += self._weigh(value)
                while self._weight > self._limit:
                    _, old = self._values.popitem(last=False)
                    self._weight -= self._weigh(old)
        return value
