"""singer-sdk's standard tests over all streams, and what they do not assert."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.testing import SuiteConfig, get_tap_test_class
from tap_magnite.tap import TapMagnite
from vendor_simulators.magnite import MagniteSimulator
from vendor_simulators.server import serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk.singerlib import Catalog
    from singer_sdk.testing import TapTestRunner

SETTINGS: dict[str, Any] = {
    "access_key": "tv-MNdiN3IG1chX-jm",
    "secret_key": "MKmxH7scxxKACcs3BjZd",
    "start_date": "2024-03-01",
    "end_date": "2024-03-02",
    "poll_interval": 0.1,
    "include_details": True,
    # Replaced when the simulator's port is known; the class below is made before.
    "api_url": "http://127.0.0.1:1/v1/resources",
}


def everything() -> Catalog:
    """Make a catalog that selects all streams."""
    catalog = TapMagnite(validate_config=False).catalog
    for entry in catalog.values():
        entry.metadata.root.selected = True
    return catalog


Standard = get_tap_test_class(
    TapMagnite,
    config=SETTINGS,
    catalog=everything(),
    parse_env_config=False,
    suite_config=SuiteConfig(max_records_limit=None),
)


class TestStandard(Standard):  # type: ignore[misc, valid-type]  # made by a function
    """The standard tests, offline."""

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def simulator(cls) -> Iterator[MagniteSimulator]:
        """Serve a simulator while the tests of this class run."""
        simulator = MagniteSimulator(days=2, rows_per_day=40)
        with serve(simulator):
            SETTINGS["api_url"] = simulator.api_url
            yield simulator

    def test_each_key_is_unique_and_never_null(self, runner: TapTestRunner) -> None:
        """The standard test compares generators, which are all different."""
        for name, stream in runner.new_tap().streams.items():
            keys = [tuple(record[key] for key in stream.primary_keys) for record in runner.records[name]]
            assert keys
            assert len(set(keys)) == len(keys)
            assert all(value is not None for key in keys for value in key)

    def test_the_final_state_has_one_bookmark(self, runner: TapTestRunner) -> None:
        """The standard test looks for markers beside the state and not within it."""
        final = runner.state_messages[-1]["value"]["bookmarks"]
        report = final.pop("adstats_daily")
        assert (report["replication_key"], report["replication_key_value"]) == ("day", "2024-03-02")
        assert [name for name, state in final.items() if state] == []

    def test_each_record_has_every_column(self, runner: TapTestRunner) -> None:
        """The standard test only warns."""
        for name, stream in runner.new_tap().streams.items():
            assert {frozenset(record) for record in runner.records[name]} == {frozenset(stream.schema["properties"])}
