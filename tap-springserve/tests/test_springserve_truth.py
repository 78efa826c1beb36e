"""Rows equal the simulator's truth, field by field, for every stream and every variant of the vendor."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from tap_springserve.members import MEMBERS
from tap_springserve.streams import STREAMS
from vendor_simulators.faults import Fault
from vendor_simulators.messages import Response
from vendor_simulators.springserve import SpringServeSimulator

if TYPE_CHECKING:
    from singer_adtech.testing import Run, TapRunner
    from springserve_fixtures import Script
    from vendor_simulators.pytest_plugin import Simulate

FIRST = dt.date(2026, 2, 1)
ENTITIES = tuple(str(vars(one)["name"]) for one in STREAMS)
SOME = ("supply_tags", "geo_lists", "bills", "campaigns", "domain_list_domains", "supply_daily")


def exact(value: Any) -> Any:
    """Make numbers with a point into decimals, as the runner's messages have them."""
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, dict):
        return {name: exact(item) for name, item in value.items()}
    return [exact(item) for item in value] if isinstance(value, list) else value


def newest(run: Run, stream: str) -> list[dict[str, Any]]:
    """Return the last record of each key, as a loader's upsert leaves them, sorted by key."""
    key = run.key_properties(stream)
    by_key = {tuple(record[name] for name in key): record for record in run.records(stream)}
    return [by_key[values] for values in sorted(by_key)]


def test_rows_of_v0_are_the_truth(run_tap: TapRunner, springserve: SpringServeSimulator) -> None:
    # When the lists of both versions are read from v0
    of_v1 = {"geo_lists", "demand_tag_priorities", "isp_lists", "scanned_creative_lists", "clearline_deals"}
    streams = [name for name in ENTITIES if name not in of_v1]
    run = run_tap({**springserve.settings(), "resource_version": "v0"}, *streams)
    # Then the rows are the same, but for the word for what is switched on, and there is no bookmark
    for stream in streams:
        assert run.by_key(stream) == exact(springserve.truth(stream, version="v0")), stream
        assert run.bookmarks(stream) == []
    assert {request.path.split("/")[2] for request in springserve.journal} == {"v0"}


