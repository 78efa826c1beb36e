"""User-defined reports in the setting `reports`, each discovered as a stream.

A tap defines the allowed content of a report (`ReportRules`) and how to request it (a subclass of `ReportStream`). The
library parses the setting, rejects invalid values with a one-line error, and derives columns, keys, windows and
bookmarks.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast

import msgspec
from singer_sdk import typing as th
from typing_extensions import override

from singer_adtech.errors import DataError, SettingError, shorten
from singer_adtech.progress.windows import DAY, day_windows
from singer_adtech.records.shapes import EXTRA, EXTRA_DESCRIPTION
from singer_adtech.settings import zone
from singer_adtech.streams.windowed import DayWindowStream

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from zoneinfo import ZoneInfo

    from singer_sdk.helpers.types import Record

    from singer_adtech.progress.bookmarks import Bookmark
    from singer_adtech.progress.windows import DayWindow
    from singer_adtech.tap import AdTechTap

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_ENCODER = msgspec.json.Encoder(decimal_format="number")
_COMMON = ("name", "dimensions", "metrics", "time_zone", "lookback_days", "window_days", "primary_keys")


@dataclass(frozen=True)
class Column:
    """One column of a report.

    Args:
        kind: JSON type of its values.
        description: Unit and meaning.
        form: JSON Schema's `format`, such as `date`.
    """

    kind: Literal["string", "integer", "number", "boolean"]
    description: str
    form: str | None = None

    def schema(self, *, nullable: bool) -> dict[str, Any]:
        """Return the column's JSON schema."""
        declared: dict[str, Any] = {"type": [self.kind, "null"] if nullable else [self.kind]}
        if self.form:
            declared["format"] = self.form
        return {**declared, "description": self.description}


@dataclass(frozen=True)
class ReportRules:
    """The vendor's rules for reports.

    Args:
        dimensions: Allowed dimensions; None for any.
        metrics: Allowed metrics; None for any.
        days: Dimensions with the day of a row, finest first; a report needs one of them. Empty if the vendor adds
            the day.
        days_reason: Why a report needs one of them, for error messages.
        default_metrics: Metrics of a report without `metrics`.
        metrics_required: Whether a report needs at least one metric.
        most_lookback_days: Upper limit of `lookback_days`.
        most_window_days: Upper limit of `window_days`.
        check_keys: Checks `primary_keys` of a report; raises `ValueError` with the allowed values.
        options: Parsers of vendor-specific members of a report. Each takes the value, or None if missing, and raises
            `ValueError` with the problem and the allowed values.
    """

    dimensions: Collection[str] | None
    metrics: Collection[str] | None
    days: tuple[str, ...] = ()
    days_reason: str = ""
    default_metrics: tuple[str, ...] = ()
    metrics_required: bool = True
    most_lookback_days: int = 365
    most_window_days: int = 366
    check_keys: Callable[[Report], None] | None = None
    options: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """A validated report of the setting.

    Attributes:
        name: The stream's name.
        dimensions: In request order.
        metrics: In request order.
        primary_keys: As configured; empty by default.
        time_zone: The time zone of its days.
        lookback_days: Days before the bookmark to read again.
        window_days: Days per window.
        options: Parsed vendor-specific members.
    """

    name: str
    dimensions: tuple[str, ...]
    metrics: tuple[str, ...]
    primary_keys: tuple[str, ...]
    time_zone: ZoneInfo
    lookback_days: int
    window_days: int
    options: Mapping[str, Any]


def reports_setting(default: list[dict[str, Any]], description: str) -> th.Property[list[Any]]:
    """Declare the setting `reports`; `read_reports` validates its items, so that errors can name the report."""
    return th.Property(
        "reports",
        th.CustomType({"type": ["array"], "items": {"type": ["object"]}}),
        default=default,
        title="Reports",
        description=description,
    )


def read_reports(config: Mapping[str, Any], rules: ReportRules, *, taken: Collection[str]) -> list[Report]:
    """Parse the setting `reports`.

    Args:
        config: All settings. Their `time_zone`, `lookback_days` and `window_days` are defaults for reports.
        rules: The vendor's rules.
        taken: Names of the tap's other streams.

    Raises:
        SettingError: A report is invalid. The message names the report, the value and the allowed values.
    """
    given = config.get("reports") or []
    if not isinstance(given, list):
        raise SettingError(f"setting `reports`: {shorten(repr(given), 80)} is not allowed", "give a list of reports")
    reports: list[Report] = []
    for number, one in enumerate(given, start=1):
        name = one.get("name") if isinstance(one, Mapping) else None
        where = f"setting `reports`, report {name if isinstance(name, str) and name else number}"
        try:
            reports.append(_read(one, config, rules, {*taken, *(other.name for other in reports)}))
        except ValueError as error:
            raise SettingError(where, str(error)) from None
        except SettingError as error:
            raise SettingError(where, str(error).replace("setting ", "", 1)) from None
    return reports


