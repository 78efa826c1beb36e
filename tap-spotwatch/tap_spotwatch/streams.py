"""The streams, except the message queue (`queue`). To add a list, add a class, its schema, and its path to `tap.py`."""

from __future__ import annotations

from difflib import get_close_matches
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from singer_adtech.errors import VendorError
from singer_adtech.http.responses import describe
from singer_adtech.records.exact_json import exact_json
from singer_adtech.records.page import Page
from singer_adtech.streams.instants import instant_range, utc_text
from typing_extensions import override

from tap_spotwatch.blocks import BlockAds, Blocks
from tap_spotwatch.client import CallsPaginator, SpotwatchStream, make_call
from tap_spotwatch.paged import PagedStream
from tap_spotwatch.queue import BroadcastMessages
from tap_spotwatch.references import References
from tap_spotwatch.responses import channels, genres, names

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    import requests
    from singer_adtech.progress.windows import InstantWindow
    from singer_sdk.helpers.types import Context, Record


class Ads(PagedStream):
    """Distinct commercials. An ad that airs again moves to a later window; the last window has no end.

    Assumed: ids of ads are unique among all regions (`cross_region_ads` has another id per country). If wrong, one ad
    replaces another, and `created` and `duration` of an id change between runs.

    Assumed: `lastseen` never decreases. If wrong, an ad may move into a window before the look-back, and is outdated in
    the warehouse until it airs again; `broadcasts` has all airings.

    Assumed: `time_seen_from` and `time_seen_to` select ads with any airing in between. If wrong, ads of a past range
    are missing, and a warning counts those that airings refer to.
    """

    name = "ads"
    path = "/get-ads"
    primary_keys = ("id",)
    replication_key = "lastseen"
    is_sorted = False
    filters = (("region", "regions"),)
    # Always sent: the default is all fields, including all airings of each ad.
    fields_argument = "ad_fields"
    times_move = True
    lookback_setting = "ads_lookback_days"
    referred_by = "ad"

    @property
    def _ended(self) -> bool:
        """Whether the range ended before this run: ads may have aired again since, so `lastseen` does not find them."""
        return self.range.limit is not None and self.range.limit <= self.tap.run_start

    @property
    @override
    def selects_by_time(self) -> bool:
        return not self._ended

    @override
    def selected_by(self, window: InstantWindow) -> str:
        return "time_seen" if self._ended else super().selected_by(window)

    @override
    def limited_column(self, window: InstantWindow) -> str | None:
        return None if self._ended else super().limited_column(window)

    @override
    def may_be_later(self, window: InstantWindow) -> bool:
        return self._ended or self.is_open(window)

    @override
    def is_open(self, window: InstantWindow) -> bool:
        return self.range.limit is None and window.end == self.range.end

    @override
    def pages_ahead(self, context: Context | None, window: InstantWindow) -> Iterator[requests.Response]:
        # Requested last: an ad that airs during the run moves into it from an earlier window.
        return iter(()) if self.is_open(window) else super().pages_ahead(context, window)

    @override
    def read_records(
        self,
        context: Context | None,
        window: InstantWindow | None = None,
        pages: Iterable[requests.Response] | None = None,
    ) -> Iterator[Record]:
        is_open = window is not None and self.is_open(window)
        return super().read_records(context, window, None if is_open else pages)


class Broadcasts(PagedStream):
    """Airings of ads."""

    name = "broadcasts"
    path = "/get-broadcasts"
    primary_keys: tuple[str, ...] = ("id",)
    replication_key = "time"
    is_sorted = False
    daily = True
    places = ("region", "channel")
    fields_argument = "broadcast_fields"
    references = MappingProxyType({"ad": "ads", "block": "blocks"})
    lookback_setting = "broadcasts_lookback_days"

    @property
    def _referred(self) -> dict[str, References]:
        """The streams of this run that airings refer to, by column."""
        streams = (stream for stream in self.tap.streams.values() if isinstance(stream, PagedStream))
        return {
            stream.referred_by: References(stream)
            for stream in streams
            if stream.referred_by is not None and stream.ids is not None and self.is_written(stream.referred_by)
        }

    @property
    @override
    def used_columns(self) -> Collection[str]:
        return (*super().used_columns, *(name for name in ("ad", "block") if self.is_written(name)))

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        referred = self._referred
        if not referred:
            yield from super().get_records(context)
            return
        for record in super().get_records(context):
            for column, references in referred.items():
                references.check(record.get(column), record["time"])
            yield record
        for references in referred.values():
            references.warn(self.log_lines)


SMALL_ROUND_COUNTS = frozenset({100, 200, 250, 500})


