"""What a backfill does, decided without doing it: slices, what is done already, and where bookmarks belong.

Nothing here asks Meltano or a tap: `backfill_meltano` and `backfill_tap` do, and hand over what they were told. Only
the standard library is imported, as the taps' own environments run part of it.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

DAY = dt.timedelta(days=1)
_BOOKMARK = "replication_key_value"
_READ_FROM = "read_from"
"""Where a tap keeps the earliest day or instant that was read."""


class BackfillError(Exception):
    """A backfill cannot begin: one line for the user, before anything was run."""


@dataclass(frozen=True, order=True)
class Slice:
    """Days from `first` to `last` of one calendar month, both included, in the zone in which the tap cuts days."""

    first: dt.date
    last: dt.date

    @property
    def name(self) -> str:
        """`2022-01` for a whole month; else its days, as what was read of a month says nothing of the rest of it."""
        if self.first.day == 1 and (self.last + DAY).day == 1:
            return self.first.isoformat()[:7]
        return f"{self.first}..{self.last}"


def months(first: dt.date, last: dt.date) -> Iterator[Slice]:
    """Cut a range of days, both included, by calendar month; the first and the last slice may be part of one."""
    while first <= last:
        following = (first.replace(day=1) + 31 * DAY).replace(day=1)
        yield Slice(first, min(following - DAY, last))
        first = following


def state_id(tap: str, loader: str, environment: str, name: str) -> str:
    """Return the state id of a slice: beside `prod:tap-x-to-y`, which a run without slices has, and never like it."""
    return f"backfill:{environment}:{tap}-to-{loader}:{name}"


@dataclass(frozen=True)
class Stream:
    """A stream that is cut by date, as the tap itself describes it.

    Attributes:
        name: The stream whose bookmark this is.
        selects: What is selected to read it: itself, streams made from its records, or both.
        signature: What changes the meaning of its rows, kept with its bookmark.
        ends: Its bookmark once a slice was read whole, by the slice's name.
    """

    name: str
    selects: tuple[str, ...]
    signature: Mapping[str, Any] = field(default_factory=dict)
    ends: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Record:
    """What Meltano knows of a state id.

    Attributes:
        succeeded: Whether its last run succeeded.
        bookmarks: Its state: each stream's replication key, its value, and what the tap keeps beside them.
    """

    succeeded: bool
    bookmarks: Mapping[str, Mapping[str, Any]]


def still_to_read(part: Slice, streams: Sequence[Stream], record: Record) -> list[Stream]:
    """Return the streams that a slice has not been read for.

    Args:
        part: The slice.
        streams: The streams chosen.
        record: What Meltano knows of the slice's state id.

    Raises:
        BackfillError: Rows of the slice were read with other settings, and mean something else.
    """
    for stream in streams:
        clash = differing(stream.signature, record.bookmarks.get(stream.name) or {})
        if clash:
            raise BackfillError(
                f"stream {stream.name}: {part.name} was read with another {clash} than the settings say now: "
                "read all anew with --again, or set it back"
            )
    if not record.succeeded:
        return list(streams)
    return [
        stream
        for stream in streams
        if (record.bookmarks.get(stream.name) or {}).get(_BOOKMARK) != stream.ends[part.name]
    ]


def differing(signature: Mapping[str, Any], entry: Mapping[str, Any]) -> str | None:
    """Return the first name whose value a state has otherwise; what it does not have differs from nothing."""
    return next((name for name in signature if name in entry and entry[name] != signature[name]), None)


@dataclass(frozen=True)
class Position:
    """Where the bookmark of a stream without slices stands, seen from the range that was backfilled; told by the tap.

    Attributes:
        unread: The first day before the range that it has not read, or not to its end; None if there is none.
        beyond: Whether it is at the range's end or further.
        start_after: Whether the setting `start_date` lies after the range.
        problem: Why the bookmark cannot be judged; None if it can.
    """

    unread: str | None = None
    beyond: bool = False
    start_after: bool = False
    problem: str | None = None


@dataclass(frozen=True)
class Verdict:
    """What becomes of the bookmark of a stream without slices.

    Attributes:
        kind: `move`; `stay`, which is as it should be; `gap`, which stays too, as days before the range are not read;
            `clash`, which needs the user.
        line: One line for the user.
        entry: With `move`: the stream's new entry in the state; with `stay`, if the backfill reaches back from what was
            read before: the same entry, with its first day.
    """

    kind: Literal["move", "stay", "gap", "clash"]
    line: str
    entry: Mapping[str, Any] | None = None


def place_bookmark(
    stream: str,
    normal: Mapping[str, Any] | None,
    last: Mapping[str, Any],
    position: Position,
    days: tuple[dt.date, dt.date],
) -> Verdict:
    """Decide where the bookmark of a stream without slices belongs, once a range was read whole.

    It never moves back, and never over days that nobody has read.

    Args:
        stream: The stream's name.
        normal: Its entry in the state of the run without slices; None, or without a bookmark, if it has not run.
        last: Its entry in the state of the last slice, as the tap wrote it.
        position: Where `normal` stands.
        days: The range, both included.
    """
    (first, last_day), end = days, last[_BOOKMARK]
    stands = (normal or {}).get(_BOOKMARK)
    if position.problem:
        return Verdict("clash", f"{stream}: bookmark {stands} left alone: {position.problem}")
    signature = {name: value for name, value in last.items() if name not in {_BOOKMARK, _READ_FROM}}
    clash = differing(signature, normal or {})
    if clash:
        return Verdict(
            "clash",
            f"{stream}: bookmark {stands} left alone: its rows were read with another {clash} than the backfill's; "
            "see the tap's README",
        )
    if stands is None and position.start_after:
        return Verdict("stay", f"{stream}: no bookmark set: a run begins at `start_date`, after the backfill's end")
    if stands is not None and position.beyond:
        line = f"{stream}: bookmark {stands} left where it is, at the backfill's end or after it"
        reached = _reached(normal or {}, first, last_day)
        return Verdict("stay", line, {**(normal or {}), _READ_FROM: first.isoformat()} if reached else None)
    if position.unread is not None:
        where = "no bookmark set" if stands is None else f"bookmark {stands} left where it is"
        why = "not read, or only in part" if stands is not None else "not read, though `start_date` asks for them"
        return Verdict(
            "gap",
            f"{stream}: {where}: days from {position.unread} to {first - DAY} are {why}. The next run reads on from "
            f"there; or backfill them too: --from {position.unread} --to {last_day} reads what is missing and moves it",
        )
    line = f"{stream}: bookmark {'set' if stands is None else f'moved from {stands}'} to {end}"
    entry = {name: value for name, value in last.items() if name != _READ_FROM}
    since = first.isoformat() if stands is None else (normal or {}).get(_READ_FROM)
    if since is not None:
        entry[_READ_FROM] = min(since, first.isoformat())
    return Verdict("move", line, entry)


def _reached(normal: Mapping[str, Any], first: dt.date, last: dt.date) -> bool:
    """Tell whether a backfill reaches from before the earliest day that was read to that day, without a gap."""
    since = normal.get(_READ_FROM)
    if not isinstance(since, str) or since <= first.isoformat():
        return False
    # An instant in the middle of a UTC day may be the midnight of another zone, on either side.
    whole_day = not since[10:] or since[10:].startswith("T00:00:00+00:00")
    return since[:10] <= (last + DAY if whole_day else last).isoformat()
