"""Keyset reading: a list in the order of its last change, each page asked for by the last row of the page before.

Rows that are edited while a list is read move to its end, and pull the others one place forward: page numbers alone
lose rows then. So the next page is asked for by what was read, "changed at or after B", and a page number serves only
where more rows than a page share one instant.
"""

from __future__ import annotations

import datetime as dt
from abc import abstractmethod
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, cast

from typing_extensions import override

from singer_adtech.bookmarks import Bookmark
from singer_adtech.errors import DataError, located
from singer_adtech.pages import WindowedPage, in_background
from singer_adtech.records import json_kind
from singer_adtech.row_counts import check_row_count
from singer_adtech.stamps import Stamp, StampBookmark
from singer_adtech.streams import AdTechStream

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator

    import requests
    from singer_sdk.helpers.types import Context, Record


@dataclass(frozen=True)
class KeysetPosition:
    """What a page is asked for by.

    Args:
        bound: Only rows changed at this instant or later; None for all.
        page: Number of the page among those rows, from 1.
    """

    bound: Stamp | None
    page: int = 1


class Keyset:
    """Where a keyset reading stands.

    The rows at the bound come again with each page; they are known by their keys. Only those keys are remembered, so
    memory does not grow with the list. A row that was edited meanwhile comes once more, as a newer version.

    Args:
        bound: Where to begin; None for the whole list.
        remedy: What the user can do about a vendor that does not sort or filter.
    """

    def __init__(self, bound: Stamp | None, *, remedy: str) -> None:
        self.position = KeysetPosition(bound)
        self._remedy = remedy
        self._at_bound: set[Hashable] = set()
        self._page_before: list[Hashable] = []

    def take(self, rows: Iterable[tuple[Hashable, Any]]) -> list[bool]:
        """Judge the rows of a page, and move on to the next position.

        Args:
            rows: Key and time of the last change of each row, as sent.

        Returns:
            For each row whether it is new.

        Raises:
            DataError: The vendor did not honour the sort, the filter, or the page number.
        """
        bound, newest = self.position.bound, self.position.bound
        fresh: list[bool] = []
        keys: list[Hashable] = []
        for key, sent in rows:
            changed = self._stamp(key, sent)
            if newest is not None and changed < newest:
                what = "was changed before the instant asked for" if newest is bound else "is out of order"
                raise DataError(f"{self._ignored}: the row {key} {what}", self._remedy)
            if newest is None or changed > newest:
                newest = changed
                self._at_bound.clear()
            fresh.append(key not in self._at_bound)
            self._at_bound.add(key)
            keys.append(key)
        # Two empty ones too, of a vendor that says that there is more.
        if self.position.page > 1 and keys == self._page_before:
            raise DataError(f"page {self.position.page} has the same rows as the page before", self._remedy)
        self._page_before = keys
        moved = newest != bound
        self.position = KeysetPosition(newest, 1 if moved else self.position.page + 1)
        return fresh

    _ignored = "the vendor did not honour the sort or the filter by the time of the last change"

    def _stamp(self, key: Hashable, sent: Any) -> Stamp:
        try:
            return Stamp(sent)
        except (TypeError, ValueError, AttributeError):
            raise DataError(
                f"{self._ignored}: the row {key} has no such time (a JSON {json_kind(sent)})", self._remedy
            ) from None


class KeysetStream(AdTechStream[Any]):
    """An incremental stream that is read in the order of its replication key.

    The bookmark is the latest change read, in the vendor's own spelling, and moves after each page. The first run reads
    the whole list; later ones begin `overlap` before the bookmark. Where a catalog asks for the full table, each run
    reads the whole list and there is no bookmark.
    """

    overlap: ClassVar[dt.timedelta] = dt.timedelta(minutes=10)
    """Assumed: how late a change may become visible in the list, counted from its own time."""

    keyset_remedy: str
    """What the user can do about a vendor that does not sort or filter."""

    signature: ClassVar[dict[str, Any]] = {}
    """Nothing changes the meaning of such rows; see `signatures`."""

    @abstractmethod
    def is_last(self, response: requests.Response) -> bool | None:
        """Tell whether a page is the last one; None if the answer does not say, and an empty page ends the list."""

    def read_keyset(self, context: Context | None) -> Iterator[Record]:
        """Read the list from the bookmark on, and move the bookmark after each page."""
        with located(stream=self.name):
            bookmark = Bookmark(self, StampBookmark())
            incremental = self.replication_method == "INCREMENTAL"
            stands = bookmark.position if incremental else None
            keyset = Keyset(None if stands is None else stands.earlier(self.overlap), remedy=self.keyset_remedy)
            # Of the class: a catalog may name no key.
            key_names = cast("tuple[str, ...]", type(self).primary_keys)
            changed = cast("str", type(self).replication_key)
            seen: set[Hashable] = set()
            told: int | None = None
            pages = self._keyset_pages(context, keyset, key_names, changed)
            for number, (response, fresh, rows) in enumerate(pages):
                if number == 0:
                    told = self.total_rows(response)
                    self.counts.report_total(told)
                for row, is_new in zip(rows, fresh, strict=True):
                    seen.add(_key(row, key_names))
                    if is_new:
                        yield self.shape.record(self.flat_row(row, None))
                if rows and incremental:
                    bookmark.advance(Stamp(rows[-1][changed]))
            self.log_rows(len(seen))
            check_row_count(
                # More than the total is no loss: rows were added while the list was read.
                read=len(seen) if told is None else min(len(seen), told),
                told=told,
                mode=self.config.get("row_count_check", "off"),
                logger=self.log_lines,
            )

    def _keyset_pages(
        self, context: Context | None, keyset: Keyset, key_names: tuple[str, ...], changed: str
    ) -> Iterator[tuple[requests.Response, list[bool], list[dict[str, Any]]]]:
        """Yield pages with their rows and which of these are new; the next page is on its way meanwhile."""

        def fetch(position: KeysetPosition) -> requests.Response:
            page = WindowedPage(stream_context=context, next_page_token=position)
            return self.fetch(self.get_http_request(page=page))

        # A connection test reads one record: nothing is fetched ahead for it.
        ahead = self.parallel_pages > 1 and not self.ABORT_AT_RECORD_COUNT
        response = fetch(keyset.position)
        while True:
            rows = list(self.parse_response(response))
            fresh = keyset.take((_key(row, key_names), row.get(changed)) for row in rows)
            last = self.is_last(response)
            if last or (last is None and not rows):
                yield response, fresh, rows
                return
            if ahead:
                future = in_background(partial(fetch, keyset.position))
                yield response, fresh, rows
                response = future.result()
            else:
                yield response, fresh, rows
                response = fetch(keyset.position)

    @property
    def by_keyset(self) -> bool:
        """Whether the list is read in this way; else it is read whole, by pages."""
        return True

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        return self.read_keyset(context) if self.by_keyset else super().get_records(context)


def _key(row: dict[str, Any], names: tuple[str, ...]) -> Hashable:
    return row.get(names[0]) if len(names) == 1 else tuple(row.get(name) for name in names)
