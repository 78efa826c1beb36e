"""ACTIVATE_VERSION messages, and when a version of a stream takes effect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_duckdb_arrow.errors import InputError, shorten

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Sequence

    from target_duckdb_arrow.sinks import DuckDBSink

_LIMIT = 2**63


class Versions:
    """Versions that were announced and are not active yet.

    A version is activated after its records. If its message precedes them, it takes effect with the next STATE:
    otherwise a tap that announces a version and then fails would empty the table.

    Args:
        sinks_of: returns the sinks of a stream of the tap.
        logger: for warnings.
    """

    def __init__(self, sinks_of: Callable[[str], Sequence[DuckDBSink]], logger: logging.Logger) -> None:
        self._sinks_of = sinks_of
        self._logger = logger
        self._early: dict[str, int] = {}
        self._announced: dict[str, int] = {}
        self._ignored: set[str] = set()

    def announce(self, stream: str, version: int | None, *, known: bool) -> None:
        """Handle a message. If it precedes the SCHEMA of its stream, it is kept until then.

        Raises:
            InputError: Its version is missing or does not fit in 64 bits.
        """
        if version is None or not -_LIMIT <= version < _LIMIT:
            raise InputError(f"Stream '{stream}': ACTIVATE_VERSION has no 64-bit 'version'. Check the tap.")
        if known:
            self._take(stream, version)
        else:
            self._early[stream] = version

    def begin(self, stream: str) -> None:
        """Handle a version that preceded the SCHEMA of its stream."""
        if stream in self._early:
            self._take(stream, self._early.pop(stream))

    def _take(self, stream: str, version: int) -> None:
        sinks = [sink for sink in self._sinks_of(stream) if sink.process_activate_version_messages]
        if any(not sink.carries_versions for sink in sinks):
            if stream not in self._ignored:
                self._ignored.add(stream)
                self._logger.warning(
                    "Stream %s: ACTIVATE_VERSION is ignored because rows have no version; set hard_delete or "
                    "add_record_metadata",
                    shorten(stream),
                )
            return
        self._announced[stream] = version
        if sinks and all(sink.has_version(version) for sink in sinks):
            self.activate(stream)

    def activate(self, only: str | None = None) -> None:
        """Activate the announced version of one stream, or of all."""
        for stream in [only] if only else [*self._announced]:
            version = self._announced.pop(stream)
            for sink in self._sinks_of(stream):
                if sink.process_activate_version_messages:
                    sink.activate_version(version)

    def end(self, *, stateless: bool) -> None:
        """Activate the remaining versions if the input contained no STATE. Otherwise warn about them."""
        if stateless:
            self.activate()
        for stream in self._announced:
            self._logger.warning(
                "Stream %s: ACTIVATE_VERSION has no effect because the input ended without a STATE after its records; "
                "the tap may have failed",
                shorten(stream),
            )
        for stream in self._early:
            self._logger.warning("Stream %s: ACTIVATE_VERSION without a SCHEMA is ignored", shorten(stream))
