"""singer-sdk's standard tests over all streams, and what two of them do not assert."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.testing import SuiteConfig, get_tap_test_class
from tap_ispot.tap import TapISpot
from vendor_simulators.ispot import ISpotSimulator
from vendor_simulators.server import serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk.singerlib import Catalog
    from singer_sdk.testing import TapTestRunner

SETTINGS: dict[str, Any] = {
    "client_id": "simulatedclient00001",
    "client_secret": "simulatedsecret0123456789abcdefghijklmno",
    "start_date": "2024-03-01",
    "end_date": "2024-03-02",
    "page_size": 30,
    "catalog_page_size": 100,
    # Replaced when the simulator's port is known; the class below is made before.
    "api_url": "http://127.0.0.1:1/v4",
}


def everything() -> Catalog:
    """Make a catalog that selects all streams."""
    catalog = TapISpot(validate_config=False).catalog
    for entry in catalog.values():
        entry.metadata.root.selected = True
    return catalog


Standard = get_tap_test_class(
    TapISpot,
    config=SETTINGS,
    catalog=everything(),
    parse_env_config=False,
    suite_config=SuiteConfig(max_records_limit=None),
)


class TestStandard(Standard):  # type: ignore[misc, valid-type]  # made by a function
    """The standard tests, offline."""

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def simulator(cls) -> Iterator[ISpotSimulator]:
        """Serve a simulator while the tests of this class run."""
        simulator = ISpotSimulator(days=2, rows_per_day=60)
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

    def test_the_final_state_has_no_markers(self, runner: TapTestRunner) -> None:
        """The standard test looks for markers beside the state and not within it."""
        final = runner.state_messages[-1]["value"]["bookmarks"]
        assert final.keys() == runner.new_tap().streams.keys()
        for name, stream in runner.new_tap().streams.items():
            expected = {}
            if stream.replication_key:
                value = "2024-03-03" if name == "airing_updates" else "2024-03-03T00:00:00-05:00"
                expected = {"replication_key": stream.replication_key, "replication_key_value": value}
                expected |= {"read_from": "2024-03-01", "account": "9500"} | getattr(stream, "signature", {})
            assert final[name] == expected

    def test_each_record_has_every_column(self, runner: TapTestRunner) -> None:
        """The standard test only warns."""
        for name, stream in runner.new_tap().streams.items():
            assert {frozenset(record) for record in runner.records[name]} == {frozenset(stream.schema["properties"])}
