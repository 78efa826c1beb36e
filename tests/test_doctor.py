"""The live check of all five taps, against vendors that keep the assumptions and vendors that break one of them."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from doctor_cases import AIRINGS, BAD
from singer_adtech.doctor.__main__ import check, find_tap
from singer_adtech.doctor.checks import FAILED, NOT_TESTED, OK, WARNING
from singer_adtech.doctor.examination import Examination
from singer_adtech.doctor.readings import Readings
from singer_adtech.doctor.report import report
from singer_adtech.testing import FakeClock, select, tap_runner
from singer_adtech.testing.runs import with_clock
from vendor_simulators.adspect import AdspectSimulator
from vendor_simulators.faults import Fault
from vendor_simulators.ispot import ISpotSimulator
from vendor_simulators.registry import SIMULATORS
from vendor_simulators.spotwatch import SpotwatchSimulator

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from doctor_cases import Bad
    from singer_adtech.doctor.probe import Reading
    from singer_adtech.doctor.stream_check import Family
    from vendor_simulators.pytest_plugin import Simulate
    from vendor_simulators.simulator import Simulator

FIRST, LAST = dt.date(2025, 3, 10), dt.date(2025, 3, 12)
DAY = dt.timedelta(days=1)
NOW = dt.datetime(2025, 3, 20, 15, 0, tzinfo=dt.timezone.utc)


@pytest.fixture(autouse=True)
def _restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Restore signal handlers and secrets after a run in this process."""
    with tap_runner(find_tap("tap-adspect"), NOW, monkeypatch):
        yield


def prepare(vendor: Simulator, *streams: str, **more: Any) -> Examination:
    """Prepare the check of a vendor, with a clock that does not sleep."""
    limits = {name: more.pop(name, default) for name, default in (("max_rows", 20_000), ("max_requests", 1000))}
    tap = with_clock(find_tap(f"tap-{vendor.name}"), FakeClock(NOW))
    catalog = more.pop("catalog", None)
    settings = {**vendor.settings(), **more}
    return Examination(Readings(tap, settings, catalog=catalog, last=LAST, **limits), streams)


def examine(vendor: Simulator, *streams: str, **more: Any) -> Examination:
    """Check a vendor."""
    examination = prepare(vendor, *streams, **more)
    try:
        examination.run()
    finally:
        examination.readings.close()
    return examination


def again(examination: Examination, family: Family) -> Reading:
    """Read a family once more."""
    return examination.readings.read(family.root, family.shown, "again", {})


def results(examination: Examination, outcome: str) -> list[tuple[str, str, str]]:
    """Return the stream, check and text of each result with an outcome."""
    own = [pair for family in examination.families for pair in family.results.items()]
    return [(stream, one.check, one.text) for stream, checks in own for one in checks if one.outcome == outcome]


def texts_of_rows(value: object) -> Iterator[str]:
    """Return all texts and large numbers in a value."""
    if isinstance(value, dict):
        for one in value.values():
            yield from texts_of_rows(one)
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from texts_of_rows(one)
    elif isinstance(value, (str, int)) and len(str(value)) > 4:
        yield str(value)


SELECTED: Mapping[str, tuple[str, ...]] = {
    "ispot": ("audience_airings", "airing_updates", "brands", "shows"),
    "spotwatch": ("ads", "blocks", "block_ads", "broadcasts", "channels", "broadcast_messages"),
    "adspect": ("streams", "stream_ip_lists", "account", "funnel_daily", "click_log"),
    "springserve": ("supply_tags", "campaigns", "demand_tag_priorities", "isp_lists", "supply_daily"),
    "magnite": ("seats", "supply", "query_metrics", "adstats_daily"),
}


@pytest.mark.parametrize("name", SELECTED)
def test_nothing_fails_with_a_vendor_as_documented(name: str, simulate: Simulate) -> None:
    # given
    options: dict[str, Any] = {"adspect": {"streams": 15}}.get(name, {})
    vendor = simulate(SIMULATORS[name](first_day=FIRST - dt.timedelta(days=1), days=5, rows_per_day=40, **options))
    # when
    examination = examine(vendor, *SELECTED[name])
    text = report(examination)
    # then: every stream has results, and most checks were possible
    assert results(examination, FAILED) == []
    assert {stream for stream, *_ in results(examination, OK)} >= {*SELECTED[name]} - {"broadcast_messages"}
    assert len(results(examination, OK)) > 2 * len(results(examination, NOT_TESTED))
    assert list(vendor.violations) == []
    # and: every request is counted, and the session was closed at the end only
    sent = [entry for entry in vendor.journal if entry.method != "DELETE"]
    assert f"- {len(sent):,} requests, " in text
    # and: the report has no secret and no value of a row
    secrets = [str(value) for setting, value in vendor.settings().items() if setting != "start_date"]
    rows = [
        row
        for family in examination.families
        for stream in family.shown
        for row in again(examination, family).samples[stream].records
    ]
    names = {text for stream in examination.readings.tap.streams.values() for text in stream.schema["properties"]}
    extra = {one for row in rows for one in row.get("_extra") or {}}
    assert found_in(text, {*texts_of_rows(rows), *secrets}) <= {*names, *extra, *KNOWN}


