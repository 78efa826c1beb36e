"""Checks of a run's catalog and state before the first request."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from singer_adtech.dates import zone_name
from singer_adtech.errors import SettingError, error_context
from singer_adtech.progress.stamps import Stamp
from singer_adtech.progress.windows import DAY
from singer_adtech.runs.environment import variable_prefix
from singer_adtech.runs.inputs import TOLERANCE, listed, state_lines
from singer_adtech.streams.base import AdTechStream
from singer_adtech.streams.windowed import WindowStream

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from singer_adtech.connection import ConnectedTap


def check_selection(tap: ConnectedTap) -> None:
    """Refuse an empty selection.

    Raises:
        SettingError: No stream is selected.
    """
    if any(stream.selected for stream in tap.streams.values()):
        return
    catalog = tap.input_catalog
    if catalog is not None and not any(name in tap.streams for name in catalog):
        what = f"it has streams of another tap ({listed(catalog)})" if catalog else "it has no streams"
        raise SettingError(f"`--catalog`: {what}, so nothing would be read", "make one with `--discover`")
    raise SettingError(
        "no stream is selected, so nothing would be read",
        "select streams in the catalog, or by `select` in meltano.yml; the streams are "
        f"{', '.join(sorted(tap.streams))}",
    )


def check_resuming(tap: ConnectedTap, given: Mapping[str, Any]) -> None:
    """Refuse a state from which the selected streams cannot continue, and warn of its other problems.

    Args:
        tap: The tap.
        given: The state passed to the run.

    Raises:
        StateError: It belongs to other settings or another account, or contains invalid bookmarks.
    """
    for line in state_lines(given, tap.streams):
        tap.logger.warning("%s", line)
    streams = [
        stream
        for stream in tap.streams.values()
        if isinstance(stream, AdTechStream) and (stream.selected or stream.has_selected_descendents)
    ]
    for stream in streams:
        with error_context(stream=stream.name):
            stream.check_state()
    for line in (*_ahead(tap, streams), *_earlier_start(tap, streams)):
        tap.logger.warning("%s", line)


def _ahead(tap: ConnectedTap, streams: list[AdTechStream[Any]]) -> Iterator[str]:
    """Warn of bookmarks in the future: until then, little or nothing is read."""
    ahead = []
    for stream in streams:
        bookmark = stream.bookmark
        position = None if bookmark is None else bookmark.position
        if position is not None and _instant(position) > tap.run_start + TOLERANCE:
            ahead.append(stream.name)
    if ahead:
        yield (
            f"the state's bookmark is in the future, so little or nothing is read until then: {listed(ahead)}: check "
            "this machine's clock, or repair the state"
        )


def _instant(position: Any) -> dt.datetime:
    if isinstance(position, Stamp):
        return position.instant
    if isinstance(position, dt.datetime):
        return position
    return dt.datetime.combine(position, dt.time(), tzinfo=dt.timezone.utc)


def _earlier_start(tap: ConnectedTap, streams: list[AdTechStream[Any]]) -> Iterator[str]:
    """Warn of days not read because `start_date` was moved back later, with the command to read them."""
    missed: dict[str, dt.date] = {}
    for stream in streams:
        if isinstance(stream, WindowStream):
            with error_context(stream=stream.name):
                day = _first_day_read(tap, stream)
            if day is not None:
                missed[stream.name] = day
    if not missed:
        return
    first = tap.day_range()[0]
    last = max(missed.values()) - DAY
    prefix = variable_prefix(tap.name)
    yield (
        f"`start_date` was moved back to {first}, and according to the state, earlier runs began later: the days "
        f"from {first} to {last} ({zone_name(tap.day_zone)}) are not read for {listed(missed)}. Read them by "
        f"{prefix}START_DATE={first} {prefix}END_DATE={last} meltano el {tap.name} <loader> "
        f"--state-id {tap.name}-{first}; with `start_date` set back, this warning ends"
    )


def _first_day_read(tap: ConnectedTap, stream: WindowStream[Any]) -> dt.date | None:
    """Return the first fully read day if the settings include earlier days that this run does not read."""
    bookmark, start = stream.bookmark, stream.start
    since: dt.date | dt.datetime | None = bookmark.read_from(start)
    if bookmark.position is None or since is None or start >= since:
        return None
    begins = stream.plan(bookmark).start
    if begins is not None and begins <= start:
        return None
    if not isinstance(since, dt.datetime):
        return since
    here = since.astimezone(tap.day_zone)
    return here.date() if here.time() == dt.time() else here.date() + DAY
