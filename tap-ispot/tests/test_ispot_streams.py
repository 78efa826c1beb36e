"""Request limits of each path, as the vendor documents them."""

from __future__ import annotations

import pytest
from tap_ispot.tap import TapISpot

PATHS = sorted({str(stream.path) for stream in TapISpot(validate_config=False).streams.values()})  # type: ignore[attr-defined]  # every stream has a path
MOST_PATHS = [(50, 60)]
LIMITS = {
    "/access": [(100, 900)],
    "/account": [(100, 900)],
    "/metrics/audience/airings": [(25, 10), (75, 60)],
    "/metrics/tv/airings": [(25, 10), (50, 60)],
    "/metrics/attention/airings": [(10, 10)],
    "/industries": [(50, 300)],
    "/notifications": [(100, 60)],
}
"""Requests and seconds where they are not those of `MOST_PATHS`."""


@pytest.mark.parametrize("path", PATHS)
def test_each_path_has_the_limits_of_the_vendor(path: str) -> None:
    families = [family for family in TapISpot.families if family.covers(path)]
    assert len(families) == 1
    assert [(limit.requests, limit.seconds) for limit in families[0].limits] == LIMITS.get(path, MOST_PATHS)


def test_airings_and_their_updates_share_a_budget() -> None:
    assert set(PATHS) >= LIMITS.keys()
    shared = [
        family.name for family in TapISpot.families if family.covers("/airings") or family.covers("/airings/updates")
    ]
    assert shared == ["airings"]
    assert not [family.name for family in TapISpot.families if family.covers("/oauth2/token")]
