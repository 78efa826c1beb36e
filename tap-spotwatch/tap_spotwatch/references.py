"""Rows that airings refer to, compared with the rows that came."""

from __future__ import annotations

from typing import TYPE_CHECKING

from singer_adtech.streams.instants import utc_text

from tap_spotwatch.checks import MOST_IDS

if TYPE_CHECKING:
    from singer_adtech.logs import StreamLog

    from tap_spotwatch.paged import PagedStream


class References:
    """The rows of a stream that airings refer to.

    Args:
        stream: The stream, after it was read.
    """

    def __init__(self, stream: PagedStream) -> None:
        self._stream = stream
        self._ids = stream.ids or set()
        # The row of an earlier airing may belong to an earlier run.
        self._from = utc_text((stream.read_from or stream.range.start) + stream.longest)
        self._missing: dict[int, None] = {}

    def check(self, key: int | None, time: str | None) -> None:
        """Note the reference of an airing."""
        if key is not None and key not in self._ids and (time or "") >= self._from and len(self._missing) <= MOST_IDS:
            self._missing[key] = None

    def warn(self, log: StreamLog) -> None:
        """Warn of rows that did not come."""
        if self._missing:
            name = self._stream.name
            log.warning(
                "%d %s of its airings did not come with the stream %s, such as %s: %s",
                len(self._missing),
                name,
                name,
                next(iter(self._missing)),
                self._stream.missing_remedy,
            )
