"""singer-sdk's standard tests over all streams, and what some of them do not assert."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.testing import SuiteConfig, get_tap_test_class
from tap_spotwatch.tap import TapSpotwatch
from vendor_simulators.server import serve
from vendor_simulators.spotwatch import SpotwatchSimulator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk.singerlib import Catalog
    from singer_sdk.testing import TapTestRunner

QUEUE = "broadcast_messages"
SETTINGS: dict[str, Any] = {
    "api_key": "simulatedkey0123456789",
    "start_date": "2024-03-01",
    "end_date": "2024-03-02",
    "page_size": 30,
    "message_queue": True,
    "include_media": True,
    "include_user_payload": True,
    # Replaced when the simulator's port is known; the class below is made before.
    "api_url": "http://127.0.0.1:1",
}


def everything() -> Catalog:
    """Make a catalog that selects all streams and columns."""
    catalog = TapSpotwatch(config=SETTINGS).catalog
    for entry in catalog.values():
        entry.metadata.root.selected = True
    return catalog


Standard = get_tap_test_class(
    TapSpotwatch,
    config=SETTINGS,
    catalog=everything(),
    parse_env_config=False,
    suite_config=SuiteConfig(max_records_limit=None),
)
# No test reads the queue, as reading removes its messages: a test of this tap asserts that none comes.
RETURNS_RECORD = "test_tap_stream_returns_record"
Standard.params[RETURNS_RECORD] = [one for one in Standard.params[RETURNS_RECORD] if one.id != QUEUE]


class TestStandard(Standard):  # type: ignore[misc, valid-type]  # made by a function
    """The standard tests, offline."""

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def simulator(cls) -> Iterator[SpotwatchSimulator]:
        """Serve a simulator while the tests of this class run."""
        simulator = SpotwatchSimulator(days=2, rows_per_day=60, undeclared=True)
        with serve(simulator):
            SETTINGS["api_url"] = simulator.api_url
            yield simulator

    def test_each_key_is_unique_and_never_null(self, runner: TapTestRunner) -> None:
        """The standard test compares generators, which are all different."""
        for name, stream in runner.new_tap().streams.items():
            keys = [tuple(record[key] for key in stream.primary_keys) for record in runner.records[name]]
            assert keys or name == QUEUE
            assert len(set(keys)) == len(keys)
            assert all(value is not None for key in keys for value in key)

    def test_the_final_state_has_no_markers(self, runner: TapTestRunner) -> None:
        """The standard test looks for markers beside the state and not within it."""
        final = runner.state_messages[-1]["value"]["bookmarks"]
        for name, stream in runner.new_tap().streams.items():
            expected = {}
            if stream.replication_key:
                value = "2024-03-03T00:00:00Z"
                expected = {"replication_key": stream.replication_key, "replication_key_value": value}
                expected |= {"read_from": "2024-03-01T00:00:00+00:00"} | getattr(stream, "signature", {})
            assert final.get(name, {}) == expected

    def test_each_record_has_every_column(self, runner: TapTestRunner) -> None:
        """The standard test only warns."""
        for name, stream in runner.new_tap().streams.items():
            columns = {frozenset(stream.schema["properties"])} if name != QUEUE else set()
            assert {frozenset(record) for record in runner.records[name]} == columns

    def test_the_queue_was_not_touched(self, runner: TapTestRunner, simulator: SpotwatchSimulator) -> None:
        """A dry run without a limit of records is one all the same."""
        assert runner.records["regions"]
        assert len(simulator.truth(QUEUE)) == 121
        assert simulator.violations == []
