"""Query sources and their fields. The guide and public clients disagree about the path.

The guide has `/query/sources` with the id of a source in the path; public client code has `/queries/sources` with its
name. A run tries both and keeps the one that works.

Assumed: query sources are at `/query/sources` or `/queries/sources`, and their fields below it, with the name or the id
of the source. If wrong, the stream fails with status 404, and the message names the setting `query_sources_path`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

from singer_adtech.errors import NotFoundError, VendorError

from tap_magnite.responses import check_response, read_array

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import requests
    from singer_adtech.metrics import RequestCounts

BASES = ("/query/sources", "/queries/sources")
Kind = Literal["dimensions", "metrics"]
Spelling = Literal["name", "id"]

_REMEDY = "set `query_sources_path` to the path of your account"


class Metadata:
    """The lists of query sources, dimensions and metrics; each is requested once in a run.

    Args:
        send: Sends a request, see `MagniteApi.send`.
        path: The setting `query_sources_path`; None to try `BASES`.
    """

    def __init__(self, send: Callable[..., requests.Response], path: str | None) -> None:
        self._send = send
        self._bases: tuple[str, ...] = (path.rstrip("/"),) if path else BASES
        self._spellings: tuple[Spelling, ...] = ("name", "id")
        self._sources: requests.Response | None = None
        self._fields: dict[tuple[str, Kind], requests.Response] = {}
        self._missing = ""

    def sources(self, label: str, counts: RequestCounts | None = None) -> requests.Response:
        """Return the list of sources.

        Args:
            label: The name of the request in log lines.
            counts: The request counts of the stream; None in discovery.

        Raises:
            VendorError: The list was not found, or the vendor refused the request.
        """
        if self._sources is None:
            for base in self._bases:
                self._sources = self._get(base, label, counts)
                if self._sources is not None:
                    self._bases = (base,)
                    break
            else:
                raise VendorError(self._missing, _REMEDY)
        return self._sources

    def fields(self, source: str, kind: Kind, label: str, counts: RequestCounts | None = None) -> requests.Response:
        """Return the list of a source's dimensions or metrics.

        Args:
            source: The name of the source.
            kind: The kind of fields.
            label: The name of the request in log lines.
            counts: The request counts of the stream; None in discovery.

        Raises:
            VendorError: The list was not found, or the vendor refused the request.
        """
        if (source, kind) in self._fields:
            return self._fields[source, kind]
        self._missing = "it has no id, and its name was not found"
        for base, spelling, text in self._addresses(source, label, counts):
            response = self._get(f"{base}/{quote(text, safe='')}/{kind}", label, counts)
            if response is not None:
                # The next source tries this spelling first, then the other one: a source may have no id.
                self._bases = (base,)
                self._spellings = (spelling, *(other for other in self._spellings if other != spelling))
                self._fields[source, kind] = response
                return response
        raise VendorError(f"source {source}: {self._missing}", f"check the name of the source; {_REMEDY}")

    def types(self, source: str, kind: Kind) -> dict[str, str]:
        """Return the ids of a source's dimensions or metrics with their types, for discovery.

        Raises:
            VendorError: The list was not found, or the vendor refused the request.
        """
        rows = read_array(self.fields(source, kind, "discovery"))
        return {str(row.get("id")): str(row.get("type") or "") for row in rows}

    def _addresses(self, source: str, label: str, counts: RequestCounts | None) -> Iterator[tuple[str, Spelling, str]]:
        for base in self._bases:
            for spelling in self._spellings if base in self._bases else ():
                text = source if spelling == "name" else self._id(source, label, counts)
                if text is not None:
                    yield base, spelling, text

    def _id(self, source: str, label: str, counts: RequestCounts | None) -> str | None:
        """Return the id of a source; None if it has none."""
        rows = read_array(self.sources(label, counts))
        found = next((row.get("id") for row in rows if row.get("name") == source), None)
        return None if found is None else str(found)

    def _get(self, path: str, label: str, counts: RequestCounts | None) -> requests.Response | None:
        """Return the list at a path; None if it was not found."""
        try:
            return self._send("GET", path, check_status=check_response, label=label, counts=counts)
        except NotFoundError as error:
            self._missing = error.what
            return None