KNOWN = frozenset({"report", *SIMULATORS})
"""Values of rows that are also words of the report."""


def found_in(text: str, values: set[str]) -> set[str]:
    """Return the values that are in a text as whole words, except for days."""
    return {
        value
        for value in values
        if value in text
        and re.search(rf"(?<!\w){re.escape(value)}(?!\w)", text)
        and not re.fullmatch(r"\d{4}-\d\d-\d\d", value)
    }


@pytest.mark.parametrize("bad", BAD, ids=str)
def test_a_wrong_assumption_is_named(bad: Bad, simulate: Simulate) -> None:
    # given
    first = FIRST - dt.timedelta(days=1)
    vendor = simulate(SIMULATORS[bad.vendor](first_day=first, days=5, rows_per_day=60, **bad.options))
    if bad.fault is not None:
        vendor.faults.add(Fault(times=None, **bad.fault))
    # when
    examination = examine(vendor, bad.stream, **bad.settings)
    # then
    failed = results(examination, FAILED)
    named = [text for stream, name, text in failed if (stream, name) == (bad.stream, bad.check)]
    assert [text for text in named if bad.phrase in text] != [], failed
    text = report(examination)
    assert f"| {bad.check} | FAILED: " in text
    # and: the messages of the tap do not bring values of rows into the report
    names = {name for stream in examination.readings.tap.streams.values() for name in stream.schema["properties"]}
    assert found_in(text, {*texts_of_rows(vendor.truth(bad.stream))}) <= {*names, *KNOWN}


def test_unknown_fields_are_named(simulate: Simulate) -> None:
    vendor = simulate(ISpotSimulator(first_day=FIRST, days=3, rows_per_day=20, undeclared=False))
    vendor.faults.add(Fault(path="*/brands", action="new_field", times=None))

    examination = examine(vendor, "brands")

    (text,) = [text for _, name, text in results(examination, OK) if name == "fields"]
    assert text == "not in the schema, kept in `_extra`: `unannounced_field`"
    assert "made up" not in report(examination)


def test_a_cached_response_is_named(simulate: Simulate) -> None:
    # Given a cache that ignores the page number, from the second of several pages on
    vendor = simulate(ISpotSimulator(first_day=FIRST, days=3, rows_per_day=20))
    vendor.faults.add(Fault(path="*/brands", action="previous", nth=4, times=None))

    examination = examine(vendor, "brands")

    ((stream, name, text),) = results(examination, FAILED)
    assert (stream, name) == ("brands", "page size")
    assert "wrong assumption (pages differ and end)" in text


def test_warnings_of_the_tap_are_in_the_report(simulate: Simulate) -> None:
    vendor = simulate(AdspectSimulator(first_day=FIRST, days=3, rows_per_day=40, log_cap=30))

    examination = examine(vendor, "click_log")

    ((_, name, text),) = results(examination, WARNING)
    assert name == "read"
    assert "the log has … clicks and … conversions, but the funnel has … and …: the log may be capped" in text


def test_blocks_that_the_vendor_does_not_list_are_counted(simulate: Simulate) -> None:
    # Given blocks that have an update only if they were changed
    vendor = simulate(SpotwatchSimulator(first_day=FIRST, days=3, rows_per_day=60, updated="changed"))

    updated, both = (examine(vendor, "broadcasts", "blocks", blocks_by=by) for by in ("updated", "both"))

    ((stream, name, _),) = results(updated, WARNING)
    assert (stream, name) == ("broadcasts", "`block` in blocks")
    assert ("broadcasts", "`block` in blocks", "") in results(both, OK)


def test_rows_that_another_stream_does_not_have_are_counted(simulate: Simulate) -> None:
    # Given a list of ads by the day of their first airing
    vendor = simulate(ISpotSimulator(first_day=FIRST, days=3, rows_per_day=60, spot_dates="first_aired"))

    examination = examine(vendor, AIRINGS, "networks", "spots")

    ((stream, name, text),) = results(examination, WARNING)
    assert (stream, name) == (AIRINGS, "`spot_id` in spots")
    assert re.match(r"\d+ of \d+ values of `spot_id` are not in spots: they were deleted, or ", text)
    assert (AIRINGS, "`network_id` in networks", "") in results(examination, OK)


