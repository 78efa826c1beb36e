"""Expected records: the output of a correct tap, computed from the entities and facts rather than from responses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from vendor_simulators.magnite.definitions import read_definition
from vendor_simulators.magnite.inventory import KINDS
from vendor_simulators.magnite.warehouse import SOURCES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from vendor_simulators.magnite.inventory import Entity
    from vendor_simulators.magnite.simulator import MagniteSimulator

Record = dict[str, Any]

# The built-in report of the specification.
DIMENSIONS = ("day", "publisher", "supply", "adUnit", "currency")
METRICS = ("requests", "impressions", "fillRate", "useRate", "netRevenue", "grossRevenue")
# Its report of deals, with fields that public clients use.
DEAL_DIMENSIONS = ("day", "publisher", "supply", "dealCode", "dealName", "buyerName", "currency")
DEAL_METRICS = ("eligibleBids", "validBids", "impressions", "completions", "clicks", "netRevenue", "grossRevenue")
_COMMON = ("id", "name", "code", "description", "creationDate", "updateDate", "lastUpdated")
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "seats": (),
    "publishers": ("seat",),
    "brands": ("publisher",),
    "supply": (
        *("brand", "type", "domain", "storeUrl", "bundleId", "bundleIdIsOverride", "keys", "adParams", "keywords"),
        *("allowVastWrappers", "supplyDomainIsFallback"),
    ),
    "ad_units": (*("supply", "type", "status", "linearity", "adUnitFormat", "isCoppa", "hasPrivacyPolicy", "mimes"),),
}
_ANCESTORS = {"seats": 0, "publishers": 1, "brands": 2, "supply": 3, "ad_units": 4}
_LEVELS = ("seat", "publisher", "brand", "supply")


class Truth:
    """Builds expected records.

    Args:
        simulator: The simulator with the entities and facts.
    """

    def __init__(self, simulator: MagniteSimulator) -> None:
        self._simulator = simulator

    def plain(self, stream: str, *, details: bool) -> list[Record]:
        """Return the records of a stream that is not a report.

        Raises:
            ValueError: There is no such stream.
        """
        if stream in KINDS:
            entities = self._simulator.inventory.of(stream)
            return sorted((_entity(entity, details=details) for entity in entities), key=lambda record: record["id"])
        if stream == "query_sources":
            records = [self._source(self._simulator.source(source)) for source in SOURCES.values()]
            return sorted(records, key=lambda record: record["name"])
        if stream in {"query_dimensions", "query_metrics"}:
            kind = stream.removeprefix("query_")
            records = [
                {"source": source.name, **item, "_extra": None}
                for source in SOURCES.values()
                for item in self._simulator.fields(source, kind)
            ]
            return sorted(records, key=lambda record: (record["source"], record["id"]))
        raise ValueError(f"no stream {stream!r}")

    def report(
        self,
        definition: Mapping[str, Any],
        first_day: date,
        last_day: date,
        dimensions: Sequence[str] | None,
        metrics: Sequence[str] | None,
    ) -> list[Record]:
        """Return the records of a report over any number of days, sorted by `row_key`."""
        names = tuple(DIMENSIONS if dimensions is None else dimensions)
        fields = [*names, *(metrics or METRICS)]
        # A query is limited to 45 days, the expected records are not.
        query = read_definition({**definition, "fields": fields, "range": {"range": "today"}}, today=first_day)
        whole = type(query)(**{**vars(query), "first_day": first_day, "last_day": last_day})
        records = [self._simulator.results.record(row, names) for row in self._simulator.warehouse.rows(whole)]
        return sorted(records, key=lambda record: str(record["row_key"]))

    @staticmethod
    def _source(sent: Mapping[str, Any]) -> Record:
        extra = {name: value for name, value in sent.items() if name not in {"id", "name"}}
        identifier = str(sent["id"]) if "id" in sent else None
        return {"name": sent["name"], "id": identifier, "_extra": extra or None}


def _entity(entity: Entity, *, details: bool) -> Record:
    sent = entity.detail() if details else entity.in_list()
    record = dict.fromkeys((*_COMMON, *_COLUMNS[entity.kind]))
    record |= {name: value for name, value in sent.items() if name in record}
    for name in ("creationDate", "updateDate", "lastUpdated"):
        if record[name] is not None:
            record[name] = re.sub(r"([+-]\d\d)(\d\d)$", r"\1:\2", str(record[name]))
    above = entity.ancestors
    levels = _LEVELS[: _ANCESTORS[entity.kind]]
    extra = {name: value for name, value in sent.items() if name not in record and value is not None}
    return {**record, **{f"{level}_id": above[level].id for level in levels}, "_extra": extra or None}
