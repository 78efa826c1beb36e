"""The live check of one tap."""

from __future__ import annotations

from typing import TYPE_CHECKING

from singer_adtech.doctor.checks import FAILED
from singer_adtech.doctor.stream_check import Family, StreamCheck
from singer_adtech.runs.streams_run import selected_streams
from singer_adtech.streams.base import AdTechStream

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from singer_adtech.doctor.readings import Readings


class Examination:
    """The live check of a tap.

    Args:
        readings: Reads its streams.
        streams: Streams to check; by default those selected.

    Raises:
        ValueError: A stream does not exist, or nothing is selected.
    """

    def __init__(self, readings: Readings, streams: Collection[str] = ()) -> None:
        self.readings = readings
        known = readings.tap.streams
        unknown = [name for name in streams if name not in known]
        if unknown:
            raise ValueError(f"--streams: no stream {', '.join(unknown)}: there are {', '.join(known)}")
        for stream in known.values() if streams else ():
            stream.selected = stream.name in streams
        self.families = [*self._families()]
        if not self.families:
            raise ValueError("no stream is selected: name some with --streams")

    def _families(self) -> Iterator[Family]:
        for stream in selected_streams(self.readings.tap):
            if isinstance(stream, AdTechStream) and stream.parent_stream_type is None:
                shown = [one.name for one in (stream, *stream.child_streams) if one.selected]
                yield Family(stream.name, shown)

    @property
    def failed(self) -> int:
        """The number of failed checks."""
        results = (one for family in self.families for own in family.results.values() for one in own)
        return sum(one.outcome == FAILED for one in results)

    def run(self) -> None:
        """Check all streams."""
        for family in self.families:
            StreamCheck(self.readings, family).run()
            if not self.readings.answered:
                # Further logins with refused credentials might lock the account.
                break
        for family in self.families:
            if family.root in family.results:
                family.results[family.root] += self.readings.references(family.root)
