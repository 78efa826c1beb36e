"""Keyset reading: a list sorted by last change, with each page requested by the last row of the previous one.

Rows edited in the meantime move to the end of the list and shift the others, so page numbers would skip rows. Instead,
the next page is requested by "changed at or after B", and by page number only if more than a page of rows share one
instant.
"""

from __future__ import annotations

import datetime as dt
from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property, partial
from operator import attrgetter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, cast

import msgspec
from singer_sdk.streams.rest import PageContext
from typing_extensions import override

from singer_adtech.errors import DataError, error_context
from singer_adtech.fetching.parallel import in_background
from singer_adtech.progress.bookmarks import Bookmark
from singer_adtech.progress.stamps import Stamp, StampBookmark
from singer_adtech.records.page import Page
from singer_adtech.records.totals import PageProgress
from singer_adtech.records.values import json_kind
from singer_adtech.streams.base import AdTechStream

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence

    import requests
    from singer_sdk.helpers.types import Context, Record

    from singer_adtech.records.page import Row

_RowPosition: TypeAlias = "tuple[Hashable, Any]"
"""The key of a row, and the time of its last change."""


@dataclass(frozen=True)
class KeysetPosition:
    """The position of a page.

    Args:
        bound: Requests rows changed at this instant or later; None for all.
        page: Number of the page of these rows, from 1.
    """

    bound: Stamp | None
    page: int = 1


@dataclass(frozen=True)
class _Stretch:
    """The rows received between two bounds.

    Args:
        bound: The first bound.
        at_bound: Keys of rows at that instant that were already received.
        rows: Keys and last changes of the rows.
        end: The next bound: the newest change. None without rows.
        rest: Rows expected at `end` or later, from the reported total; None without a total.
        asked_again: Whether this is the second reading.
    """

    bound: Stamp | None
    at_bound: frozenset[Hashable]
    rows: Mapping[Hashable, Stamp]
    end: Stamp | None
    rest: int | None
    asked_again: bool


