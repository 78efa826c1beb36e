"""ACTIVATE_VERSION messages: when a version of a stream takes effect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_duckdb_arrow.errors import InputError, shorten

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Sequence

    from target_duckdb_arrow.sinks import DuckDBSink

_LIMIT = 2**63


class Versions:
    """The versions that were announced and are not active yet.

    A version is activated after its records; one that comes before them takes effect with the STATE that follows. A tap
    that announces a version and then fails would otherwise have emptied the table.

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
        """Take in a message; one before the SCHEMA of its stream is kept until that comes.

        Raises:
            InputError: It has no version that the table can hold.
        """
        if version is None or not -_LIMIT <= version < _LIMIT:
            raise InputError(f"Stream '{stream}': ACTIVATE_VERSION has no 'version' of at most 64 bits. Check the tap.")
        if known:
            self._take(stream, version)
        else:
            self._early[stream] = version

    def begin(self, stream: str) -> None:
        """Note that the SCHEMA of a stream has come."""
        if stream in self._early:
            self._take(stream, self._early.pop(stream))

    def _take(self, stream: str, version: int) -> None:
        sinks = [sink for sink in self._sinks_of(stream) if sink.process_activate_version_messages]
        if any(not sink.include_sdc_metadata_properties for sink in sinks):
            if stream not in self._ignored:
                self._ignored.add(stream)
                self._logger.warning(
                    "Stream %s: ACTIVATE_VERSION is ignored, because rows carry no version; set hard_delete or "
                    "add_record_metadata",
                    shorten(stream),
                )
            return
        self._announced[stream] = version
        if sinks and all(sink.has_version(version) for sink in sinks):
            self.activate(stream)

    def activate(self, only: str | None = None) -> None:
        """Activate what was announced, of one stream or of all."""
        for stream in [only] if only else [*self._announced]:
            version = self._announced.pop(stream)
            for sink in self._sinks_of(stream):
                if sink.process_activate_version_messages:
                    sink.activate_version(version)

    def end(self, *, stateless: bool) -> None:
        """Activate the rest of an input without any STATE, in which waiting for one proves nothing; warn otherwise."""
        if stateless:
            self.activate()
        for stream in self._announced:
            self._logger.warning(
                "Stream %s: ACTIVATE_VERSION has no effect, because the input ended before a STATE followed its "
                "records; the tap may have failed",
                shorten(stream),
            )
        for stream in self._early:
            self._logger.warning("Stream %s: ACTIVATE_VERSION without a SCHEMA is ignored", shorten(stream))