VARIANTS: dict[str, dict[str, Any]] = {
    "v0 of 50 rows": {"max_rows_v0": 50},
    "envelope on v0": {"v0_lists": "envelope"},
    "arrays on v1": {"v1_lists": "array"},
    "no expiration": {"expiration": "none"},
    "epoch expiration": {"expiration": "epoch"},
    "numbers": {"numbers": "number"},
    "numbers as text": {"numbers": "text"},
    "no zones": {"zones": False},
    "both words": {"active": "both"},
    "the wiki's misprint": {"app_name_targeting": "two"},
    "dates with a tail": {"dates": "both"},
    "no total pages": {"total_pages": False, "report_rows": 50},
    "complete at once": {"polls": 0},
    "many polls": {"polls": 9},
    "forgotten once": {"forget": 1},
    "forgotten twice": {"forget": 2},
    "ties by id": {"ties": "id"},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_each_variant_of_the_vendor_gives_the_same_rows(run_tap: TapRunner, simulate: Simulate, variant: str) -> None:
    # Given a vendor that makes another choice where nothing is documented
    vendor = simulate(SpringServeSimulator(first_day=FIRST, days=3, rows_per_day=45, **VARIANTS[variant]))
    # When a stream of each kind is read
    run = run_tap({**vendor.settings(), "page_size": 20, "end_date": "2026-02-03", "row_count_check": "fail"}, *SOME)
    # Then the rows are the truth
    for stream in SOME:
        assert newest(run, stream) == exact(vendor.truth(stream)), stream
    assert vendor.violations == []


@pytest.mark.parametrize("names", ["name", "both"])
def test_members_may_be_called_name(run_tap: TapRunner, simulate: Simulate, names: str) -> None:
    # Given a vendor that calls members whose field is not documented `name`, or gives them a name too
    vendor = simulate(SpringServeSimulator(first_day=FIRST, days=1, rows_per_day=10, member_names=names))
    streams = [str(vars(one)["name"]) for one in MEMBERS if one.member]
    # When they are read
    run = run_tap(vendor.settings(), *streams)
    # Then the rows are the truth
    assert len(streams) == 5
    for stream in streams:
        assert run.by_key(stream) == exact(vendor.truth(stream)), stream


@pytest.mark.parametrize("shape", ["array", "data", "status"])
def test_a_report_that_is_not_asynchronous_has_the_same_rows(
    run_tap: TapRunner, simulate: Simulate, shape: str
) -> None:
    vendor = simulate(SpringServeSimulator(first_day=FIRST, days=3, rows_per_day=70, sync_response=shape))
    report = {"name": "now", "dimensions": ["supply_partner_id"], "metrics": ["revenue"], "async": False}

    run = run_tap({**vendor.settings(), "end_date": "2026-02-03", "reports": [report]}, "now")

    assert run.by_key("now", "date", "supply_partner_id") == exact(vendor.truth("now", report=report))
    first = vendor.journal.matching("/api/v0/report")[0].json()
    assert (first["async"], "report_service" in first) == (False, False)
    # 21 rows: a synchronous report ends with an empty page.
    assert len(vendor.journal.matching("/api/v0/report")) == (3 if shape == "status" else 2)


@pytest.mark.parametrize(("page", "shape"), [("requested", "array"), ("requested", "data"), ("ignored", "array")])
def test_a_synchronous_report_is_read_until_a_page_is_empty_or_repeats(
    run_tap: TapRunner, simulate: Simulate, page: str, shape: str
) -> None:
    # Given a report of more than two pages of 50 rows, or of one page for any number
    vendor = simulate(
        SpringServeSimulator(first_day=FIRST, days=3, rows_per_day=70, sync_response=shape, sync_page=page)
    )
    report = {"name": "now", "dimensions": ["supply_tag_id"], "metrics": ["revenue"], "async": False}
    # When it is read
    run = run_tap({**vendor.settings(), "end_date": "2026-02-03", "reports": [report]}, "now")
    # Then no row is missing or repeated
    truth = exact(vendor.truth("now", report=report))
    assert len(truth) > 120
    assert run.by_key("now", "date", "supply_tag_id") == truth
    assert len(run.records("now")) == len(truth)
    numbers = [one.json().get("page") for one in vendor.journal.matching("/api/v0/report")]
    assert numbers == ([None, 2] if page == "ignored" else [None, 2, 3, 4, 5, 6])
    assert vendor.violations == run.warnings() == []


def test_a_synchronous_report_that_may_be_cut_off_warns(run_tap: TapRunner, simulate: Simulate) -> None:
    vendor = simulate(SpringServeSimulator(first_day=FIRST, days=3, rows_per_day=70, sync_page="cut"))
    report = {"name": "now", "dimensions": ["supply_tag_id"], "metrics": ["revenue"], "async": False}

    run = run_tap({**vendor.settings(), "end_date": "2026-02-03", "reports": [report]}, "now")

    assert len(run.records("now")) == 50
    (warning,) = run.warnings()
    assert warning == (
        "stream now: the vendor ignored the page number of a report with 50 rows: rows may be missing. Remove "
        "`async: false` from the report, or lower its `window_days`"
    )


def test_a_filter_that_is_not_documented_warns_with_the_nearest_name(
    run_tap: TapRunner, springserve: SpringServeSimulator
) -> None:
    # Given a report with a misspelt filter, which the vendor ignores
    report = {"name": "mine", "dimensions": ["supply_tag_id"], "metrics": ["revenue"]}
    filters = {"supply_tag_id": [25530], "supply_partner_ids": [1], "detected_domain": ["a.example"]}
    settings = {**springserve.settings(), "end_date": "2026-02-01"}
    # When it is read
    run = run_tap({**settings, "reports": [{**report, "filters": filters}]}, "mine")
    # Then each undocumented name is in a warning
    assert [one for one in run.warnings() if "nearest" in one] == [
        f"stream mine: the filter `{name}` is not documented, and the vendor ignores unknown filters: the rows may not "
        f"be filtered. The nearest documented name is `{nearest}`"
        for name, nearest in (("supply_tag_id", "supply_tag_ids"), ("detected_domain", "detected_domains"))
    ]
    # And all tags come
    del filters["supply_partner_ids"]
    run = run_tap({**settings, "reports": [{**report, "filters": filters}]}, "mine")
    assert len(run.records("mine")) == len(springserve.truth("mine", report=report, last_day=FIRST)) > 1


@pytest.mark.parametrize("applied", ["applied", "ignored"])
def test_rows_of_ids_that_were_not_requested_end_the_run(run_tap: TapRunner, simulate: Simulate, applied: str) -> None:
    # Given a vendor that applies the documented filters, or ignores them
    vendor = simulate(SpringServeSimulator(first_day=FIRST, days=1, rows_per_day=40, report_filters=applied))
    report = {
        "name": "mine",
        "dimensions": ["supply_tag_id", "demand_tag_id"],
        "metrics": ["revenue"],
        "filters": {"supply_tag_ids": [25530, "100003"]},
    }
    settings = {**vendor.settings(), "end_date": "2026-02-01", "reports": [report]}
    # When a report with a filter of ids is read
    run = run_tap(settings, "mine", fails=applied == "ignored")
    # Then
    if applied == "applied":
        assert {record["supply_tag_id"] for record in run.records("mine")} == {25530, 100003}
    else:
        assert run.records("mine") == []
        assert run.error == (
            "stream mine, window 2026-02-01..2026-02-01: a row has a `supply_tag_id` that was not requested: the "
            "vendor ignored the report's filter: check the filters and `account_id`, and report this to the vendor"
        )


OPEN: dict[str, dict[str, Any]] = {
    "two dimensions and a filter": {
        "dimensions": ["supply_partner_id", "device_brand"],
        "metrics": ["impressions", "revenue"],
        "filters": {"supply_types": ["Outstream"]},
    },
    "by domain": {"dimensions": ["detected_domain", "supply_type"], "metrics": ["fill_rate"]},
    "no dimension": {"dimensions": [], "metrics": ["revenue"]},
    "no metrics": {"dimensions": ["supply_type"]},
    "hourly": {"dimensions": ["supply_partner_id"], "metrics": ["clicks"], "interval": "hour"},
    "cumulative": {"dimensions": ["supply_partner_id"], "metrics": ["clicks"], "interval": "cumulative"},
    "days of New York": {"dimensions": ["supply_tag_id"], "metrics": ["cost"], "time_zone": "America/New_York"},
}


@pytest.mark.parametrize("case", OPEN)
def test_rows_of_any_report_are_the_truth(run_tap: TapRunner, simulate: Simulate, case: str) -> None:
    # Given a report of a user's own; what `_extra` keeps stays as it was sent
    springserve = simulate(SpringServeSimulator(first_day=FIRST, days=10, rows_per_day=40, numbers="number"))
    report = {"name": "mine", **OPEN[case]}
    # When it is read
    run = run_tap({**springserve.settings(), "reports": [report], "row_count_check": "fail"}, "mine")
    # Then its rows are those of the data
    truth = exact(springserve.truth("mine", report=report))
    assert run.by_key("mine", "date", *report["dimensions"]) == truth
    assert truth
    assert springserve.violations == []


def test_rows_edited_while_a_list_is_read_are_not_lost(run_tap: TapRunner, simulate: Simulate) -> None:
    # Given an account in which three tags are edited after each page
    vendor = simulate(SpringServeSimulator(first_day=FIRST, days=1, rows_per_day=120, edits=3, most_edits=24))
    # When the tags are read
    run = run_tap({**vendor.settings(), "page_size": 25}, "supply_tags")
    # Then the last version of each tag is the truth, and edited ones received more than once
    assert newest(run, "supply_tags") == exact(vendor.truth("supply_tags"))
    records = run.records("supply_tags")
    assert len(records) > 120
    assert len({(record["id"], record["updated_at"]) for record in records}) == len(records)


def test_a_second_run_reads_what_changed(run_tap: TapRunner, springserve: SpringServeSimulator) -> None:
    # Given a first run on 10 February, and rows that changed since
    streams = ("supply_tags", "campaigns", "supply_daily")
    first = run_tap(springserve.settings(), *streams)
    springserve.restate(days=2)
    springserve.journal.clear()
    # When it is run again from its state
    second = run_tap(springserve.settings(), *streams, state=first.states[-1])
    # Then both runs together are the new truth, and the second read little but what changed
    for stream in streams:
        both = {
            tuple(record[name] for name in first.key_properties(stream)): record
            for run in (first, second)
            for record in run.records(stream)
        }
        assert [both[key] for key in sorted(both)] == exact(springserve.truth(stream))
    assert len(second.records("supply_tags")) < 20
    assert {record["date"] for record in second.records("supply_daily")} == {
        "2026-02-07",
        "2026-02-08",
        "2026-02-09",
        "2026-02-10",
    }
    assert len(springserve.journal.matching("/api/v1/supply_tags")) == 1


def test_a_run_with_every_fault_gives_the_same_rows(run_tap: TapRunner, springserve: SpringServeSimulator) -> None:
    # Given a vendor that fails in every way that passes, in lists, reports and logins
    springserve.faults.add(
        Fault(path="/api/v0/auth", action="html", status=503),
        Fault(path="/api/v1/*", nth=1, action="status", status=429, body="Retry later\n"),
        Fault(path="/api/v1/*", nth=2, action="cut"),
        Fault(path="/api/v1/*", nth=4, action="expire_token"),
        Fault(path="/api/v0/campaigns", nth=1, action="html", status=503),
        Fault(path="/api/v0/campaigns", nth=2, action="broken_json"),
        Fault(path="/api/v0/campaigns", nth=4, action="html", status=200),
        Fault(path="/api/v0/report", nth=1, action="drop"),
        Fault(path="/api/v0/report", nth=3, action="expire_token"),
        Fault(path="/api/v0/report", nth=4, action="status", status=500, body='{"error": "oops"}'),
        Fault(path="/api/v0/report", nth=6, action="broken_json"),
        Fault(path="/api/v0/report", nth=8, action="status", status=429, body="Retry later\n"),
        Fault(path="/api/v0/domain_lists/*", nth=2, action="drop"),
    )
    # When streams of each kind are read
    run = run_tap({**springserve.settings(), "page_size": 25, "row_count_check": "fail"}, *SOME)
    # Then every row is the truth
    for stream in SOME:
        assert newest(run, stream) == exact(springserve.truth(stream)), stream
    assert springserve.violations == []


@pytest.mark.parametrize(
    ("last_day", "window_days", "warned"),
    [
        ("inclusive", 3, None),
        ("inclusive", 1, None),
        ("exclusive", 3, "window 2026-02-04..2026-02-06: no rows of its last day"),
        ("exclusive", 1, "window 2026-02-02..2026-02-02: no rows of its first or last day"),
    ],
)
def test_windows_without_their_last_day_warn(
    run_tap: TapRunner, simulate: Simulate, last_day: str, window_days: int, warned: str | None
) -> None:
    # Given a vendor whose `end_date` is inclusive, or not
    vendor = simulate(SpringServeSimulator(first_day=FIRST, days=9, rows_per_day=10, last_day=last_day))
    # When past windows are read
    run = run_tap({**vendor.settings(), "end_date": "2026-02-09", "window_days": window_days}, "supply_daily")
    # Then one warning names the second one without its last day
    ending = ", as in the window before: if the vendor excludes that day, rows are missing. Compare the report with "
    found = [one for one in run.warnings() if "as in the window before" in one]
    assert found == ([f"stream supply_daily: {warned}{ending}the console"] if warned else [])


def test_a_window_with_its_last_day_shows_that_the_vendor_includes_it(run_tap: TapRunner, script: Script) -> None:
    # Given rows of a whole window, and of two windows that end with days without traffic
    sent = ["01", "02", "03", "05"]
    days = iter([sent[:2], sent[2:3], sent[3:]])
    vendor = script(
        lambda _: Response.json(
            {
                "status": "COMPLETE",
                "report_id": "r",
                "total_pages": 1,
                "data": [{"date": f"2026-02-{day}", "supply_tag_id": 1} for day in next(days)],
            }
        )
    )
    report = {"name": "mine", "dimensions": ["supply_tag_id"], "window_days": 2}

    run = run_tap({**vendor.settings(), "end_date": "2026-02-06", "reports": [report]}, "mine")

    assert len(run.records("mine")) == 4
    assert run.warnings() == []
