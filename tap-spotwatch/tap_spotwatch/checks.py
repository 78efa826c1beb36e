"""Checks of emitted rows, for assumptions about the vendor that would otherwise be wrong silently."""

from __future__ import annotations

import datetime as dt
import re
from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from singer_adtech.errors import DataError
from singer_adtech.progress.stamps import Stamp
from singer_adtech.progress.windows import DAY
from singer_adtech.records.compiled import CompiledRecord
from singer_adtech.streams.instants import utc_text

from tap_spotwatch.filters import ID_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from singer_adtech.logs import StreamLog
    from singer_adtech.progress.windows import InstantWindow
    from singer_sdk.helpers.types import Record

    from tap_spotwatch.paged import PagedStream

MOST_IDS = 200_000
"""Keys of a stream to keep for comparisons: about 20 MB."""

SECOND = dt.timedelta(seconds=1)

ENOUGH = 20
"""Rows in the seconds before and after borders, from which on a border without rows is no coincidence."""

_ZONE = re.compile(r"(?:Z|UTC|[+-]\d{2}:?\d{2})$", re.IGNORECASE)


class RowChecks:
    """The checks of one stream in one run.

    Args:
        stream: The stream.
        first: The start of the range of this run.
        windows: Its windows.
    """

    def __init__(self, stream: PagedStream, first: dt.datetime, windows: Iterable[InstantWindow]) -> None:
        self._log: StreamLog = stream.log_lines
        self._time = stream.time_column or ""
        self._zones = True
        self._borders = Borders(windows if stream.selects_by_time else ())
        self._places = Places(() if stream.in_key(stream.config) else stream.places)
        self._filters = Filters(stream.name, stream.config)
        # Only the first run reads from `start_date`, and with a filter, days without rows are normal.
        from_start = stream.daily and first == stream.range.start and not stream.has_filters
        self._history = utc_text(first + max(DAY, stream.window_length) + SECOND) if from_start else ""

    def checked(self, records: Iterable[Record]) -> Iterator[Record]:
        """Check rows before they are emitted.

        Raises:
            DataError: A time is not ISO 8601, or an id belongs to two rows.
        """
        get = None
        borders, places, filters = self._borders, self._places, self._filters
        for record in records:
            if get is None:
                get = getter(record, (self._time, "id", *places.columns))
                self._check_history(record.get(self._time))
            text, key, *place = get(record)
            if text is not None:
                if text[-1:] != "Z":
                    self._check_zone(text)
                borders.note(text)
            if place:
                places.check(key, tuple(place))
            if filters.settings:
                filters.check(record, self._log)
            yield record
        borders.warn(self._log)

    def _check_history(self, first: str | None) -> None:
        if self._history and (first or "") > self._history:
            # Assumed: the vendor has airings of each day for which the key may read them. If wrong, days without rows
            # are really days without access, and this warning is logged if they are the first ones.
            self._log.warning(
                "no rows before %s, although `start_date` is earlier: the account may have no access to earlier days",
                (first or "")[:10],
            )

    def _check_zone(self, text: str) -> None:
        try:
            Stamp(text)
        except ValueError:
            raise DataError(
                f"`{self._time}` of a row is not a date-time in ISO 8601",
                "the vendor may ignore `time_fmt`: report this to the tap's authors",
            ) from None
        # Assumed: times without a zone are UTC, because `time_fmt` requests ISO 8601 "in UTC". If wrong, they are local
        # times of the zone stored with the key, some hours off, and this warning is logged.
        if self._zones and not _ZONE.search(text):
            self._zones = False
            self._log.warning(
                "`%s` has no zone and is read as UTC: the vendor may have sent local times; compare a few with the "
                "programme",
                self._time,
            )


