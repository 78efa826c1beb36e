"""The table of errors, line by line: how often a call is made, after which waits, and what is said."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from singer_adtech.runs.streams_run import how_to_deselect
from vendor_simulators.faults import Fault
from vendor_simulators.messages import Response

if TYPE_CHECKING:
    from magnite_fixtures import Script
    from singer_adtech.testing import TapRunner
    from vendor_simulators.magnite import MagniteSimulator

BASE = "/v1/resources"
QUERIES = f"{BASE}/queries"
POLLS = f"{QUERIES}/?????????"
RESULTS = f"{QUERIES}/*/results"
ERROR = json.dumps({"type": "error", "errorCode": "bad-thing", "errorDescription": "It is bad.", "errors": None})
SAID = '"bad-thing: It is bad."'
WHERE = "stream adstats_daily, window 2025-03-01..2025-03-02: "
NAMES = {400: "Bad Request", 403: "Forbidden", 404: "Not Found", 409: "Conflict", 412: "Precondition Failed"}


def settings(magnite: MagniteSimulator, **more: Any) -> dict[str, Any]:
    """Return settings for one window of two days."""
    return {**magnite.settings(), "end_date": "2025-03-02", **more}


@pytest.mark.parametrize(
    ("stream", "path", "status", "remedy"),
    [
        (
            "adstats_daily",
            QUERIES,
            400,
            (
                "report adstats_daily of source adstats-publisher: check its dimensions, metrics and filters against "
                "the streams query_dimensions and query_metrics"
            ),
        ),
        (
            "adstats_daily",
            QUERIES,
            403,
            "the user has no permission for this stream: ask for access",
        ),
        ("adstats_daily", QUERIES, 409, "check the settings"),
        (
            "adstats_daily",
            POLLS,
            412,
            "the API documents this for queries only: run again, and report this if it stays",
        ),
        ("adstats_daily", RESULTS, 409, "check the settings"),
        (
            "brands",
            f"{BASE}/brands",
            403,
            "the user has no permission for this stream: ask for access",
        ),
        ("brands", f"{BASE}/brands", 404, "set `resource_paths.brands` to the path of your account"),
        ("ad_units", f"{BASE}/adUnits", 404, "set `resource_paths.ad_units` to the path of your account"),
        ("brands", f"{BASE}/brands", 400, "check the settings"),
        (
            "brands",
            f"{BASE}/brands",
            412,
            "the API documents this for queries only: run again, and report this if it stays",
        ),
    ],
)
def test_fatal_at_once(  # noqa: PLR0913, PLR0917 - a table of cases
    run_tap: TapRunner, magnite: MagniteSimulator, stream: str, path: str, status: int, remedy: str
) -> None:
    method = "POST" if path == QUERIES else "GET"
    magnite.faults.add(Fault(path=path, method=method, status=status, body=ERROR, times=None))
    run = run_tap(settings(magnite), stream, fails=True)
    where = WHERE if stream == "adstats_daily" else f"stream {stream}: "
    deselect = f", or {how_to_deselect('tap-magnite', stream)}" if status == 403 else ""
    assert run.error == f"{where}HTTP {status} {NAMES[status]} {SAID}: {remedy}{deselect}"
    assert len(magnite.journal.matching(path, method)) == 1
    assert run.clock.waits == []
    assert magnite.sessions.open_codes == []
    assert run.states == []


@pytest.mark.parametrize("stream", ["brands", "adstats_daily", "query_sources"])
def test_an_error_in_a_success_is_an_error(run_tap: TapRunner, script: Script, stream: str) -> None:
    vendor = script(lambda _: Response.json(json.loads(ERROR), 200))
    run = run_tap(vendor.settings(), stream, fails=True)
    assert f"HTTP 200 OK {SAID}" in run.error
    assert len(vendor.journal) == 3


def test_details_of_an_error_are_quoted(run_tap: TapRunner, magnite: MagniteSimulator) -> None:
    body = {"type": "error", "errorCode": "c", "errorDescription": "d", "errors": [{"field": "x", "why": "y"}]}
    magnite.faults.add(Fault(path=QUERIES, status=400, body=json.dumps(body)))
    run = run_tap(settings(magnite), "adstats_daily", fails=True)
    assert '"c: d: [{"field":"x","why":"y"}]"' in run.error


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"status": 500, "body": ERROR}, f"HTTP 500 Internal Server Error {SAID}"),
        ({"status": 503}, "HTTP 503 Service Unavailable"),
        ({"action": "html"}, 'HTTP 502 Bad Gateway "an HTML page"'),
        ({"action": "html", "status": 200}, "HTTP 200 with an HTML page"),
        ({"action": "drop"}, "closed the connection before responding"),
        ({"action": "cut"}, " was cut off"),
        ({"action": "broken_json"}, ")"),
        ({"status": 200, "body": ""}, "HTTP 200 with an empty body"),
    ],
    ids=str,
)
@pytest.mark.parametrize(
    ("stream", "path", "method"),
    [("brands", f"{BASE}/brands", "GET"), ("adstats_daily", POLLS, "GET"), ("adstats_daily", RESULTS, "GET")],
    ids=["list", "poll", "results"],
)
def test_what_may_pass_is_tried_six_times(  # noqa: PLR0913, PLR0917 - two tables of cases
    run_tap: TapRunner, magnite: MagniteSimulator, fault: dict[str, Any], said: str, stream: str, path: str, method: str
) -> None:
    magnite.faults.add(Fault(path=path, method=method, times=None, **fault))
    run = run_tap(settings(magnite), stream, fails=True)
    down = "the vendor may be down: " if " 50" in said else ""
    assert f"{said} (tried 6 times): {down}try again later" in run.error
    assert len(magnite.journal.matching(path, method)) == 6
    assert run.clock.waits == [1, 2, 4, 8, 16]
    assert magnite.sessions.open_codes == []


@pytest.mark.parametrize("path", [f"{BASE}/brands", QUERIES, POLLS, RESULTS])
def test_retry_after_is_obeyed(run_tap: TapRunner, magnite: MagniteSimulator, path: str) -> None:
    magnite.faults.add(
        Fault(path=path, status=429, headers={"Retry-After": "17"}),
        Fault(path=path, status=503, headers={"Retry-After": "23"}, nth=2),
    )
    run = run_tap(settings(magnite), "brands", "adstats_daily")
    assert run.clock.waits == [17, 23]
    assert run.by_key("adstats_daily", "row_key") == magnite.truth(
        "adstats_daily", last_day=magnite.first_day.replace(day=2)
    )


def test_a_deleted_entity_keeps_its_list_row(run_tap: TapRunner, magnite: MagniteSimulator) -> None:
    magnite.faults.add(
        Fault(path=f"{BASE}/brands/3001", status=404, times=None),
        Fault(path=f"{BASE}/brands/3004", status=404, times=None),
    )
    run = run_tap({**magnite.settings(), "include_details": True}, "brands")
    listed = {record["id"]: record for record in magnite.truth("brands")}
    whole = {record["id"]: record for record in magnite.truth("brands", details=True)}
    expected = {number: listed[number] if number in {3001, 3004} else whole[number] for number in whole}
    assert {record["id"]: record for record in run.records("brands")} == expected
    warnings = [one for one in run.warnings() if "deleted" in one]
    assert warnings == [
        "stream brands: 2 rows were deleted before their details were read and have the listed fields only"
    ]
    # Each of the two was requested once more.
    assert len(magnite.journal.matching(f"{BASE}/brands/*")) == 8


def test_details_that_a_gateway_does_not_find_once_are_requested_again(
    run_tap: TapRunner, magnite: MagniteSimulator
) -> None:
    magnite.faults.add(Fault(path=f"{BASE}/brands/3001", status=404))
    run = run_tap({**magnite.settings(), "include_details": True}, "brands")
    assert run.by_key("brands", "id") == magnite.truth("brands", details=True)


def test_details_win_over_the_list_and_keep_its_ancestors(run_tap: TapRunner, script: Script) -> None:
    seat = {"id": 5, "name": "S", "code": "s"}
    listed = {"id": 1, "name": "old", "code": "c", "publisher": {"id": 4, "seat": seat}}

    def answer(request: Any) -> Response:
        if request.path == f"{BASE}/brands":
            return Response.json([listed, {**listed, "id": 2, "publisher": None}])
        return Response.json(
            {"id": int(request.path[-1]), "name": "new", "publisher": {"id": 4}, "secretSauce": {"a": [1]}}
        )

    vendor = script(answer)
    run = run_tap({**vendor.settings(), "include_details": True}, "brands")
    first, second = run.records("brands")
    assert (first["name"], first["code"], first["publisher"]) == ("new", "c", {"id": 4})
    assert (first["publisher_id"], first["seat_id"]) == (4, 5)
    assert (second["publisher_id"], second["seat_id"]) == (4, None)
    assert first["_extra"] == {"secretSauce": {"a": [1]}}


def test_at_most_so_many_details_at_once(run_tap: TapRunner, magnite: MagniteSimulator) -> None:
    magnite.faults.add(Fault(path=f"{BASE}/supply/*", action="slow", delay=0.05, times=None))
    run_tap({**magnite.settings(), "include_details": True, "parallel_requests": 3}, "supply")
    assert magnite.journal.concurrency(f"{BASE}/supply/*") == 3


@pytest.mark.parametrize("body", ['{"items": [], "total": 0}', "null", '"x"', "[1]"])
@pytest.mark.parametrize("stream", ["seats", "query_sources", "query_metrics"])
def test_a_list_that_is_no_array_is_fatal(run_tap: TapRunner, script: Script, stream: str, body: str) -> None:
    vendor = script(lambda _: Response.text(body, 200, "application/json"))
    run = run_tap(vendor.settings(), stream, fails=True)
    assert run.error.startswith(f"stream {stream}: the response ")
    assert len(vendor.journal) == 3


def test_a_missing_ancestor_gives_null_ids(run_tap: TapRunner, script: Script) -> None:
    rows = [{"id": 1, "supply": {"id": 2, "brand": {"id": 3}}}, {"id": 4, "supply": None}, {"id": 5}]
    run = run_tap(script.rows(*rows).settings(), "ad_units")
    ids = ("supply_id", "brand_id", "publisher_id", "seat_id")
    assert [[record[name] for name in ids] for record in run.records("ad_units")] == [
        [2, 3, None, None],
        [None] * 4,
        [None] * 4,
    ]


def test_a_row_without_its_id_is_fatal(run_tap: TapRunner, script: Script) -> None:
    run = run_tap({**script.rows({"name": "A"}).settings(), "include_details": True}, "seats", fails=True)
    assert run.error.startswith("stream seats: a row has no value for its key `id`")


@pytest.mark.parametrize(
    ("mode", "extra"), [("keep", {"paidType": {"id": 1}, "a.b": [1]}), ("drop", None)], ids=["keep", "drop"]
)
def test_undeclared_fields(run_tap: TapRunner, script: Script, mode: str, extra: Any) -> None:
    row = {"id": 1, "paidType": {"id": 1}, "videoQuality": None, "a.b": [1]}
    run = run_tap({**script.rows(row).settings(), "extra_fields": mode}, "supply")
    assert run.records("supply")[0]["_extra"] == extra


def test_undeclared_fields_may_fail_the_run(run_tap: TapRunner, script: Script) -> None:
    vendor = script.rows({"id": 1, "paidType": "x"})
    run = run_tap({**vendor.settings(), "extra_fields": "fail"}, "supply", fails=True)
    assert "the vendor sent the field `paidType`" in run.error


def test_a_redirect_to_another_host_is_not_followed(run_tap: TapRunner, magnite: MagniteSimulator) -> None:
    magnite.faults.add(
        Fault(path=f"{BASE}/brands", action="redirect", headers={"Location": "http://elsewhere.invalid/"})
    )
    run = run_tap(magnite.settings(), "brands", fails=True)
    assert "another host (http://elsewhere.invalid" in run.error
    assert len(magnite.journal.matching(f"{BASE}/brands")) == 1


def test_only_reading_calls_are_made(run_tap: TapRunner, magnite: MagniteSimulator) -> None:
    run_tap({**magnite.settings(), "include_details": True, "discover_fields": True})
    calls = {(one.method, one.path.removeprefix(BASE).split("/")[1]) for one in magnite.journal if one.method != "GET"}
    assert calls == {("POST", "sessions"), ("POST", "queries"), ("DELETE", "sessions")}
    # And no parameter but fmt
    assert {name for one in magnite.journal for name, _ in one.params} == {"fmt"}
    assert magnite.violations == []