def _read(one: Any, config: Mapping[str, Any], rules: ReportRules, taken: Collection[str]) -> Report:
    if not isinstance(one, Mapping):
        raise ValueError(f"{shorten(repr(one), 80)} is not allowed: give an object with a name, dimensions and metrics")  # noqa: TRY004 - one error type for invalid values
    allowed = (*_COMMON, *rules.options)
    for member in one:
        if member not in allowed:
            raise ValueError(f"{member!r} is not a member of a report: allowed are {', '.join(allowed)}")
    name = _name(one.get("name"), taken)
    zone_name = one.get("time_zone") or config.get("time_zone") or "UTC"
    if not isinstance(zone_name, str):
        raise ValueError(f"`time_zone` {zone_name!r} is not allowed: give an IANA name such as `Europe/Berlin`")  # noqa: TRY004 - as above
    dimensions = _names(one, "dimensions", rules.dimensions)
    metrics = _names(one, "metrics", rules.metrics) if one.get("metrics") is not None else rules.default_metrics
    if rules.days and not set(rules.days) & set(dimensions):
        raise ValueError(
            f"`dimensions` {list(dimensions)} is not allowed: {' or '.join(rules.days)} must be among them, because "
            f"{rules.days_reason}"
        )
    if not metrics and rules.metrics_required:
        raise ValueError(f"`metrics` is empty: at least one of {', '.join(rules.metrics or ('the metrics',))}")
    both = sorted(set(dimensions) & set(metrics))
    if both:
        raise ValueError(f"{both[0]!r} is in both `dimensions` and `metrics`: name it once")
    report = Report(
        name=name,
        dimensions=dimensions,
        metrics=metrics,
        primary_keys=_names(one, "primary_keys", None),
        time_zone=zone(zone_name),
        lookback_days=_days(one, config, "lookback_days", 0, rules.most_lookback_days),
        window_days=_days(one, config, "window_days", 1, rules.most_window_days),
        options={option: read(one.get(option)) for option, read in rules.options.items()},
    )
    if one.get("primary_keys") is not None and rules.check_keys is not None:
        rules.check_keys(report)
    return report


def _name(name: Any, taken: Collection[str]) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(
            f"`name` {shorten(repr(name), 80)} is not allowed: use at most 63 lower-case letters, digits and `_`, "
            "starting with a letter"
        )
    if name in taken:
        raise ValueError(f"`name` {name!r} is the name of another stream of this tap: choose another name")
    return name


def _names(one: Mapping[str, Any], member: str, allowed: Collection[str] | None) -> tuple[str, ...]:
    names = one.get(member)
    if names is None:
        return ()
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise ValueError(f"`{member}` {shorten(repr(names), 80)} is not allowed: give a list of names")
    for position, name in enumerate(names):
        if allowed is not None and name not in allowed:
            raise ValueError(f"`{member}` has {name!r}: allowed are {', '.join(allowed)}")
        if name in names[:position]:
            raise ValueError(f"`{member}` has {name!r} twice: name it once")
    return tuple(names)


def _days(one: Mapping[str, Any], config: Mapping[str, Any], member: str, least: int, most: int) -> int:
    days = one.get(member)
    if days is None:
        return cast("int", config.get(member, least))
    if type(days) is not int or not least <= days <= most:
        raise ValueError(f"`{member}` {shorten(repr(days), 80)} is not allowed: an integer from {least} to {most}")
    return days


def filter_lists(allowed: Collection[str]) -> Callable[[Any], dict[str, list[str | int]]]:
    """Create a parser of `filters`: an object of names to one value or a list of values.

    Args:
        allowed: Allowed filter names.

    Returns:
        A parser for `ReportRules.options`. Values are deduplicated and sorted, because their order is irrelevant. An
        empty list is kept: it may override a filter for all reports.
    """

    def read(given: Any) -> dict[str, list[str | int]]:
        if given is None:
            return {}
        if not isinstance(given, Mapping):
            raise ValueError(  # noqa: TRY004 - one error type for invalid values
                f"`filters` {shorten(repr(given), 80)} is not allowed: give an object of {', '.join(allowed)}"
            )
        filters: dict[str, list[str | int]] = {}
        for name, value in sorted(given.items()):
            if name not in allowed:
                raise ValueError(f"`filters` has {name!r}: allowed are {', '.join(allowed)}")
            values = value if isinstance(value, list) else [value]
            if not all(type(item) is int or (isinstance(item, str) and item) for item in values):
                raise ValueError(
                    f"the filter `{name}` {shorten(repr(value), 80)} is not allowed: give a text, an integer or a list"
                )
            filters[name] = sorted(set(values), key=str)
        return filters

    return read


