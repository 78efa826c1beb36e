"""Query sources and their fields: an address that the guide and working clients spell differently.

The guide has `/query/sources` and a source's id in the path; public client code has `/queries/sources` and its name.
What works is found out once for a run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

import requests
from singer_adtech.errors import NotFoundError, VendorError

from tap_magnite.answers import check_answer, read_array

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_adtech.runs.metrics import RequestCounts

    from tap_magnite.tap import TapMagnite

BASES = ("/query/sources", "/queries/sources")
Kind = Literal["dimensions", "metrics"]
Word = Literal["name", "id"]


class Metadata:
    """The lists of a run; each is asked for once.

    Args:
        tap: The tap.
    """

    def __init__(self, tap: TapMagnite) -> None:
        self._tap = tap
        given: str | None = tap.config.get("query_sources_path")
        self._bases: tuple[str, ...] = (given.rstrip("/"),) if given else BASES
        self._words: tuple[Word, ...] = ("name", "id")
        self._sources: requests.Response | None = None
        self._fields: dict[tuple[str, Kind], requests.Response] = {}
        self._missing = ""

    def sources(self, label: str, counts: RequestCounts | None = None) -> requests.Response:
        """Return the list of sources.

        Args:
            label: What log lines call the request.
            counts: The numbers of the stream that asks; None in discovery.

        Raises:
            VendorError: No base has it, or the vendor refused.
        """
        if self._sources is None:
            for base in self._bases:
                self._sources = self._get(base, label, counts)
                if self._sources is not None:
                    self._bases = (base,)
                    break
            else:
                raise VendorError(self._missing, self._remedy)
        return self._sources

    def fields(
        self,
        source: str,
        kind: Kind,
        label: str,
        counts: RequestCounts | None = None,
    ) -> requests.Response:
        """Return the list of a source's dimensions or metrics.

        Args:
            source: The source's name.
            kind: Which of the two.
            label: What log lines call the request.
            counts: The numbers of the stream that asks; None in discovery.

        Raises:
            VendorError: No spelling of the address has it, or the vendor refused.
        """
        if (source, kind) in self._fields:
            return self._fields[source, kind]
        self._missing = "it has no id, and is not known by its name"
        for base, word, text in self._spellings(source, label, counts):
            response = self._get(f"{base}/{quote(text, safe='')}/{kind}", label, counts)
            if response is not None:
                # For the next source the same spelling first, and the other all the same: it may lack an id.
                self._bases, self._words = (base,), (word, *(other for other in self._words if other != word))
                self._fields[source, kind] = response
                return response
        raise VendorError(f"source {source}: {self._missing}", f"check the name of the source; {self._remedy}")

    def _spellings(self, source: str, label: str, counts: RequestCounts | None) -> Iterator[tuple[str, Word, str]]:
        for base in self._bases:
            for word in self._words if base in self._bases else ():
                text = source if word == "name" else self._id(source, label, counts)
                if text is not None:
                    yield base, word, text

    def _id(self, source: str, label: str, counts: RequestCounts | None) -> str | None:
        """Return the id of a source; None if it has none."""
        rows = read_array(self.sources(label, counts))
        found = next((row.get("id") for row in rows if row.get("name") == source), None)
        return None if found is None else str(found)

    def _get(self, path: str, label: str, counts: RequestCounts | None) -> requests.Response | None:
        """Return the list under a path; None if nothing stands there."""
        try:
            return self._tap.send(
                requests.Request("GET", f"{self._tap.api_url}{path}"),
                label=label,
                check_status=check_answer,
                counts=counts,
            )
        except NotFoundError as error:
            self._missing = error.what
            return None

    @property
    def _remedy(self) -> str:
        return "set `query_sources_path` to the path that your account has"
