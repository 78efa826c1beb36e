"""The inventory hierarchy (seats, publishers, brands, supply, ad units) in its list and detail views."""

from __future__ import annotations

import string
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from vendor_simulators.seeded import generator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

KINDS = ("seats", "publishers", "brands", "supply", "ad_units")
# Field name of an entity inside another one.
SINGULAR = {"seats": "seat", "publishers": "publisher", "brands": "brand", "supply": "supply", "ad_units": "adUnit"}
# A float cannot represent it.
BEYOND_FLOATS = 2**53 + 1
# Ad unit names are not unique: these two, of one supply, have the same name.
NAMESAKES = (1002, 1003)
_PRINTED_DATE = "2014-06-04T04:49:27.000+0000"
_SUPPLY_TYPES = ({"id": 2, "name": "Site"}, {"id": 1, "name": "App"}, {"id": 3, "name": "CTV"})
_UNIT_TYPES = ({"id": 2, "name": "Mid-roll"}, {"id": 1, "name": "Pre-roll"}, {"id": 3, "name": "Post-roll"})
_STATUSES = ({"id": 1, "name": "Active"}, {"id": 2, "name": "Inactive"})
_LINEARITY = ({"id": 1, "name": "Linear/In-stream"}, {"id": 2, "name": "Non-linear"})
_FORMATS = ({"id": 1, "name": "VAST"}, {"id": 2, "name": "VPAID"})
_NAMES = (
    "Kanal Zwölf",
    "L'Écran",
    "東京テレビ",
    'The "Late" Show',
    "Sport & More",
    "Tab\there",
    "Ocean\\Life",
    "News 24",
)


@dataclass(frozen=True, eq=False)
class Entity:
    """One node of the hierarchy.

    `listed` holds fields of lists; `detailed` holds fields that only a request for the entity itself returns.
    """

    kind: str
    id: int
    name: str
    code: str
    parent: Entity | None = None
    listed: Mapping[str, Any] = field(default_factory=dict)
    detailed: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def ancestors(self) -> dict[str, Entity]:
        """The entity and its ancestors, by their field names inside another entity."""
        above = self.parent.ancestors if self.parent is not None else {}
        return {SINGULAR[self.kind]: self, **above}

    def reference(self) -> dict[str, Any]:
        """Return the entity as it appears inside another one."""
        return {"id": self.id, "name": self.name, "code": self.code, **self._nested()}

    def in_list(self) -> dict[str, Any]:
        """Return the list view: identifying fields and the ancestors."""
        return {"id": self.id, "name": self.name, "code": self.code, **self.listed, **self._nested()}

    def detail(self) -> dict[str, Any]:
        """Return the detail view with all fields; nested entities come last, as in the guide."""
        return {"id": self.id, "name": self.name, "code": self.code, **self.detailed, **self.listed, **self._nested()}

    def _nested(self) -> dict[str, Any]:
        return {SINGULAR[self.parent.kind]: self.parent.reference()} if self.parent is not None else {}