class Borders:
    """The rows at borders of two windows, and in the seconds before and after.

    Assumed: at least one of the two bounds of a window is inclusive. If wrong, rows at the second of a border are
    missing, and a warning is logged in runs with enough rows around the borders; `window_overlap_seconds` reads them.

    Args:
        windows: The windows.
    """

    def __init__(self, windows: Iterable[InstantWindow]) -> None:
        self._seconds: dict[str, bool] = {}
        for window in islice(windows, 1, None):
            self._seconds[utc_text(window.start)] = True
            for near in (-SECOND, SECOND):
                self._seconds.setdefault(utc_text(window.start + near), False)
        self._rows = {True: 0, False: 0}

    def note(self, time: str) -> None:
        """Count a row."""
        border = self._seconds.get(time)
        if border is not None:
            self._rows[border] += 1

    def warn(self, log: StreamLog) -> None:
        """Warn if the borders have no rows."""
        if self._rows[False] >= ENOUGH and not self._rows[True]:
            log.warning(
                "%d rows in the seconds before and after the borders of windows, but none at a border: both bounds may "
                "be exclusive; set `window_overlap_seconds` to 1, and read this range again",
                self._rows[False],
            )


class Places:
    """Region and channel of the first ids of a run.

    Assumed: an id of an airing or a break is unique among all regions and channels, because `/get-broadcast` and
    `/get-block` take nothing else, although in the vendor's samples break 1259 is on rtl and has an airing on vox. If
    wrong, one row would replace another: the stream fails if both come in one run, and `channel_in_key` keeps both.

    Args:
        columns: The columns; empty if they are in the key.
    """

    def __init__(self, columns: tuple[str, ...]) -> None:
        self.columns = columns
        self._of: dict[Any, tuple[Any, ...]] = {}
        self._same: dict[tuple[Any, ...], tuple[Any, ...]] = {}

    def check(self, key: Any, place: tuple[Any, ...]) -> None:
        """Compare a row with the earlier ones of its id.

        Raises:
            DataError: They are different rows.
        """
        known = self._of.get(key)
        if known is None:
            if len(self._of) < MOST_IDS and None not in place:
                self._of[key] = self._same.setdefault(place, place)
        elif known != place and None not in place:
            shown = " and ".join(" ".join(map(str, one)) for one in (known, place))
            raise DataError(
                f"two rows have the id {key} and different {' or '.join(self.columns)}: {shown}",
                "set `channel_in_key`, so that region and channel are parts of the key, and read everything again",
            )


class Filters:
    """The filters by name or id that rows can be compared with.

    Assumed: the vendor honours each filter, on each page. If wrong, other rows are loaded too, and a warning names the
    filter. Filters by brand, category, keyword, creation and duration are not compared.

    Args:
        stream: The stream's name.
        config: The settings.
    """

    def __init__(self, stream: str, config: Mapping[str, Any]) -> None:
        columns = {"regions": "regions" if stream == "ads" else "region", "channels": "channel"}
        columns.update({name: column for name, column in ID_COLUMNS.items() if name.startswith(f"{stream}_")})
        self.settings = {
            setting: (column, {_comparable(one) for one in config[setting]})
            for setting, column in columns.items()
            if config[setting]
        }

    def check(self, record: Record, log: StreamLog) -> None:
        """Compare a row with the filters; each causes one warning."""
        for setting, (column, accepted) in [*self.settings.items()]:
            value = record.get(column)
            values = {_comparable(one) for one in (value if isinstance(value, list) else [value])}
            if None not in values and accepted.isdisjoint(values):
                del self.settings[setting]
                log.warning("a row has no `%s` of the setting `%s`: the vendor may ignore this filter", column, setting)


def getter(record: Record, columns: tuple[str, ...]) -> Callable[[Record], tuple[Any, ...]]:
    """Return a fast function that returns these columns of records like this one; None for those not selected."""
    if isinstance(record, CompiledRecord) and all(name in record.attributes for name in columns):
        return attrgetter(*(record.attributes[name] for name in columns))
    return lambda one: tuple(map(one.get, columns))


def _comparable(value: Any) -> Any:
    """Return an id, or a name in lower case; of an object, its id."""
    if isinstance(value, dict):
        return value.get("id")
    return value.casefold() if isinstance(value, str) else value