def report_schema(columns: Mapping[str, Column], *, keys: Collection[str]) -> dict[str, Any]:
    """Build the JSON schema of a report's rows, with `_extra` for other values.

    Args:
        columns: Its columns, in order.
        keys: Columns that are never null.
    """
    properties = {name: column.schema(nullable=name not in keys) for name, column in columns.items()}
    properties[EXTRA] = {"type": ["object", "null"], "description": EXTRA_DESCRIPTION}
    return {"type": "object", "properties": properties, "required": list(keys)}


class ReportStream(DayWindowStream):
    """A stream of a report.

    The bookmark is the last day read, including today. Because today is partial, the next run begins with it,
    regardless of the look-back. Days are in the report's time zone.

    Args:
        tap: The tap.
        report: The report.
        columns: Its columns, in order.
        primary_keys: Columns that identify a row; never null.
        replication_key: The column with the day; None for a report that is read completely in each run.
    """

    nested = False
    null_keys: Mapping[str, str | int] = {"string": "", "integer": -1}
    """Replacements for null in key columns by type, because loaders refuse null in keys."""

    foreign_remedy = (
        "the response may come from a cache or gateway, or the vendor's days from another zone than `time_zone`: run "
        "again later; report this to the vendor if it persists"
    )
    state_remedy = (
        "give the report another name or clear its state (by a new state id or `--full-refresh`), or undo the change"
    )

    def __init__(
        self,
        tap: AdTechTap,
        report: Report,
        *,
        columns: Mapping[str, Column],
        primary_keys: tuple[str, ...],
        replication_key: str | None,
    ) -> None:
        keys = dict.fromkeys((*primary_keys, *((replication_key,) if replication_key else ())))
        schema = report_schema(columns, keys=list(keys))
        super().__init__(tap, name=report.name, schema=schema)
        self.report = report
        self.primary_keys = primary_keys
        self.replication_key = replication_key
        self._time_column = replication_key
        self._nulls = {name: self.null_keys[columns[name].kind] for name in self.dimensions_without_null}

    @property
    def dimensions_without_null(self) -> Collection[str]:
        """Dimensions whose nulls are replaced using `null_keys`; blank strings in numeric dimensions count as null."""
        return [name for name in self.report.dimensions if name in self.primary_keys]

    @property
    @override
    def time_column(self) -> str | None:
        # Not the replication key, because a catalog may remove it.
        return self._time_column

    @property
    @override
    def day_zone(self) -> ZoneInfo:
        return self.report.time_zone

    @property
    @override
    def days_per_window(self) -> int:
        return self.report.window_days

    @property
    @override
    def lookback(self) -> int:
        return self.report.lookback_days

    @override
    def position_after(self, window: DayWindow) -> dt.date:
        return window.last

    def with_filters(self, filters: Any) -> dict[str, Any]:
        """Return the setting `reports` with only this report, and with these filters."""
        (given,) = (one for one in self.config["reports"] if one["name"] == self.name)
        return {"reports": [{**given, "filters": filters}]}

    @property
    @override
    def signature(self) -> dict[str, Any]:
        signature = {"time_zone": self.report.time_zone.key, "dimensions": [*self.report.dimensions]}
        if self.rows_are_totals:
            # Other windows would overlap with those already read.
            step, epoch = self.days_per_window, dt.date(1970, 1, 1)
            signature["window_days"] = f"{step}, counted from {epoch + (self.start - epoch).days % step * DAY}"
        return signature

    @override
    def windows(self, bookmark: Bookmark) -> Iterator[DayWindow]:
        windows = [*super().windows(bookmark)]
        if windows and self.rows_are_totals:
            # Counted from the first day, so that windows that are read again have the same keys.
            start, last = self.day_range()
            step = self.days_per_window
            return day_windows(start + (windows[0].first - start).days // step * step * DAY, last, step)
        return iter(windows)

    @property
    @override
    def state_label(self) -> str:
        return f"report {self.name}: "

    @property
    @override
    def nulls(self) -> Mapping[str, Any]:
        return self._nulls

    @override
    def digest(self, record: Record) -> int:
        return hash(_ENCODER.encode(record))

    @override
    def on_duplicate(self, record: Record, *, same: bool) -> bool:
        shown = (name for name in self.primary_keys if name not in self.private_columns)
        key = ", ".join(f"{name} {record[name]!r}" for name in shown)
        if not same:
            raise DataError(
                f"two different rows have the same key ({shorten(key)})", "one would replace the other: add a dimension"
            )
        self.log_lines.warning("Ignored a duplicate row (%s)", shorten(key))
        return False
