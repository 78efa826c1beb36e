"""Reports that a user defines in the setting `reports`: each becomes a stream, found at discovery.

A vendor says what a report may hold (`ReportRules`) and how one is asked for (a subclass of `ReportStream`). The
library reads the setting, refuses what is not allowed in one line, and makes columns, keys, windows and bookmarks of
dimensions and metrics.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast

from singer_sdk import typing as th
from typing_extensions import override

from singer_adtech.errors import DataError, SettingError, shorten
from singer_adtech.records.shapes import EXTRA
from singer_adtech.settings import zone
from singer_adtech.streams.windowed import DayWindowStream

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Collection
    from zoneinfo import ZoneInfo

    from singer_sdk.helpers.types import Record

    from singer_adtech.progress.windows import DayWindow
    from singer_adtech.tap import AdTechTap

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
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
    """What a vendor allows in a report.

    Args:
        dimensions: The dimensions that may be named; None if the list is open.
        metrics: The metrics that may be named; None if the list is open.
        days: Dimensions that say which day a row is of, the finest first: a report names one of them. Empty where the
            vendor adds the day by itself.
        days_reason: Why a report needs one of them, for the message.
        default_metrics: Those of a report that names none.
        metrics_required: Whether a report has at least one metric.
        most_lookback_days: Upper limit of `lookback_days`.
        most_window_days: Upper limit of `window_days`.
        check_keys: Judges `primary_keys` of a report; raises `ValueError` that says what is allowed.
        options: The vendor's own members of a report: each reads a value, None if it is not given, and raises
            `ValueError` that says what is wrong and what is allowed.
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
    """One report of the setting, read and found good.

    Attributes:
        name: The stream's name.
        dimensions: In the order in which they are asked for.
        metrics: In the order in which they are asked for.
        primary_keys: As given; empty if the report does not say.
        time_zone: The zone in which its days are cut.
        lookback_days: Days before the bookmark that are read again.
        window_days: Days asked for at once.
        options: The vendor's own members, read.
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
    """Return the setting `reports`; what its items hold is judged by `read_reports`, which can name the report."""
    return th.Property(
        "reports",
        th.CustomType({"type": ["array"], "items": {"type": ["object"]}}),
        default=default,
        title="Reports",
        description=description,
    )


def read_reports(config: Mapping[str, Any], rules: ReportRules, *, taken: Collection[str]) -> list[Report]:
    """Read the setting `reports`.

    Args:
        config: All settings: a report that does not say otherwise has their `time_zone`, `lookback_days` and
            `window_days`.
        rules: What the vendor allows.
        taken: Names of the tap's other streams.

    Raises:
        SettingError: With one line that names the report, the bad value and what is allowed.
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
        raise ValueError(f"{shorten(repr(one), 80)} is not allowed: give an object with a name, dimensions and metrics")  # noqa: TRY004 - one kind of error for each bad value
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
    """Make what reads `filters`: an object of names to one value or a list of values.

    Args:
        allowed: Names of filters.

    Returns:
        A reader for `ReportRules.options`. Values that are given twice count once, and are sorted, as their order
        means nothing. An empty list stays: it may take the place of a filter that holds for all reports.
    """

    def read(given: Any) -> dict[str, list[str | int]]:
        if given is None:
            return {}
        if not isinstance(given, Mapping):
            raise ValueError(  # noqa: TRY004 - one kind of error for each bad value
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
    """Make the JSON schema of a report's rows, with `_extra` for what does not fit.

    Args:
        columns: Its columns, in order.
        keys: Columns that are never null.
    """
    properties = {name: column.schema(nullable=name not in keys) for name, column in columns.items()}
    properties[EXTRA] = {
        "type": ["object", "null"],
        "description": "Whatever the columns above cannot hold, under its own name.",
    }
    return {"type": "object", "properties": properties, "required": list(keys)}


class ReportStream(DayWindowStream):
    """A stream made from a report.

    The bookmark is the last day read, today included: today is partial, so the next run begins with it, whatever the
    look-back. Days are those of the report's zone.

    Args:
        tap: The tap.
        report: The report.
        columns: Its columns, in order.
        primary_keys: Columns that identify a row; never null.
        replication_key: The column with the day.
    """

    null_keys: Mapping[str, str | int] = {"string": "", "integer": -1}
    """What stands for null in a key column of a type, as loaders refuse null there."""

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
        replication_key: str,
    ) -> None:
        schema = report_schema(columns, keys=list(dict.fromkeys((*primary_keys, replication_key))))
        super().__init__(tap, name=report.name, schema=schema)
        self.report = report
        self.primary_keys = primary_keys
        self.replication_key = replication_key
        self._time_column = replication_key
        self._nulls = {name: self.null_keys[columns[name].kind] for name in self.dimensions_without_null}

    @property
    def dimensions_without_null(self) -> Collection[str]:
        """Dimensions in which null is replaced by a value of `null_keys`."""
        return [name for name in self.report.dimensions if name in self.primary_keys]

    @property
    @override
    def time_column(self) -> str:
        # Not the replication key, which a catalog may take away.
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

    @property
    @override
    def signature(self) -> dict[str, Any]:
        return {"time_zone": self.report.time_zone.key, "dimensions": list(self.report.dimensions)}

    @property
    @override
    def state_label(self) -> str:
        return f"report {self.name}: "

    @override
    def flat_row(self, row: dict[str, Any], window: DayWindow | None) -> dict[str, Any]:
        """Give a row's dimensions their values for null; a blank text is null where a number belongs."""
        nulls = {
            name: null
            for name, null in self._nulls.items()
            if row.get(name) is None or (null != "" and isinstance(row[name], str) and not row[name].strip())
        }
        return {**row, **nulls}

    @override
    def digest(self, record: Record) -> int:
        return hash(str(record))

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
