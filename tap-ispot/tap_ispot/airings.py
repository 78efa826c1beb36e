"""Airings and corrections: filters, keys, and checks of both."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from singer_adtech.errors import DataError, ReadAgainError
from singer_adtech.progress.bookmarks import InstantBookmark
from singer_adtech.progress.windows import DayWindow, midnight
from singer_adtech.records.row_times import outside_days
from singer_sdk import StreamSchema
from typing_extensions import override

from tap_ispot.client import EASTERN, SCHEMAS, DatedStream
from tap_ispot.rows import identity_getter, row_hash

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from singer_adtech.records.row_times import RowCheck
    from singer_adtech.tap import AdTechTap
    from singer_sdk.helpers.types import Context, Record
    from singer_sdk.streams import Stream

LIST_FILTERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "brand_ids": ("brand", ("brand_id", "parent_brand_id", "brand_parent_id")),
    "parent_brand_ids": ("parent_brand", ("parent_brand_id", "brand_parent_id", "brand_id")),
    "industry_ids": ("industry", ("industry_id", "industry_parent_id")),
    "network_ids": ("network", ("network_id",)),
    "show_ids": ("show", ("show_id",)),
    "spot_ids": ("spot", ("spot_id", "creative_spot_id", "creative_id")),
    "creative_ids": ("creative", ("creative_id", "spot_id")),
    "product_ids": ("product", ("product_id",)),
    "product_types": ("product_type", ()),
    "spot_types": ("spot_type", ()),
    "languages": ("language", ()),
}
"""Filters of airings that take a list (developer site, "API filters & includes"): their names, by setting, and the
columns of which one has an accepted value. The vendor may accept the id of a parent for its children."""

IDENTITY = (
    *("airing_id", "airing_aired_at_et", "airing_dma", "airing_dma_id", "airing_mso", "airing_mso_id"),
    *("network_id", "spot_id", "creative_id"),
)
"""Columns that do not change while an airing is read; figures may."""


NO_MARKET: Mapping[str, Any] = {"airing_dma": "", "airing_dma_id": 0}
"""The columns of a market, one for each of its two possible forms, and their values without one: loaders refuse null in
keys."""


class AiringSchema(StreamSchema[str]):
    """A schema from a file, with keys that are never null, because the key depends on a setting."""

    @override
    def get_stream_schema(self, stream: Stream, stream_class: type[Stream]) -> dict[str, Any]:
        schema = super().get_stream_schema(stream, stream_class)
        keys = {name: schema["properties"][name] for name in stream.primary_keys}
        never_null = {
            name: {**one, "type": [kind for kind in one["type"] if kind != "null"]} for name, one in keys.items()
        }
        return {
            **schema,
            "properties": {**schema["properties"], **never_null},
            "required": [*dict.fromkeys((*schema["required"], *keys))],
        }


class AmbiguousAiringError(ReadAgainError, DataError):
    """Two different airings with one key; one of them may have been corrected between two pages."""


class AiringStream(DatedStream):
    """Airings, with the entities of the setting `airing_includes`."""

    primary_keys: tuple[str, ...] = ("airing_id",)
    schema = AiringSchema(SCHEMAS)
    replication_key = "airing_aired_at_et"
    references = MappingProxyType({"spot_id": "spots", "network_id": "networks"})
    filters_of_rows = frozenset({"airing_types", "national_only", *LIST_FILTERS})

    def __init__(self, tap: AdTechTap, **kwargs: Any) -> None:
        super().__init__(tap, **kwargs)
        if self.config.get("dma_in_key"):
            self.primary_keys = ("airing_id", *NO_MARKET)
        self._identity: Callable[[Any], Any] | None = None
        self._names: Sequence[str] = ()
        self._identities: dict[Any, Any] | None = None
        self._filtered: dict[str, tuple[str, ...]] = {
            setting: columns for setting, (_, columns) in LIST_FILTERS.items() if self.config.get(setting) and columns
        }

    @property
    @override
    def sort(self) -> str:
        # Assumed: airings can be sorted by `airing_date_et` and `id`, names seen in client code. If wrong, the vendor
        # refuses the request (400): set `airing_sort`. Or it ignores the parameter: rows that move between pages are
        # then missing in the row count.
        order: str = self.config["airing_sort"]
        return order

    @property
    @override
    def requested_entities(self) -> Sequence[str]:
        chosen: Sequence[str] = self.config["airing_includes"]
        return chosen

    @property
    @override
    def signature(self) -> dict[str, Any]:
        # The settings used in `filters` below. Lists are sorted because the order of ids has no meaning.
        given = {name: self.config[name] for name in (*self.filters_of_rows, "dma_in_key")}
        return {name: sorted(set(value)) if isinstance(value, list) else value for name, value in sorted(given.items())}

    @property
    @override
    def requested_order(self) -> tuple[str, ...]:
        return ("airing_aired_at_et", "airing_id") if self.sort == "airing_date_et,id" else ()

    @property
    @override
    def row_filters(self) -> Mapping[str, tuple[str, ...]]:
        return {setting: columns for setting, (_, columns) in LIST_FILTERS.items() if columns}

    @property
    @override
    def nulls(self) -> Mapping[str, Any]:
        return NO_MARKET if self.config.get("dma_in_key") else {}

    @property
    @override
    def bookmark_kind(self) -> InstantBookmark:
        return InstantBookmark(EASTERN)

    @override
    def bookmark_day(self, position: dt.datetime) -> dt.date:
        return position.astimezone(EASTERN).date()

    @override
    def position_after(self, window: DayWindow) -> dt.datetime:
        return midnight(super().position_after(window), EASTERN)

    @override
    def row_check(self, window: DayWindow) -> RowCheck | None:
        # In the Quickstart the first row of a day is at 00:04 Eastern and both filters are inclusive: no tolerance.
        # Assumed: airings of local markets belong to the day of their market, some hours behind Eastern. If wrong, they
        # are in the window of their Eastern day, which is accepted too.
        types = self.config["airing_types"]
        return outside_days(AiringStream.replication_key, window, zone=EASTERN, later=int(not types or "L" in types))

    @override
    def filters(self, window: DayWindow | None) -> dict[str, str]:
        params = super().filters(window)
        if self.config["airing_types"]:
            params["filter[airing_type]"] = ",".join(self.config["airing_types"])
        if self.config["national_only"]:
            params["filter[national_only]"] = "1"
        params.update(list_filters(self.config, *LIST_FILTERS))
        params["include"] = ",".join(self.requested_entities)
        return params

    @override
    def digest(self, record: Record) -> object:
        if self._identity is None:
            self._names, self._identity = identity_getter(record, IDENTITY)
        if self._filtered:
            self._check_filters(record)
        identity = self._identity(record)
        if self._identities is not None:
            self._identities.setdefault(self._key(record), identity)
        # Not the values: a window may have a million rows.
        return hash(identity)

    def _key(self, record: Record) -> tuple[Any, ...]:
        return tuple(record[name] for name in self.primary_keys)

    @override
    def on_duplicate(self, record: Record, *, same: bool) -> bool:
        # Assumed: an airing's id is unique, also among the markets of a regional airing. If wrong, one airing would
        # replace another, so the stream fails with the id and the columns that differ.
        if same or self._identity is None:
            return False
        key = self._key(record)
        what = f"two different airings have the key {', '.join(map(repr, key))}"
        remedy = "report this to the vendor"
        if self._identities is None:
            # The first reading keeps no values; the second one does, to name the columns.
            self._identities = {}
        elif key in self._identities:
            pairs = zip(self._names, self._identities[key], self._identity(record), strict=True)
            differing = [name for name, one, other in pairs if one != other]
            what += f" and differ in {', '.join(differing)}"
            if not NO_MARKET.keys().isdisjoint(differing):
                remedy = "set `dma_in_key`, so that the market is a part of the key"
        raise AmbiguousAiringError(what, remedy)

    def _check_filters(self, record: Record) -> None:
        # Assumed: the vendor honours all filters by id; the documents describe them in general, not for each endpoint.
        # If wrong, rows of other entities are loaded, and a warning names the filter.
        for setting, columns in [*self._filtered.items()]:
            ids = {name: record.get(name) for name in columns}
            known = [number for number in ids.values() if number is not None]
            if known and not any(number in self.config[setting] for number in known):
                del self._filtered[setting]
                name = LIST_FILTERS[setting][0]
                self.log_lines.warning(
                    "a row has %s, which `%s` does not contain: the vendor may ignore `filter[%s]`",
                    " and ".join(f"{column} {number}" for column, number in ids.items() if number is not None),
                    setting,
                    name,
                )


QUIET_DAYS = 7
"""Minimum number of days for a warning about a stream without corrections."""


class UpdatesStream(DatedStream):
    """Corrections of Eastern days; the vendor documents no fields of their rows."""

    days_per_window = 1
    # Assumed: equal rows of a day are one correction. If wrong, a correction that was made twice is one row.
    equal_rows_are_one = True

    @override
    def flat_row(self, row: dict[str, Any], window: DayWindow | None) -> dict[str, Any]:
        # Rows have neither a day nor an id, and there are few of them.
        day = window.first.isoformat() if window else None
        return {**super().flat_row(row, window), "update_date": day, "update_key": row_hash(row)}

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        yield from super().get_records(context)
        # Assumed: corrections are requested by the same dates as airings, both inclusive. If wrong, they are refused
        # (400), or no row comes, and a warning is logged after seven days without one.
        windows = self.counts.windows or 0
        if not self.counts.rows and windows >= QUIET_DAYS:
            self.log_lines.warning(
                "no correction in %d days: the vendor may not filter %s by `filter[start_date]` and "
                "`filter[end_date]`; report this to the tap's authors",
                windows,
                self.path,
            )


def list_filters(config: Any, *settings: str) -> dict[str, str]:
    """Return the filters by lists from these settings; empty lists are not sent."""
    return {
        f"filter[{LIST_FILTERS[setting][0]}]": ",".join(map(str, config[setting]))
        for setting in settings
        if config[setting]
    }
