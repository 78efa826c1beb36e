"""singer-sdk's standard tests over all streams, and what two of them do not assert."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.testing import SuiteConfig, get_tap_test_class
from tap_adspect.tap import TapAdspect
from vendor_simulators.adspect import AdspectSimulator
from vendor_simulators.server import serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk.singerlib import Catalog
    from singer_sdk.testing import TapTestRunner

REPORTS = [
    {"name": "funnel_daily", "dimensions": ["date", "stream_id"]},
    {"name": "monthly", "dimensions": ["month", "asn"], "metrics": ["clicks", "roi"]},
]
SETTINGS: dict[str, Any] = {
    "api_key": "Simulated_Adspect-Key-0123456789",
    "start_date": "2024-03-01",
    "end_date": "2024-03-02",
    "page_size": 7,
    "reports": REPORTS,
    # Replaced when the simulator's port is known; the class below is made before.
    "api_url": "http://127.0.0.1:1/v1",
}


def everything() -> Catalog:
    """Make a catalog that selects all streams."""
    catalog = TapAdspect(config={"reports": REPORTS}, validate_config=False).catalog
    for entry in catalog.values():
        entry.metadata.root.selected = True
    return catalog


Standard = get_tap_test_class(
    TapAdspect,
    config=SETTINGS,
    catalog=everything(),
    parse_env_config=False,
    suite_config=SuiteConfig(max_records_limit=None),
)


class TestStandard(Standard):  # type: ignore[misc, valid-type]  # made by a function
    """The standard tests, offline."""

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def simulator(cls) -> Iterator[AdspectSimulator]:
        """Serve a simulator while the tests of this class run."""
        simulator = AdspectSimulator(first_day=dt.date(2024, 3, 1), days=2, rows_per_day=60, streams=15)
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

    def test_the_final_state_has_bookmarks_and_no_markers(self, runner: TapTestRunner) -> None:
        """The standard test looks for markers beside the state and not within it."""
        final = runner.state_messages[-1]["value"]["bookmarks"]
        values = {name: one.get("replication_key_value") for name, one in final.items()}
        assert {name: value for name, value in values.items() if value} == {
            "funnel_daily": "2024-03-02",
            "monthly": "2024-03",
            "click_log": "2024-03-03T00:00:00Z",
        }
        assert not [name for name, one in final.items() if "progress_markers" in one or "starting" in str(one)]

    def test_each_record_has_every_column(self, runner: TapTestRunner) -> None:
        """The standard test only warns."""
        for name, stream in runner.new_tap().streams.items():
            assert {frozenset(record) for record in runner.records[name]} == {frozenset(stream.schema["properties"])}
