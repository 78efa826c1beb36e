"""The loop over the selected streams of a run.

If a stream fails, the error is logged, the other streams are read, and the run fails at the end. A run ends immediately
if the other streams would fail in the same way:

- a setting is invalid or stdout is closed;
- credentials are refused before any request of the run was accepted;
- two consecutive streams failed with refused credentials or without a connection.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from singer_sdk.exceptions import AbortedSyncFailedException, AbortedSyncPausedException

from singer_adtech.errors import (
    AuthError,
    ForbiddenError,
    NoConnectionError,
    SettingError,
    TapError,
    VendorError,
    shorten,
)
from singer_adtech.records.writer import MessageWriter, OutputError
from singer_adtech.runs.command import close_what_it_holds, line
from singer_adtech.streams.base import AdTechStream

if TYPE_CHECKING:
    from collections.abc import Iterable

    from singer_sdk.streams import Stream

    from singer_adtech.connection import ConnectedTap
    from singer_adtech.metrics import Status

MOST_NAMED = 5
"""Maximum number of failure reasons in the last line of a run."""

LONGEST_REASON = 300

SAME_FOR_ALL = (AuthError, NoConnectionError)
"""Errors caused by the vendor or the account rather than by one stream."""


class StreamsRun:
    """The streams of one run and their outcomes.

    Args:
        tap: The tap.
        streams: The streams to read or test, in order. Derived streams are read with their parents.
        testing: Whether this is a connection test of one record per stream.
    """

    def __init__(self, tap: ConnectedTap, streams: Iterable[Stream], *, testing: bool = False) -> None:
        self._tap = tap
        self._logger: logging.Logger = tap.logger
        self._streams = [one for one in streams if isinstance(one, AdTechStream) and one.parent_stream_type is None]
        wanted = [one for stream in self._streams for one in (stream, *_derived(stream)) if one.selected]
        self._wanted = [one.name for one in wanted]
        self._testing = testing
        self._statuses: dict[str, Status] = {}
        self._failures: dict[str, TapError] = {}
        self._forbidden: list[TapError] = []
        self._alike = 0

    @property
    def statuses(self) -> dict[str, Status]:
        """The outcomes of the selected streams that have ended."""
        return {name: self._statuses[name] for name in self._wanted if name in self._statuses}

    def read(self) -> None:
        """Read all streams.

        Raises:
            TapError: Streams failed, or all are forbidden.
        """
        for number, stream in enumerate(self._streams, start=1):
            self._read(stream, last=number == len(self._streams))
        self._conclude()

    def goes_on(self, stream: AdTechStream[Any], error: Exception) -> bool:
        """Record the failure of a derived stream. Return whether its parent is still read."""
        if isinstance(error, (OutputError, SettingError, *SAME_FOR_ALL)):
            return False
        self._note(stream, error)
        self._log_failure(stream, last=False)
        return True

    def _read(self, stream: AdTechStream[Any], *, last: bool) -> None:
        derived = _derived(stream)
        for one in (stream, *derived):
            one.counts.began = self._tap.clock.monotonic()
        self._tap.progress.begin(stream.counts)
        # For signals: they raise no `Exception`.
        ended: Status = "stopped"
        try:
            error = _sync(stream)
            ended = "succeeded" if error is None else self._note(stream, error)
        finally:
            for one in (stream, *derived):
                self._end(one, self._statuses.setdefault(one.name, ended))
        if error is None:
            self._alike = 0
            return
        if isinstance(self._tap.message_writer, MessageWriter):
            self._tap.message_writer.drop_schemas()
        ends = self._ends_run(error)
        if ends and len(self._failures) == 1:
            raise error
        self._log_failure(stream, last=last)
        for one in derived:
            self._logger.warning("stream %s: %s too, because it follows from %s", one.name, ended, stream.name)
        if ends:
            raise self._failed() from None

    def _note(self, stream: AdTechStream[Any], error: Exception) -> Status:
        """Record the outcome of a failed stream."""
        if isinstance(error, ForbiddenError):
            error.remedy = f"{error.remedy}, or {how_to_deselect(self._tap.name, stream.name)}".removeprefix(", or ")
            # After an accepted request the account has access, so skipping the rest would lose rows.
            if not stream.counts.accepted and self._tap.config.get("on_forbidden", "skip") == "skip":
                self._logger.warning(
                    "stream %s: skipped, because it is forbidden: %s", stream.name, f"{error.what}: {error.remedy}"
                )
                self._alike = 0
                self._forbidden.append(failure_of(stream.name, error))
                self._statuses[stream.name] = "skipped"
                return "skipped"
        if self._logger.isEnabledFor(logging.DEBUG):
            self._logger.debug("Where it happened", exc_info=error)
        # Ends threads and frees memory before the next stream.
        close_what_it_holds(error)
        self._failures[stream.name] = failure_of(stream.name, error)
        self._alike = self._alike + 1 if isinstance(error, SAME_FOR_ALL) else 0
        self._statuses[stream.name] = "failed"
        return "failed"

    def _ends_run(self, error: Exception) -> bool:
        if isinstance(error, AuthError) and not self._tap.requester.answered:
            return True
        return isinstance(error, SettingError) or self._alike > 1

    def _log_failure(self, stream: AdTechStream[Any], *, last: bool) -> None:
        failure = self._failures.get(stream.name)
        # A single failure in the last stream is the run's last line anyway.
        if failure is not None and (self._testing or not last or len(self._failures) > 1):
            self._logger.error("%s", failure)

    def _end(self, stream: AdTechStream[Any], status: Status) -> None:
        """Log a stream's metrics."""
        shape = stream.__dict__.get("shape")
        if shape is not None:
            shape.warn_of_rest()
            stream.counts.unknown_fields = shape.undeclared
        if not self._testing:
            state = self._tap.state.get("bookmarks", {}).get(stream.name) or {}
            bookmark = state.get("replication_key_value")
            self._tap.run_metrics.log_stream(stream.name, stream.path, status, bookmark)

    def _conclude(self) -> None:
        """Log or raise the outcome of the run."""
        forbidden = self._with("skipped")
        if forbidden and forbidden == self._wanted:
            first = self._forbidden[0]
            if len(forbidden) == 1:
                raise first
            raise VendorError(f"all selected streams are forbidden: {', '.join(forbidden)}", str(first))
        if self._testing:
            outcome = f"{len(self._with('succeeded'))} of {_streams(len(self._wanted))} readable"
            if forbidden:
                outcome += f", {len(forbidden)} forbidden: {', '.join(forbidden)}"
            if self._failures:
                raise VendorError(outcome)
            self._logger.info("%s: %s", self._tap.name, outcome)
        elif len(self._failures) == 1:
            raise next(iter(self._failures.values()))
        elif self._failures:
            raise self._failed()

    def _failed(self) -> TapError:
        """Return one error for several failed streams."""
        reasons = [shorten(str(failure), LONGEST_REASON) for failure in self._failures.values()]
        if len(reasons) > MOST_NAMED:
            reasons[MOST_NAMED:] = [f"and {len(reasons) - MOST_NAMED} more, in the lines above"]
        what = f"{len(self._failures)} of {_streams(len(self._wanted))} failed"
        unread = len(self._wanted) - len(self.statuses)
        if unread:
            what += f", and {unread} were not read, because they would fail in the same way"
        return TapError(what, "; ".join(reasons))

    def _with(self, status: Status) -> list[str]:
        return [name for name, one in self.statuses.items() if one == status]


