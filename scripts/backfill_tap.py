"""Asks a tap how it would cut days; run by the Python of the tap's own environment, so that the tap that loads answers.

Reads a question as JSON from stdin, and writes the answer as JSON to stdout. Nothing is asked of the vendor: a tap is
made with the dates of a slice, and its streams are asked for their windows and bookmarks. So no rule of a tap (zones,
months, what a bookmark means) is repeated here.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import importlib
import json
import logging
import sys
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, cast

from backfill_plan import DAY, months

NOT_OURS = "it is not built on singer-adtech, so nobody can tell which of its streams are cut by date"

try:
    from singer_adtech.errors import TapError
    from singer_adtech.progress.windows import DayWindow
    from singer_adtech.streams.derived import DerivedStream
    from singer_adtech.streams.keyset import KeysetStream
    from singer_adtech.streams.windowed import DayWindowStream, WindowStream
    from singer_adtech.tap import AdTechTap
    from singer_sdk.exceptions import ConfigValidationError
    from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE
except ImportError:
    sys.exit(NOT_OURS)

if TYPE_CHECKING:
    from collections.abc import Mapping


class Standing:
    """Takes the place of a bookmark in a question for windows."""

    def __init__(self, position: Any = None) -> None:
        self.position = position


class Asked:
    """A tap, with the settings and the catalog that Meltano gives it.

    Args:
        program: The tap's command, such as `tap-ispot`.
        config: Its settings.
        catalog: Its catalog, with what is selected.
    """

    def __init__(self, program: str, config: Mapping[str, Any], catalog: Mapping[str, Any]) -> None:
        self._class = _tap_class(program)
        self._properties: Mapping[str, Any] = self._class.config_jsonschema["properties"]
        self.config = dict(config)
        self._catalog = catalog
        if "discover_fields" in self._properties:
            # It would ask the vendor for types of columns each time a tap is made here.
            self.config["discover_fields"] = False

    @property
    def overrides(self) -> dict[str, str]:
        """Settings of every slice: no look-back, as a slice that goes on would read again what it has just read."""
        settings = {
            name: "0"
            for name, declared in self._properties.items()
            if "lookback" in name and declared.get("minimum") == 0
        }
        reports = self.config.get("reports")
        if isinstance(reports, list) and any(isinstance(one, dict) and "lookback_days" in one for one in reports):
            # A report's own look-back stands above the tap's.
            settings["reports"] = json.dumps([{**one, "lookback_days": 0} for one in reports])
        return settings

    @property
    def settings(self) -> list[str]:
        """Names of the settings that this version of the tap has."""
        return list(self._properties)

    def streams(self, start: str | None, end: str | None) -> dict[str, Any]:
        """Make the tap for a range, and return all of its streams.

        Args:
            start: The setting `start_date`; None to leave it as it is.
            end: The setting `end_date`; None for none.

        Raises:
            ConfigValidationError: The settings are not good.
        """
        overrides = {name: json.loads(value) for name, value in self.overrides.items()}
        config = {**self.config, **overrides, "end_date": end, **({"start_date": start} if start else {})}
        tap = self._class(config=config, catalog=dict(self._catalog), parse_env_config=False, validate_config=True)
        return dict(tap.streams)


def _tap_class(program: str) -> type[AdTechTap]:
    for point in entry_points(group="console_scripts", name=program):
        # The program itself may be a function that imports the tap.
        module = f"{point.module.partition('.')[0]}.tap"
        with contextlib.suppress(ModuleNotFoundError):
            for found in vars(importlib.import_module(module)).values():
                if isinstance(found, type) and issubclass(found, AdTechTap) and found.__module__ == module:
                    return found
    sys.exit(NOT_OURS)


# What is cut by date


def sort_out(asked: Asked) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Tell the selected streams that can be read in slices from those that cannot.

    Returns:
        The streams with a bookmark, each with the selected streams that are read with it; and those left out, each
        with the reason.
    """
    streams = asked.streams(None, None)
    owners: dict[str, list[str]] = {}
    left_out: dict[str, str] = {}
    for name, stream in streams.items():
        if not stream.selected:
            continue
        owner = stream
        if isinstance(stream, DerivedStream):
            owner = next(one for one in streams.values() if type(one) is stream.parent_stream_type)
        reason = _unfit(owner.name, owner, asked)
        if reason:
            left_out[name] = reason
        else:
            owners.setdefault(owner.name, []).append(name)
    return owners, left_out


def _unfit(name: str, stream: Any, asked: Asked) -> str | None:
    if isinstance(stream, KeysetStream):
        return "read by last change"
    if not isinstance(stream, WindowStream) or stream.replication_method == REPLICATION_FULL_TABLE:
        return "read whole each time"
    # Some streams count their windows from `start_date`, and their rows say which window they are of: a slice, which
    # has another start, would have other rows. So the same question is asked with two starts.
    ways = [
        list(asked.streams(start, "2003-12-31")[name].windows(Standing(stream.bookmark_kind.read("2003-06-10"))))
        for start in ("2001-01-01", "2001-01-02")
    ]
    return None if ways[0] == ways[1] else "its windows are counted from `start_date`"


