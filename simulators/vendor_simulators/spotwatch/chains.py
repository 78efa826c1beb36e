"""Links to the pages of a result; a result is frozen at its first request."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vendor_simulators.seeded import generator
from vendor_simulators.spotwatch.data import link

if TYPE_CHECKING:
    from random import Random

    from vendor_simulators.spotwatch.options import SpotwatchOptions


@dataclass(eq=False)
class Chain:
    """The pages of one result."""

    rows: list[dict[str, Any]]
    size: int
    links: dict[int, str] = field(default_factory=dict)


@dataclass(eq=False)
class _Link:
    chain: Chain
    page: int
    until: float


class Chains:
    """The page links issued so far.

    Args:
        seed: Seed of the links.
        options: Lifetime of the links and details of the paging information.
    """

    def __init__(self, seed: int, options: SpotwatchOptions) -> None:
        self._rng: Random = generator("spotwatch links", seed)
        self._options = options
        self._living: dict[str, _Link] = {}
        self._lock = threading.Lock()
        self.issued: set[str] = set()

    def take(self, path: str) -> dict[str, Any] | None:
        """Return the page of a link; None if the link is unknown or has expired."""
        with self._lock:
            found = self._living.get(path)
            if found is None or time.monotonic() >= found.until:
                return None
            if self._options.links == "once":
                del self._living[path]
                # Otherwise the next page would return the same link as `prev`: issue a new one.
                found.chain.links.pop(found.page)
            return self._page(found.chain, found.page)

    def first(self, chain: Chain) -> dict[str, Any]:
        """Return the first page of a result."""
        with self._lock:
            return self._page(chain, 0)

    def expire(self) -> None:
        """Expire all links."""
        with self._lock:
            self._living.clear()

    def _page(self, chain: Chain, number: int) -> dict[str, Any]:
        pages = math.ceil(len(chain.rows) / chain.size) if chain.rows else self._options.empty_pages_total
        page = {
            "index": number,
            "prev": self._link(chain, number - 1) if number else None,
            "next": self._link(chain, number + 1) if number + 1 < pages else None,
            "results_total": len(chain.rows) + self._options.total_error,
            "pages_total": pages,
        }
        return {"page": page, "results": chain.rows[number * chain.size : (number + 1) * chain.size]}

    def _link(self, chain: Chain, number: int) -> str:
        path = chain.links.get(number)
        if path is None or path not in self._living:
            path = link(self._rng)
            lifetime = self._options.link_seconds
            until = math.inf if lifetime is None else time.monotonic() + lifetime
            self._living[path] = _Link(chain, number, until)
            self.issued.add(path)
            chain.links[number] = path
        return path
