"""singer-sdk's standard tests over all streams, and what two of them do not assert."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.testing import SuiteConfig, get_tap_test_class
from tap_springserve.tap import TapSpringServe
from vendor_simulators.server import serve
from vendor_simulators.springserve import SpringServeSimulator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk.singerlib import Catalog
    from singer_sdk.testing import TapTestRunner

SETTINGS: dict[str, Any] = {
    "email": "somebody@publisher.example",
    "password": "simulated-password-1",
    "start_date": "2024-03-01",
    "end_date": "2024-03-02",
    "report_poll_interval": 0.1,
    # Replaced when the simulator's port is known; the class below is made before.
    "api_url": "http://127.0.0.1:1/api",
}


def everything() -> Catalog:
    """Make a catalog that selects all streams."""
    catalog = TapSpringServe(validate_config=False).catalog
    for entry in catalog.values():
        entry.metadata.root.selected = True
    return catalog


Standard = get_tap_test_class(
    TapSpringServe,
    config=SETTINGS,
    catalog=everything(),
    parse_env_config=False,
    suite_config=SuiteConfig(max_records_limit=None),
)


class TestStandard(Standard):  # type: ignore[misc, valid-type]  # made by a function
    """The standard tests, offline."""

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def simulator(cls) -> Iterator[SpringServeSimulator]:
        """Serve a simulator while the tests of this class run."""
        simulator = SpringServeSimulator(first_day=dt.date(2024, 3, 1), days=2, rows_per_day=8)
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
        for name, stream in runner.new_tap().streams.items():
            if not stream.replication_key:
                assert final.get(name, {}) == {}
                continue
            expected = max(record[stream.replication_key] for record in runner.records[name])
            assert final[name]["replication_key_value"] == expected
            assert final[name].keys() & {"progress_markers", "replication_key_signpost"} == set()

    def test_each_record_has_every_column(self, runner: TapTestRunner) -> None:
        """The standard test only warns."""
        for name, stream in runner.new_tap().streams.items():
            assert {frozenset(record) for record in runner.records[name]} == {frozenset(stream.schema["properties"])}
