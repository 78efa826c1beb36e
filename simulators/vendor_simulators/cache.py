"""A cache that forgets what was not used for longest."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

V = TypeVar("V")


class Cache(Generic[V]):
    """Values by key, up to a total weight; safe for several threads.

    Two threads that miss the same key both make the value, so that a slow one holds nobody up.

    Args:
        limit: Most weight kept; a heavier value is returned but not kept.
        weigh: Weight of a value.
    """

    def __init__(self, limit: int, weigh: Callable[[V], int]) -> None:
        self._limit = limit
        self._weigh = weigh
        self._values: OrderedDict[Hashable, V] = OrderedDict()
        self._weight = 0
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], V]) -> V:
        """Return the value of a key, made if it is not there."""
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