def test_refused_credentials_end_the_check(simulate: Simulate) -> None:
    vendor = simulate(ISpotSimulator(first_day=FIRST, days=3, rows_per_day=20))

    examination = examine(vendor, AIRINGS, "brands", client_secret="wrong-" * 4)

    ((stream, name, text),) = results(examination, FAILED)
    assert (stream, name) == (AIRINGS, "read")
    assert "check `client_id` and `client_secret`" in text
    assert len(vendor.journal) == 1


def test_a_forbidden_stream_is_not_tested(simulate: Simulate) -> None:
    vendor = simulate(ISpotSimulator(first_day=FIRST, days=3, rows_per_day=20, rights=("spend",)))

    examination = examine(vendor, AIRINGS, "shows")

    assert results(examination, NOT_TESTED) == [(AIRINGS, "read", "forbidden to the account")]
    assert "shows" in {stream for stream, *_ in results(examination, OK)}


def test_requests_are_limited(simulate: Simulate, capsys: pytest.CaptureFixture[str]) -> None:
    # Given a limit that ends the check of the first stream
    vendor = simulate(ISpotSimulator(first_day=FIRST, days=3, rows_per_day=20))

    examination = prepare(vendor, AIRINGS, "brands", max_requests=9)
    code = check(examination)

    # Then no further request is sent, other checks are not tested, and the report names the option
    assert len(vendor.journal) == 9
    assert results(examination, FAILED) == []
    assert (AIRINGS, "filter `brand_ids`", "cut by --max-requests, 9 requests") in results(examination, NOT_TESTED)
    assert "- incomplete: --max-requests is reached\n" in capsys.readouterr().out
    assert code == 0


def test_all_readings_share_one_login_and_the_budget(simulate: Simulate) -> None:
    # Given a vendor with 25 requests in 10 seconds and small pages
    vendor = simulate(ISpotSimulator(first_day=FIRST, days=3, rows_per_day=60, clamp_page_size=10))

    examination = examine(vendor, AIRINGS)

    # Then the check waits as a run would
    requests = vendor.journal.matching("*/audience/airings")
    clock = examination.readings.tap.clock
    assert isinstance(clock, FakeClock)
    assert len(requests) > 50
    assert sum(clock.slept) >= 10 * (len(requests) // 25)
    assert len(vendor.journal.matching("*/token")) == 1


def test_rows_are_limited_by_a_filter(simulate: Simulate) -> None:
    # Given more rows in two days than allowed
    vendor = simulate(ISpotSimulator(first_day=FIRST, days=3, rows_per_day=60))

    examination = examine(vendor, AIRINGS, max_rows=50)

    # Then one brand is read instead, and the other checks are possible
    found = results(examination, OK)
    assert (AIRINGS, "read", "only with the filter `brand_ids`") in found
    assert (AIRINGS, "read twice", "") in found
    assert results(examination, FAILED) == []


def test_rows_of_a_list_are_limited(simulate: Simulate) -> None:
    vendor = simulate(ISpotSimulator(first_day=FIRST, days=3, rows_per_day=20))

    examination = examine(vendor, "shows", max_rows=10)

    (reason,) = [text for _, name, text in results(examination, NOT_TESTED) if name == "other checks"]
    assert reason == "the sample was cut by --max-rows, 10 rows: raise the limit, or set a filter"


def test_the_catalog_selects_streams_and_columns(simulate: Simulate) -> None:
    vendor = simulate(ISpotSimulator(first_day=FIRST, days=3, rows_per_day=20))
    catalog = select(find_tap("tap-ispot"), "brands", without=["name"], config=vendor.settings())

    examination = examine(vendor, catalog=catalog)

    (family,) = examination.families
    assert family.shown == ["brands"]
    assert "name" not in again(examination, family).samples["brands"].records[0]


def test_the_report_in_the_documentation_is_real(simulate: Simulate) -> None:
    vendor = simulate(ISpotSimulator(first_day=FIRST - DAY, days=5, rows_per_day=200))

    text = report(examine(vendor, AIRINGS, "networks"))

    versions = re.compile(r"^- tap-ispot .*$", re.MULTILINE)
    shown = re.search(r"```markdown\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert shown is not None
    assert versions.sub("", shown[1]) == versions.sub("", text)


DOCUMENT = Path(__file__).parents[1] / "docs" / "doctor.md"