class ListStream(SpotwatchStream):
    """A list without pages, which replaces the earlier one.

    Assumed: each response is the complete list. If wrong, missing names may be deleted from the warehouse. An empty
    response, and one with a round number of rows, cause a warning and delete nothing.
    """

    @override
    def page(self, response: requests.Response) -> Page:
        page = super().page(response)
        rows = [*page.rows]
        if not rows or len(rows) in SMALL_ROUND_COUNTS or not len(rows) % 1000:
            self.counts.read_whole = False
            self.log_lines.warning(
                "%s has %s rows: the list may be incomplete, so no rows are deleted",
                urlsplit(response.url).path.rpartition("/")[2],
                f"exactly {len(rows)}" if rows else "no",
            )
        return Page(rows, page.total)


class NamesStream(ListStream):
    """A list of names that a setting filters by; a warning lists unknown names in the setting."""

    names_of: ClassVar[str]
    """The column of the names; the setting has the same name with an `s`."""

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        known: set[str] = set()
        for record in super().get_records(context):
            known.add(record[self.names_of])
            yield record
        for name in self.config[f"{self.names_of}s"]:
            if name not in known:
                nearest = get_close_matches(name, known, n=1)
                self.log_lines.warning(
                    "setting `%ss`: %r is not in the vendor's list, so it has no rows%s",
                    self.names_of,
                    name,
                    f": did you mean {nearest[0]!r}?" if nearest else "",
                )


class Channels(NamesStream):
    """TV channels, including historical ones."""

    name = "channels"
    path = "/get-all-channels"
    primary_keys = ("region", "channel")
    names_of = "channel"

    @override
    def get_new_paginator(self) -> CallsPaginator:
        # Tracked channels first: the first row of a channel counts, and the second list may contain them again.
        return CallsPaginator("/get-tracked-channels", self.path)

    @override
    def parse_response(self, response: requests.Response) -> Iterator[dict[str, Any]]:
        tracked = not response.url.endswith(self.path)
        call = "/get-tracked-channels" if tracked else self.path
        for row in channels(exact_json(response.content), call):
            yield {**row, "tracked": tracked}


class Regions(NamesStream):
    """Countries in which Spotwatch monitors TV."""

    name = "regions"
    path = "/get-all-regions"
    primary_keys = ("region",)
    names_of = "region"

    @override
    def parse_response(self, response: requests.Response) -> Iterator[dict[str, Any]]:
        return names(exact_json(response.content), "region", self.path)


class Categories(ListStream):
    """Categories of ads."""

    name = "categories"
    path = "/get-all-categories"
    primary_keys = ("category",)

    @override
    def parse_response(self, response: requests.Response) -> Iterator[dict[str, Any]]:
        return names(exact_json(response.content), "category", self.path)


class MissingArgumentsError(VendorError):
    """The call requires arguments."""


class Brands(ListStream):
    """Advertised brands.

    The vendor's page calls the four filters of the call "required", probably a mistake for "optional". They are sent
    only if the vendor requires them, and then include everything.

    Assumed: without filters, the list has all brands. If wrong, `brand` of ads has names that are not in it.
    """

    name = "brands"
    path = "/get-all-brands"
    primary_keys = ("brand",)

    everything: Mapping[str, Any] = MappingProxyType({})
    """The filters that include everything, once the vendor has required them."""

    @override
    def arguments(self, window: InstantWindow | None) -> dict[str, Any]:
        return dict(self.everything)

    @override
    def validate_response(self, response: requests.Response) -> None:
        if response.status_code == HTTPStatus.BAD_REQUEST and "missing" in describe(response).lower():
            raise MissingArgumentsError(describe(response), "deselect brands, and report this to the tap's authors")
        super().validate_response(response)

    @override
    def pages(self, context: Context | None, window: InstantWindow | None = None) -> Iterator[requests.Response]:
        try:
            yield from super().pages(context, window)
        except MissingArgumentsError as error:
            if self.everything:
                raise
            self.log_lines.info("%s: requested again with all filters", error.what)
        else:
            return
        self.everything = self._all_filters()
        yield from super().pages(context, window)

    def _all_filters(self) -> dict[str, Any]:
        call = "/get-all-channels"
        body = exact_json(self.fetch(make_call(f"{self.url_base}{call}", {}), label=f", {call}").content)
        known = list(channels(body, call))
        return {
            "region": sorted(body),
            "channel": sorted({row["channel"] for row in known}),
            "time_seen_from": utc_text(instant_range(self.config, self.tap.run_start).start),
            "time_seen_to": utc_text(self.tap.run_start),
        }

    @override
    def parse_response(self, response: requests.Response) -> Iterator[dict[str, Any]]:
        return names(exact_json(response.content), "brand", self.path)


class TVGenres(ListStream):
    """Genres and subgenres of TV programmes by region; an unknown one is `""`."""

    name = "tv_genres"
    path = "/get-all-tv-genres"
    primary_keys = ("region", "genre", "subgenre")

    @override
    def parse_response(self, response: requests.Response) -> Iterator[dict[str, Any]]:
        return genres(exact_json(response.content), self.path)


STREAMS = (Ads, Broadcasts, Blocks, BlockAds, Channels, Regions, Categories, Brands, TVGenres, BroadcastMessages)