class Inventory:
    """All entities of an account.

    The sample entities of the Public API Guide (ad unit 1000 up to seat 5000) come first.

    Args:
        seed: Seed of the data.
        units: Number of ad units.
        updated_name: `updateDate`, `lastUpdated` or `both`.
        extremes: Whether there are ids above 2^53.
        undeclared: Whether some entities have values in fields of undocumented type.
        namesakes: Whether two ad units share a name.
    """

    def __init__(  # noqa: PLR0913 - the inputs of the data
        self, seed: int, units: int, *, updated_name: str, extremes: bool, undeclared: bool, namesakes: bool
    ) -> None:
        self._seed = seed
        self._updated = ("updateDate", "lastUpdated") if updated_name == "both" else (updated_name,)
        self._undeclared = undeclared
        self.seats = [self._plain("seats", 5000, "Monkey Media, LLC", "frykr", None), self._random("seats", 5001)]
        self.publishers = [
            self._plain("publishers", 4000, "Monkey Time, Inc", "mnkye", self.seats[0]),
            *(self._random("publishers", 4000 + n, self.seats[n % 2]) for n in range(1, 4)),
        ]
        self.brands = [
            self._plain("brands", 3000, "My Monkey (TM)", "zjq4m", self.publishers[0]),
            *(self._random("brands", 3000 + n, self.publishers[n % 4]) for n in range(1, 6)),
        ]
        self.supply = [self._printed_supply()]
        self.supply += [self._supply(2000 + n, self.brands[n % 6]) for n in range(1, 12)]
        if extremes:
            self.supply[-1] = self._supply(BEYOND_FLOATS + 1000, self.brands[5])
        self.ad_units = [self._unit(1000, self.supply[0], "My Monkey Unit", "40404")]
        # From 100,000, so that they do not collide with the ids of other kinds.
        others = [1001, 1002, 1003, *range(100_000, 100_000 + units)][: units - 1]
        self.ad_units += [self._unit(number, self._parent_supply(number, namesakes=namesakes)) for number in others]
        if namesakes:
            first = self.ad_units[2]
            self.ad_units[3] = self._unit(NAMESAKES[1], self._parent_supply(NAMESAKES[0], namesakes=True), first.name)
        if extremes:
            self.ad_units[-1] = self._unit(BEYOND_FLOATS, self.supply[-1], "Beyond floats")
        self.by_id = {kind: {entity.id: entity for entity in self.of(kind)} for kind in KINDS}

    def of(self, kind: str) -> Sequence[Entity]:
        """Return the entities of a kind."""
        found: Sequence[Entity] = getattr(self, kind)
        return found

    def _parent_supply(self, number: int, *, namesakes: bool) -> Entity:
        return self.supply[3] if namesakes and number in NAMESAKES else self.supply[number % len(self.supply)]

    def _random(self, kind: str, number: int, parent: Entity | None = None) -> Entity:
        rng = generator("entity", self._seed, kind, number)
        return self._plain(kind, number, f"{rng.choice(_NAMES)} {number}", self._code(kind, number), parent)

    def _plain(self, kind: str, number: int, name: str, code: str, parent: Entity | None) -> Entity:
        return Entity(kind, number, name, code, parent, {}, self._common(kind, number, self._updated))

    def _common(self, kind: str, number: int, updated: Sequence[str]) -> dict[str, Any]:
        rng = generator("dates", self._seed, kind, number)
        created = (
            f"20{rng.randint(14, 19)}-0{rng.randint(1, 9)}-1{rng.randint(0, 9)}T0{rng.randint(0, 9)}:15:27.000+0000"
        )
        changed = (
            f"2023-0{rng.randint(1, 9)}-2{rng.randint(0, 9)}T1{rng.randint(0, 9)}:30:00.{rng.randint(100, 999)}+0000"
        )
        description = rng.choice([None, "", "Line one\nline two", "All of it"])
        return {"creationDate": created, **dict.fromkeys(updated, changed), "description": description}

    def _code(self, kind: str, number: int) -> str:
        rng = generator("code", self._seed, kind, number)
        return "".join(rng.choices(string.ascii_lowercase + string.digits, k=5))

    def _printed_supply(self) -> Entity:
        """Return the supply in the guide's sample, field by field."""
        detailed: dict[str, Any] = {
            "creationDate": _PRINTED_DATE,
            "updateDate": _PRINTED_DATE,
            "description": "Play around and learn about Monkeys. I like Monkeys.",
            "domain": "monkeysforme.com",
            "paidType": None,
            "storeUrl": None,
            "bundleIdIsOverride": None,
            "bundleId": None,
            "videoQuality": None,
            "keys": [],
            "adParams": [],
            "keywords": [],
            "allowVastWrappers": True,
            "supplyDomainIsFallback": True,
        }
        return Entity("supply", 2000, "My Monkey Game", "q4tty", self.brands[0], {"type": _SUPPLY_TYPES[0]}, detailed)

    def _supply(self, number: int, brand: Entity) -> Entity:
        rng = generator("supply", self._seed, number)
        app = rng.random() < 0.5  # noqa: PLR2004 - half of them
        odd = self._undeclared and number % 4 == 1
        detailed: dict[str, Any] = {
            **self._common("supply", number, ("updateDate",)),
            "domain": f"site{number}.example",
            "paidType": {"id": 1, "name": "Free"} if odd else None,
            "storeUrl": f"https://apps.example/{number}" if app else None,
            "bundleIdIsOverride": rng.choice([True, False, None]),
            "bundleId": f"com.example.app{number}" if app else None,
            "videoQuality": "HD" if odd else None,
            "keys": [{"name": "genre", "values": ["news", "sport"]}] if app else [],
            "adParams": ["a", 1, {"b": None}] if number % 3 == 0 else [],
            "keywords": ["tv"],
            "allowVastWrappers": rng.random() < 0.5,  # noqa: PLR2004 - half of them
            "supplyDomainIsFallback": False,
        }
        name, code = f"{rng.choice(_NAMES)} supply {number}", self._code("supply", number)
        return Entity("supply", number, name, code, brand, {"type": _SUPPLY_TYPES[number % 3]}, detailed)

    def _unit(self, number: int, supply: Entity, name: str = "", code: str = "") -> Entity:
        rng = generator("unit", self._seed, number)
        listed: dict[str, Any] = {
            "type": _UNIT_TYPES[0] if number == 1000 else rng.choice(_UNIT_TYPES),  # noqa: PLR2004 - the sample
            "status": _STATUSES[number % 10 == 9],  # noqa: PLR2004 - one in ten
            "linearity": _LINEARITY[number % 7 == 5],  # noqa: PLR2004 - one in seven
            "adUnitFormat": _FORMATS[number % 5 == 4],  # noqa: PLR2004 - one in five
        }
        detailed: dict[str, Any] = {
            **self._common("ad_units", number, ("updateDate",)),
            "isCoppa": number % 3 == 1,
            "hasPrivacyPolicy": True,
            "mimes": ["video/flash"] if number == 1000 else ["video/mp4", "video/webm"],  # noqa: PLR2004 - the sample
        }
        if self._undeclared and number % 6 == 5:  # noqa: PLR2004 - one in six
            detailed["skippable"] = {"after": 5}
        return Entity(
            "ad_units",
            number,
            name or f"{rng.choice(_NAMES)} unit {number}",
            code or self._code("ad_units", number),
            supply,
            listed,
            detailed,
        )