class Keyset:
    """The state of a keyset reading.

    Each page repeats the rows at its bound, recognised by their keys. Only keys from the bound on are kept, so memory
    does not grow with the list. A row edited in the meantime is received again in its newer version.

    Totals are compared from bound to bound: the total at one bound, minus the rows received before the next bound, is
    the total expected at the next bound. If fewer are reported, rows are missing or were deleted in the meantime.

    Args:
        bound: The start; None for the whole list.
        remedy: Advice for the user if the vendor does not sort or filter.
    """

    def __init__(self, bound: Stamp | None, *, remedy: str) -> None:
        self._remedy = remedy
        self._begin(bound, frozenset(), {}, asked_again=False)
        self.stretch: _Stretch | None = None
        """The stretch completed by the last page, until it is compared with the next total."""

    def _begin(
        self,
        bound: Stamp | None,
        at_bound: frozenset[Hashable],
        emitted: Mapping[Hashable, Stamp],
        *,
        asked_again: bool,
    ) -> None:
        self.position = KeysetPosition(bound)
        self._start = at_bound
        self._emitted = emitted
        self._asked_again = asked_again
        self._at_bound = set(at_bound)
        self._rows: dict[Hashable, Stamp] = {}
        self._total: int | None = None
        self._page_before: list[Hashable] = []
        self._progress = PageProgress(self._remedy)

    def take(self, rows: Iterable[tuple[Hashable, Any]], total: int | None = None, *, last: bool = False) -> list[bool]:
        """Check the rows of a page, and move to the next position.

        Args:
            rows: Key and time of the last change of each row.
            total: The reported total of rows from the bound on.
            last: Whether the page is the last one.

        Returns:
            Whether each row is new.

        Raises:
            DataError: The vendor did not honour the sort, the filter, or the page number; or the list does not end.
        """
        bound, newest = self.position.bound, self.position.bound
        if total is not None:
            self._total = total if self._total is None else max(self._total, total)
        fresh: list[bool] = []
        keys: list[Hashable] = []
        known = len(self._rows)
        for key, sent in rows:
            changed = self._stamp(key, sent)
            if newest is not None and changed < newest:
                what = "was changed before the requested instant" if newest is bound else "is out of order"
                raise DataError(f"{self._ignored}: the row {key} {what}", self._remedy)
            if newest is None or changed > newest:
                newest = changed
                self._at_bound.clear()
            fresh.append(key not in self._at_bound and self._emitted.get(key) != changed)
            self._at_bound.add(key)
            self._rows[key] = changed
            keys.append(key)
        # Also catches two empty pages although more rows are reported.
        if self.position.page > 1 and keys == self._page_before:
            raise DataError(f"page {self.position.page} has the same rows as the page before", self._remedy)
        self._page_before = keys
        self._progress.page(rows=len(keys), new=len(self._rows) - known, total=self._total)
        self._close(newest, last=last)
        return fresh

    def _close(self, newest: Stamp | None, *, last: bool) -> None:
        """Move to the next page, and to the next bound if there is one."""
        if not last and newest == self.position.bound:
            self.position = KeysetPosition(newest, self.position.page + 1)
            return
        came = len(self._rows) - (0 if last else len(self._at_bound))
        rest = None if self._total is None else self._total - came
        bound = self.position.bound
        self.stretch = _Stretch(bound, self._start, self._rows, newest, rest, self._asked_again)
        self._begin(newest, frozenset(self._at_bound), {}, asked_again=False)

    def ask_again(self, stretch: _Stretch) -> None:
        """Return to the start of a stretch. Its rows are new only if they were edited."""
        self._begin(stretch.bound, stretch.at_bound, stretch.rows, asked_again=True)

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
    the whole list; later ones begin `overlap` before the bookmark. If a catalog sets FULL_TABLE, each run reads the
    whole list without a bookmark.
    """

    overlap: dt.timedelta = dt.timedelta(minutes=10)
    """The time before the bookmark that is read again.
    Assumed: a change is visible in the list within the overlap, 10 minutes by default. If wrong, the change is missing
    until the row is changed again or the list is read completely."""

    keyset_remedy: str
    """Advice for the user if the vendor does not sort or filter."""

    account_field: ClassVar[str | None] = None
    """The field with a row's account, if there is one; see `note_accounts`."""

    def note_accounts(self, accounts: Collection[Any]) -> None:
        """Check the accounts of the rows of a page, before any of them is used; rows without one are left out."""

    @property
    @override
    def bookmark(self) -> Bookmark | None:
        return Bookmark(self, StampBookmark()) if self.by_keyset else None

    @cached_property
    def _position_reader(self) -> _PositionReader:
        # From the class, because a catalog may remove the key.
        keys, changed = cast("tuple[str, ...]", type(self).primary_keys), cast("str", type(self).replication_key)
        return _PositionReader(keys, changed, self.account_field, self.decode_row)

    @abstractmethod
    def is_last(self, response: requests.Response) -> bool | None:
        """Return whether a page is the last one; None if not reported, so that an empty page ends the list."""

    def read_keyset(self, context: Context | None) -> Iterator[Record]:
        """Read the list from the bookmark on, and move the bookmark past each page confirmed by the next total."""
        with error_context(stream=self.name):
            bookmark = Bookmark(self, StampBookmark())
            incremental = self.replication_method == "INCREMENTAL"
            stands = bookmark.position if incremental else None
            keyset = Keyset(None if stands is None else stands.earlier(self.overlap), remedy=self.keyset_remedy)
            emitted = 0
            fetch = self._fetch_keyset(context)
            request = fetch(keyset.position)
            while True:
                response = request()
                page = self.page(response)
                rows = list(page.rows)
                positions, accounts = self._position_reader.read(rows)
                self.note_accounts(accounts)
                stretch, keyset.stretch = keyset.stretch, None
                if stretch is not None:
                    # An empty page ends the list, even without a total.
                    following = 0 if page.total is None and not rows else page.total
                    if not self._is_whole(stretch, following):
                        keyset.ask_again(stretch)
                        request = fetch(keyset.position)
                        continue
                    if incremental:
                        bookmark.advance(stretch.end)
                last = self.is_last(response)
                last = not rows if last is None else last
                records = self._take_page(keyset, rows, positions, page.total, last=last)
                if not last:
                    request = fetch(keyset.position)
                for record in records:
                    emitted += 1
                    yield record
                if last:
                    stretch, keyset.stretch = cast("_Stretch", keyset.stretch), None
                    if self._is_whole(stretch, 0):
                        break
                    keyset.ask_again(stretch)
                    request = fetch(keyset.position)
            if stretch.end is not None and incremental:
                bookmark.advance(stretch.end)
            self.log_rows(emitted)

    def _take_page(
        self,
        keyset: Keyset,
        rows: Sequence[Row | dict[str, Any]],
        positions: Sequence[_RowPosition],
        total: int | None,
        *,
        last: bool,
    ) -> Iterable[Record]:
        """Return the new records of a page."""
        if self.counts.total is None:
            # Later pages report the total of the remaining rows.
            self.counts.report_total(total)
        fresh = keyset.take(positions, total, last=last)
        return self.page_records(Page([row for row, is_new in zip(rows, fresh, strict=True) if is_new]), None)

    def _fetch_keyset(self, context: Context | None) -> Callable[[KeysetPosition], Callable[[], requests.Response]]:
        """Return a function that starts the request of a position and returns a function to wait for the response."""

        def send(position: KeysetPosition) -> requests.Response:
            page: PageContext[KeysetPosition] = PageContext(stream_context=context, next_page_token=position)
            return self.fetch(self.get_http_request(page=page))

        # A connection test reads one record, so nothing is prefetched.
        ahead = self.parallel_pages > 1 and not self.ABORT_AT_RECORD_COUNT

        def fetch(position: KeysetPosition) -> Callable[[], requests.Response]:
            return in_background(partial(send, position)).result if ahead else partial(send, position)

        return fetch

    def _is_whole(self, stretch: _Stretch, following: int | None) -> bool:
        """Compare the rows between two bounds with the total reported at the second one.

        Args:
            stretch: The rows.
            following: That total; 0 at the end of the list.

        Returns:
            False if they must be requested again.

        Raises:
            DataError: Rows are missing after the second reading too, and `row_count_check` is `fail`.
        """
        if stretch.rest is None or following is None or stretch.rest <= following or self.row_count_check == "off":
            return True
        missing = stretch.rest - following
        begin = "the first one" if stretch.bound is None else stretch.bound.text
        what = f"{missing} rows are missing after {begin}, according to the reported totals"
        if not stretch.asked_again:
            self.log_lines.warning("%s; requested again", what)
            return False
        self.miss_rows(f"{what} (read 2 times)")
        return True

    @property
    def by_keyset(self) -> bool:
        """Whether the list is read by keyset; otherwise it is read whole, by pages."""
        return True

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        return self.read_keyset(context) if self.by_keyset else super().get_records(context)