def _sync(stream: AdTechStream[Any]) -> Exception | None:
    """Read a stream. Return an error of this stream; raise an error of the whole run."""
    try:
        stream.sync()
        stream.finalize_state_progress_markers()
    except (AbortedSyncFailedException, AbortedSyncPausedException):
        return None  # a connection test has its record
    except OutputError:
        raise
    except Exception as error:  # noqa: BLE001 - any error of this stream
        return error
    return None


def _derived(stream: AdTechStream[Any]) -> list[AdTechStream[Any]]:
    return [one for one in stream.child_streams if isinstance(one, AdTechStream) and one.selected]


def _streams(number: int) -> str:
    return f"{number} stream{'' if number == 1 else 's'}"


def selected_streams(tap: ConnectedTap) -> list[Stream]:
    """Return the selected streams and the parents of selected streams."""
    selected = []
    for stream in tap.streams.values():
        if stream.selected or stream.has_selected_descendents:
            selected.append(stream)
        else:
            tap.logger.debug("Skipping deselected stream '%s'.", stream.name)
    return selected


def failure_of(stream: str, error: Exception) -> TapError:
    """Return the error of a stream as a `TapError` that names the stream."""
    if not isinstance(error, TapError):
        return TapError(line(error), stream=stream)
    error.stream = error.stream or stream
    return error


def how_to_deselect(tap: str, stream: str) -> str:
    """Return the advice to deselect a stream."""
    return f'deselect it: `meltano select {tap} --exclude {stream} "*"`, or `"selected": false` in the catalog'
