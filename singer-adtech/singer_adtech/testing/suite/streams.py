"""Tests of each stream: catalog, schema, rows, bookmark."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.testing import SuiteConfig, TapTestRunner
from singer_sdk.testing.suites import tap_stream_attribute_tests, tap_stream_tests, tap_tests
from singer_sdk.testing.tap_tests import StreamReturnsRecordTest

from singer_adtech.testing.clock import FakeClock
from singer_adtech.testing.messages import select
from singer_adtech.testing.runs import tap_runner, with_clock
from singer_adtech.testing.suite.base import SuiteBase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from singer_sdk.testing.templates import TapTestTemplate

    from singer_adtech.testing.runs import Run

FORMATS = {
    "date": re.compile(r"\d{4}-\d\d-\d\d"),
    "date-time": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"),
}
STATE_MARKERS = {"progress_markers", "replication_key_signpost", "starting_replication_value"}


@dataclass(frozen=True)
class CompleteRun:
    """A run of all streams, and the truth before it began."""

    run: Run
    truth: Mapping[str, Sequence[Mapping[str, Any]]]
    vendor: Any


class StreamTests(SuiteBase):
    """Tests that run once for each stream of the tap."""

    @pytest.fixture(scope="class")
    @classmethod
    def complete_run(cls, simulate_for_class: Callable[[Any], Any]) -> Iterator[CompleteRun]:
        """Read all streams once, in this process, with a clock that does not wait."""
        vendor = simulate_for_class(cls.vendor())
        streams = list(cls.tap().streams)
        truth = {name: cls.truth(vendor, name) for name in streams}
        with pytest.MonkeyPatch.context() as patch, tap_runner(cls.tap_class, cls.now, patch) as runner:
            yield CompleteRun(runner({**vendor.settings(), **cls.settings}, *streams), truth, vendor)

    @pytest.fixture(scope="class")
    @classmethod
    def standard_run(cls, simulate_for_class: Callable[[Any], Any]) -> Iterator[TapTestRunner]:
        """Read all streams once, as singer-sdk's standard tests do."""
        vendor = simulate_for_class(cls.vendor())
        config = {**vendor.settings(), **cls.settings}
        with pytest.MonkeyPatch.context() as patch, tap_runner(cls.tap_class, cls.now, patch):
            runner = TapTestRunner(
                with_clock(cls.tap_class, FakeClock(cls.now)),
                config=config,
                suite_config=SuiteConfig(max_records_limit=None),
                catalog=select(cls.tap_class, *cls.tap().streams, config=config),
                parse_env_config=False,
            )
            runner.sync_all()
            yield runner
        assert vendor.violations == []

    @pytest.mark.parametrize("standard_test", tap_tests.tests, ids=lambda one: one.name)
    def test_singer_sdk_accepts_the_tap(
        self, standard_run: TapTestRunner, standard_test: type[TapTestTemplate]
    ) -> None:
        standard_test().run(SuiteConfig(), None, standard_run)

    def test_singer_sdk_accepts_the_stream(self, standard_run: TapTestRunner, stream_name: str) -> None:
        """All standard tests of a stream and its columns, in one test."""
        # given
        stream = standard_run.new_tap().streams[stream_name]
        problems = []
        # when
        for standard_test in tap_stream_tests.tests:
            if standard_test is StreamReturnsRecordTest and stream_name in self.dry_runs_skip:
                continue
            try:
                standard_test().run(SuiteConfig(), None, standard_run, stream)
            except AssertionError as error:
                problems.append(f"{standard_test.name}: {error}")
        for column, declared in stream.stream_maps[-1].transformed_schema["properties"].items():
            for column_test in tap_stream_attribute_tests.tests:
                if column_test.evaluate(stream=stream, property_name=column, property_schema=declared):
                    try:
                        column_test().run(SuiteConfig(), None, standard_run, stream, column)
                    except AssertionError as error:
                        problems.append(f"{column}: {column_test.name}: {error}")
        # then
        assert problems == []

    def test_keys_are_unique_and_columns_complete(self, standard_run: TapTestRunner, stream_name: str) -> None:
        """The standard tests compare generators (never equal) and only warn about missing columns."""
        stream = standard_run.new_tap().streams[stream_name]
        records = standard_run.records[stream_name]
        keys = [tuple(record[key] for key in stream.primary_keys) for record in records]
        assert bool(records) == (stream_name not in self.dry_runs_skip)
        assert stream.primary_keys
        assert len(set(keys)) == len(keys)
        assert all(value is not None for key in keys for value in key)
        assert all(record.keys() == stream.schema["properties"].keys() for record in records)

    def test_the_final_state_has_the_bookmark_and_no_markers(
        self, standard_run: TapTestRunner, stream_name: str
    ) -> None:
        """The standard test looks for markers next to the bookmarks, where they never are."""
        stream: Any = standard_run.new_tap().streams[stream_name]
        bookmark = standard_run.state_messages[-1]["value"]["bookmarks"].get(stream_name, {})
        if not stream.replication_key:
            assert bookmark == {}
            return
        assert bookmark["replication_key"] == stream.replication_key
        assert bookmark["replication_key_value"] == self.final_bookmark(stream, standard_run.records[stream_name])
        assert bookmark.keys() & STATE_MARKERS == set()
        assert bookmark.items() >= getattr(stream, "signature", {}).items()

    def test_rows_equal_the_truth(self, complete_run: CompleteRun, stream_name: str) -> None:
        """Every row and every column, compared with the simulator."""
        truth = complete_run.truth[stream_name]
        assert truth
        assert complete_run.run.by_key(stream_name) == truth

    def test_a_complete_run_breaks_no_rule_of_the_vendor(self, complete_run: CompleteRun) -> None:
        schemas = [one["stream"] for one in complete_run.run.messages if one["type"] == "SCHEMA"]
        assert complete_run.vendor.violations == []
        assert set(schemas) == complete_run.truth.keys()

    def test_the_schema_declares_keys_and_describes_columns(self, stream_name: str) -> None:
        # given
        stream = self.tap().streams[stream_name]
        entry = self.tap().catalog[stream_name]
        properties = stream.schema["properties"]
        never_null = {name for name, one in properties.items() if "null" not in one["type"]}
        # then
        assert tuple(entry.key_properties or ()) == tuple(stream.primary_keys)
        assert entry.replication_method == ("INCREMENTAL" if stream.replication_key else "FULL_TABLE")
        assert {*stream.primary_keys} <= never_null
        assert never_null == set(stream.schema.get("required", never_null))
        assert not stream.replication_key or stream.replication_key in properties
        assert properties.get("_extra", {"type": ["object", "null"]})["type"] == ["object", "null"]
        assert [name for name, one in properties.items() if not one["description"].endswith(".")] == []

    def test_the_schema_declares_the_types_of_the_truth(self, complete_run: CompleteRun, stream_name: str) -> None:
        """Converted values equal the truth, so this checks formats: instants and days are not plain text."""
        properties = self.tap().streams[stream_name].schema["properties"]
        for name, declared in properties.items():
            values = {str(row[name]) for row in complete_run.truth[stream_name] if row[name] is not None}
            for form, pattern in FORMATS.items():
                if values and name not in self.text_columns and all(pattern.fullmatch(value) for value in values):
                    assert (name, declared.get("format")) == (name, form)

    def test_each_schema_file_belongs_to_a_stream(self) -> None:
        schemas = files(f"{self.package()}.schemas").iterdir()
        names = {path.name.removesuffix(".json") for path in schemas if path.name.endswith(".json")}
        assert names <= self.tap().streams.keys()