class _PositionReader:
    """A decoder of the fields that a keyset reading needs. A row with values of other types is decoded whole.

    Args:
        keys: The key.
        changed: The time of the last change.
        account: The account; None if it is not needed.
        decode_row: Decodes a row.
    """

    def __init__(
        self,
        keys: Sequence[str],
        changed: str,
        account: str | None,
        decode_row: Callable[[Row | dict[str, Any]], dict[str, Any]],
    ) -> None:
        names = {f"key{number}": name for number, name in enumerate(keys)} | {"changed": changed}
        fields: list[Any] = [(attribute, int | str) for attribute in names]
        fields[-1] = "changed", str
        if account is not None:
            names["account"] = account
            fields.append(("account", int | str | None, None))
        self._names = names
        self._decode = msgspec.json.Decoder(msgspec.defstruct("Position", fields, rename=names, gc=False)).decode
        # With one name, attrgetter returns no tuple.
        self._key = attrgetter(*(attribute for attribute in names if attribute.startswith("key")))
        self._decode_row = decode_row

    def read(self, rows: Iterable[Row | dict[str, Any]]) -> tuple[list[_RowPosition], list[Any]]:
        """Return the position of each row, and the accounts of those that have one."""
        decode, key_of = self._decode, self._key
        positions: list[_RowPosition] = []
        accounts: list[Any] = []
        position: Any
        for row in rows:
            try:
                position = self._decode_fields(row) if isinstance(row, dict) else decode(row)
            except (msgspec.DecodeError, RecursionError):
                position = self._decode_fields(row)
            positions.append((key_of(position), position.changed))
            account = getattr(position, "account", None)
            if account is not None:
                accounts.append(account)
        return positions, accounts

    def _decode_fields(self, row: Row | dict[str, Any]) -> Any:
        decoded = self._decode_row(row)
        return SimpleNamespace(**{attribute: decoded.get(name) for attribute, name in self._names.items()})
