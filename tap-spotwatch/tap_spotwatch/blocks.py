"""Ad breaks, requested by the time of their last change and by their start, and the ads in them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from singer_adtech.progress.windows import DAY, InstantWindow
from singer_adtech.records.row_times import outside_instants
from singer_adtech.streams.derived import DerivedStream, DerivingStream
from typing_extensions import override

from tap_spotwatch.checks import SECOND
from tap_spotwatch.client import OptionalColumns
from tap_spotwatch.paged import PagedStream
from tap_spotwatch.responses import read_page

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    import requests
    from singer_adtech.records.row_times import RowCheck
    from singer_sdk.helpers.types import Context, Record

LONGEST_BREAK = dt.timedelta(hours=1)
"""Assumed: a break lasts at most an hour. If wrong, a row of `start_from` that began earlier fails the stream."""


@dataclass(frozen=True)
class BlockWindow(InstantWindow):
    """A window, and the column by which its blocks are selected: `updated` or `start`."""

    column: str

    @override
    def __str__(self) -> str:
        return f"{super().__str__()} by {self.column}"


class Chain:
    """The pages of one result at the beginning of a longer sequence.

    Args:
        pages: The pages of several results.
    """

    def __init__(self, pages: Iterator[requests.Response]) -> None:
        self._pages = pages
        self.whole = False
        """Whether the last page was taken."""

    def __iter__(self) -> Iterator[requests.Response]:
        for response in self._pages:
            self.whole = read_page(response).page.is_last
            yield response
            if self.whole:
                return


class Blocks(DerivingStream[InstantWindow], PagedStream):
    """Ad breaks, by the time of their last change and by their start. The vendor may omit `updated`.

    Assumed: each change of a break changes `updated`. If wrong, only breaks that started within the look-back are
    current; a warning is logged if no break has `updated`.

    Assumed: the second reading of a window is not a cached response to the first one. If wrong, breaks of the second
    one are missing; airings that refer to them cause a warning, and an equal response with a page link an error.
    """

    name = "blocks"
    path = "/get-blocks"
    primary_keys: tuple[str, ...] = ("id",)
    replication_key = "updated"
    is_sorted = False
    times_move = True
    places = ("region", "channel")
    lookback_setting = "blocks_lookback_minutes"
    lookback_unit = dt.timedelta(minutes=1)
    referred_by = "block"
    longest = LONGEST_BREAK
    # Both readings of the window before, and the first one of this window.
    compared_readings = 3

    @property
    def _columns(self) -> tuple[str, ...]:
        """The columns by which each window is requested."""
        by: str = self.config["blocks_by"]
        return ("updated", "start") if by == "both" else (by,)

    @property
    @override
    def signature(self) -> dict[str, Any]:
        return {**super().signature, "blocks_by": sorted(self._columns)}

    @property
    @override
    def selects_by_time(self) -> bool:
        return "updated" in self._columns

    @property
    @override
    def used_columns(self) -> Collection[str]:
        return (*super().used_columns, *self._columns)

    @property
    @override
    def missing_remedy(self) -> str:
        if self.config["blocks_by"] == "updated":
            return "the vendor may omit `updated` from them: set `blocks_by` to `both`, and read this range again"
        return super().missing_remedy

    @override
    def selected_by(self, window: InstantWindow) -> str:
        return window.column if isinstance(window, BlockWindow) else super().selected_by(window)

    @override
    def limited_column(self, window: InstantWindow) -> str | None:
        return self.selected_by(window)

    @override
    def pages_ahead(self, context: Context | None, window: InstantWindow) -> Iterator[requests.Response]:
        for column in self._columns:
            yield from super().pages_ahead(context, BlockWindow(window.start, window.end, column))

    @override
    def read_records(
        self,
        context: Context | None,
        window: InstantWindow | None = None,
        pages: Iterable[requests.Response] | None = None,
    ) -> Iterator[Record]:
        if window is None:
            yield from super().read_records(context, window, pages)
            return
        ahead = None if pages is None else iter(pages)
        for column in self._columns:
            chain = None if ahead is None else Chain(ahead)
            yield from super().read_records(context, BlockWindow(window.start, window.end, column), chain)
            if chain is not None and not chain.whole:
                # An error ended it, so the pages of the next column are not at its position.
                ahead = None

    @override
    def row_check(self, window: InstantWindow) -> RowCheck | None:
        if self.selected_by(window) != "start":
            return super().row_check(window)
        longer = InstantWindow(window.start - LONGEST_BREAK, window.end)
        return outside_instants("start", longer, slack=SECOND + self.overlap)

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        rows = stamped = 0
        for record in super().get_records(context):
            rows += 1
            stamped += record.get("updated") is not None
            yield record
        if rows and not stamped and self.lookback < DAY and self.is_written("updated"):
            self.log_lines.warning(
                "no break has `updated`: a change is only found if the break started at most "
                "`blocks_lookback_minutes` (%d) before the bookmark: raise it, for example to 4320",
                self.config[self.lookback_setting],
            )

    @override
    def arguments(self, window: InstantWindow | None) -> dict[str, Any]:
        # These are the fields of a block's ads and airings (`id` is their default). A block's own fields have no list.
        return {**super().arguments(window), "ad_fields": ["id"], "broadcast_fields": ["id"]}


class BlockAds(DerivedStream):
    """The ads of each break in order. If a break shrinks, the rows with its newest `updated` are current.

    Assumed: breaks that shrink have `updated`. If wrong, their last positions stay in the warehouse, and a break has
    more positions than its `ads` in blocks.
    """

    name = "block_ads"
    path = "/get-blocks"
    parent_stream_type = Blocks
    primary_keys: tuple[str, ...] = ("block_id", "position")
    selected_by_default = False
    schema = OptionalColumns()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if Blocks.in_key(self.config):
            self.primary_keys = ("block_id", *Blocks.places, "position")

    @override
    def rows(self, record: Record) -> Iterator[dict[str, Any]]:
        of_block = {name: record[name] for name in ("region", "channel", "start", "updated")}
        for position, ad in enumerate(record["ads"] or ()):
            members = ad if isinstance(ad, dict) else {"id": ad}
            others = {name: value for name, value in members.items() if name not in {"id", "block_id", "position"}}
            yield {**others, **of_block, "block_id": record["id"], "position": position, "ad_id": members.get("id")}