def _last_over(stream: Any, asked: Asked, last: dt.date) -> dt.date:
    """Return the last day, at most `last`, that is over where the stream's days are cut."""
    open_ended = asked.streams("2001-01-01", None)[stream.name]
    if isinstance(open_ended, DayWindowStream):
        today: dt.date = open_ended.day_range()[1]
        return min(last, today - DAY)
    end: dt.datetime = open_ended.instant_range()[1]
    day = min(last, end.date() + 2 * DAY)
    # A day that is not over ends where an open range does, or later.
    while asked.streams("2001-01-01", day.isoformat())[stream.name].instant_range()[1] >= end:
        day -= DAY
    return day


def plan(asked: Asked, first: dt.date, last: dt.date) -> dict[str, Any]:
    """Describe a backfill of a range of days, both included; what is not over yet is cut off.

    Returns:
        The last day; the streams with their signatures, and their bookmarks at the end of each slice, by its name;
        the streams left out, with reasons; settings that each slice gets, and the names of all settings.
    """
    owners, left_out = sort_out(asked)
    streams = asked.streams(None, None)
    last = min([_last_over(streams[name], asked, last) for name in owners], default=last)
    ends: dict[str, dict[str, str]] = {name: {} for name in owners}
    for part in months(first, last):
        of_part = asked.streams(part.first.isoformat(), part.last.isoformat())
        for name, bookmarks in ends.items():
            bookmarks[part.name] = _end(of_part[name])
    return {
        "last": last.isoformat(),
        "streams": [
            {"name": name, "selects": selects, "signature": streams[name].signature, "ends": ends[name]}
            for name, selects in owners.items()
        ],
        "left_out": left_out,
        "overrides": asked.overrides,
        "settings": asked.settings,
    }


def _end(stream: Any) -> str:
    """Return the bookmark of a range read whole."""
    *_, last = stream.windows(Standing())
    return str(stream.bookmark_kind.write(stream.position_after(last)))


# Where bookmarks stand


def place(asked: Asked, first: dt.date, last: dt.date, bookmarks: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Tell where bookmarks stand, seen from a range of days.

    Args:
        asked: The tap.
        first: The first day of the range.
        last: The last day of it.
        bookmarks: The state of the run without slices.

    Returns:
        For each stream cut by date the members of `backfill_plan.Position`.
    """
    owners, _ = sort_out(asked)
    *_, part = months(first, last)
    normal = asked.streams(None, None)
    within = asked.streams(first.isoformat(), last.isoformat())
    at_end = asked.streams(part.first.isoformat(), part.last.isoformat())
    earlier = [name for name in owners if _start(normal[name]) < _start(within[name])]
    # What the run without slices would read up to the day before the range.
    before = asked.streams(None, (first - DAY).isoformat()) if earlier else {}
    return {
        name: {
            "start_after": _starts_after(normal[name], within[name]),
            **_standing(at_end[name], before[name] if name in earlier else None, bookmarks.get(name) or {}),
        }
        for name in owners
    }


def _start(stream: Any) -> Any:
    return (stream.day_range() if isinstance(stream, DayWindowStream) else stream.instant_range())[0]


def _starts_after(normal: Any, within: Any) -> bool:
    if isinstance(normal, DayWindowStream):
        return bool(normal.day_range()[0] > within.day_range()[1])
    # The end of a range of instants is not in it.
    return bool(normal.instant_range()[0] >= within.instant_range()[1])


def _standing(at_end: Any, before: Any, entry: Mapping[str, Any]) -> dict[str, Any]:
    text, kind = entry.get("replication_key_value"), at_end.bookmark_kind
    if text is not None and entry.get("replication_key") not in {None, at_end.replication_key}:
        return {"problem": f"it is of {entry['replication_key']}, and the replication key is {at_end.replication_key}"}
    try:
        position = None if text is None else kind.read(text)
    except (TypeError, ValueError, AttributeError):
        return {"problem": "it is not a date or date-time"}
    window = None if before is None else next(iter(before.windows(Standing(position))), None)
    return {
        "unread": None if window is None else _day(window).isoformat(),
        "beyond": position is not None and bool(position >= kind.read(_end(at_end))),
    }


def _day(window: Any) -> dt.date:
    return cast("dt.date", window.first if isinstance(window, DayWindow) else window.start.date())


def main() -> None:
    """Answer one question."""
    # Logged lines would be taken for an error; what the tap has to say of its settings, it says in each slice.
    logging.disable(logging.WARNING)
    question = json.load(sys.stdin)
    first, last = (dt.date.fromisoformat(question[name]) for name in ("first", "last"))
    try:
        asked = Asked(question["program"], question["config"], question["catalog"])
        if question["ask"] == "plan":
            answer = plan(asked, first, last)
        else:
            answer = place(asked, first, last, question["bookmarks"])
    except ConfigValidationError as error:
        sys.exit("; ".join(error.errors) or str(error))
    except TapError as error:
        sys.exit(str(error))
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
