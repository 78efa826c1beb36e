"""Query sources and their fields, under whatever address they stand; and discovery that asks for them."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from tap_magnite.tap import TapMagnite
from vendor_simulators.faults import Fault
from vendor_simulators.magnite import MagniteSimulator
from vendor_simulators.messages import Response

if TYPE_CHECKING:
    from magnite_fixtures import Script, Scripted
    from singer_adtech.testing import Program as Cli
    from singer_adtech.testing import TapRunner
    from vendor_simulators.messages import Request
    from vendor_simulators.pytest_plugin import Simulate

BASE = "/v1/resources"
METADATA = ("query_sources", "query_dimensions", "query_metrics")


def paths(vendor: MagniteSimulator | Scripted) -> list[tuple[int, str]]:
    """Return status and path of each request between login and log-out."""
    return [(one.status, one.path.removeprefix(BASE)) for one in vendor.journal if "/sessions" not in one.path]


def start(simulate: Simulate, **options: Any) -> MagniteSimulator:
    """Start a vendor."""
    return simulate(MagniteSimulator(first_day=date(2025, 3, 1), days=2, rows_per_day=20, **options))


@pytest.mark.parametrize(
    ("options", "first"),
    [
        (
            {},
            [
                (200, "/query/sources"),
                (200, "/query/sources/adstats-publisher/dimensions"),
                (200, "/query/sources/deals-publisher/dimensions"),
            ],
        ),
        (
            {"sources_path": "queries"},
            [
                (404, "/query/sources"),
                (200, "/queries/sources"),
                (200, "/queries/sources/adstats-publisher/dimensions"),
                (200, "/queries/sources/deals-publisher/dimensions"),
            ],
        ),
        (
            {"source_in_path": "id"},
            [
                (200, "/query/sources"),
                (404, "/query/sources/adstats-publisher/dimensions"),
                (200, "/query/sources/17/dimensions"),
                (200, "/query/sources/18/dimensions"),
            ],
        ),
    ],
    ids=str,
)
def test_the_address_that_worked_is_remembered(
    run_tap: TapRunner, simulate: Simulate, options: dict[str, Any], first: list[tuple[int, str]]
) -> None:
    simulator = start(simulate, **options)
    run = run_tap(simulator.settings(), *METADATA)
    asked = paths(simulator)
    assert asked[: len(first)] == first
    # No address that failed is tried again: four sources, dimensions and metrics, and the one list of sources
    assert [status for status, _ in asked].count(200) == 1 + 4 + 4
    assert [status for status, _ in asked].count(404) == len([status for status, _ in first if status == 404])
    assert run.by_key("query_dimensions", "source", "id") == simulator.truth("query_dimensions")


def test_with_the_setting_only_that_base_is_used(run_tap: TapRunner, simulate: Simulate) -> None:
    simulator = start(simulate, sources_path="queries")
    run = run_tap({**simulator.settings(), "query_sources_path": "/query/sources"}, "query_metrics", fails=True)
    assert paths(simulator) == [(404, "/query/sources")]
    assert run.error.startswith("stream query_metrics: HTTP 404 Not Found")
    assert run.error.endswith("set `query_sources_path` to the path of your account")
    simulator.journal.clear()
    run_tap({**simulator.settings(), "query_sources_path": "/queries/sources/"}, "query_metrics")
    assert len(paths(simulator)) == 5


def test_no_base_at_all_is_fatal(run_tap: TapRunner, script: Script) -> None:
    vendor = script(lambda _: Response.json({"type": "error", "errorCode": "no-such-thing"}, 404))
    run = run_tap(vendor.settings(), "query_sources", fails=True)
    assert paths(vendor) == [(404, "/query/sources"), (404, "/queries/sources")]
    assert run.error == (
        'stream query_sources: HTTP 404 Not Found "no-such-thing": set `query_sources_path` to the path of your account'
    )


def test_a_source_that_is_nowhere_is_fatal(run_tap: TapRunner, script: Script) -> None:
    def answer(request: Request) -> Response:
        if request.path.endswith("/sources"):
            return Response.json([{"name": "a/b", "id": 4}])
        return Response.json({}, 404)

    vendor = script(answer)
    run = run_tap(vendor.settings(), "query_metrics", fails=True)
    assert [one.target.removeprefix(BASE) for one in vendor.journal[1:-1]] == [
        "/query/sources",
        "/query/sources/a%2Fb/metrics",
        "/query/sources/4/metrics",
    ]
    assert run.error.startswith("stream query_metrics: source a/b: HTTP 404 Not Found")


def test_children_read_their_parents_without_them(run_tap: TapRunner, magnite: MagniteSimulator) -> None:
    run = run_tap(magnite.settings(), "query_metrics")
    assert run.by_key("query_metrics", "source", "id") == magnite.truth("query_metrics")
    assert run.records("query_sources") == []
    assert not any(state["bookmarks"].get("query_metrics") for state in run.states)


def test_deselected_streams_cost_nothing(run_tap: TapRunner, magnite: MagniteSimulator) -> None:
    run_tap(magnite.settings(), "seats")
    assert paths(magnite) == [(200, "/seats")]


@pytest.mark.parametrize("status", [403, 412, 418])
def test_other_refusals_are_not_a_matter_of_spelling(
    run_tap: TapRunner, magnite: MagniteSimulator, status: int
) -> None:
    magnite.faults.add(Fault(path=f"{BASE}/query/sources", status=status, times=None))
    run = run_tap(magnite.settings(), "query_sources", fails=True)
    assert paths(magnite) == [(status, "/query/sources")]
    assert f"HTTP {status}" in run.error


# Discovery


def test_discovery_alone_asks_for_nothing(cli: Cli) -> None:
    finished = cli("--discover")
    assert finished.returncode == 0
    names = [stream["tap_stream_id"] for stream in json.loads(finished.stdout)["streams"]]
    assert names == [
        *("ad_units", "adstats_daily", "brands", "deals_daily", "publishers"),
        *("query_dimensions", "query_metrics", "query_sources", "seats", "supply"),
    ]


def test_discovery_with_fields_logs_in_and_out(cli: Cli, magnite: MagniteSimulator) -> None:
    report = {"name": "own", "dimensions": ["day", "brand"], "metrics": ["completions", "clicks", "netCpm"]}
    reports = [report, {**report, "name": "other"}]
    finished = cli("--discover", config={**magnite.settings(), "discover_fields": True, "reports": reports})
    assert finished.returncode == 0
    assert [(one.method, one.path.removeprefix(BASE)) for one in magnite.journal] == [
        ("POST", "/sessions"),
        ("GET", "/query/sources/adstats-publisher/dimensions"),
        ("GET", "/query/sources/adstats-publisher/metrics"),
        ("DELETE", f"/sessions/{magnite.sessions.issued[0]}"),
    ]
    stream = next(one for one in json.loads(finished.stdout)["streams"] if one["tap_stream_id"] == "own")
    kinds = {name: declared["type"][0] for name, declared in stream["schema"]["properties"].items()}
    assert {name: kinds[name] for name in ("completions", "clicks", "netCpm", "day", "brand")} == {
        "completions": "integer",
        "clicks": "integer",
        "netCpm": "number",
        "day": "string",
        "brand": "string",
    }


def test_a_run_with_fields_has_one_login(run_tap: TapRunner, magnite: MagniteSimulator) -> None:
    run = run_tap({**magnite.settings(), "discover_fields": True, "end_date": "2025-03-10"}, "adstats_daily", "seats")
    assert run.by_key("adstats_daily", "row_key") == magnite.truth("adstats_daily")
    assert len(magnite.sessions.issued) == 1
    assert len(magnite.journal.matching(method="DELETE")) == 1
    assert magnite.sessions.open_codes == []


@pytest.mark.parametrize("options", [{"sources_path": "queries"}, {"source_in_path": "id"}], ids=str)
def test_discovery_finds_the_fields_wherever_they_are(
    run_tap: TapRunner, simulate: Simulate, options: dict[str, Any]
) -> None:
    simulator = start(simulate, **options)
    run = run_tap({**simulator.settings(), "discover_fields": True, "end_date": "2025-03-02"}, "adstats_daily")
    assert run.by_key("adstats_daily", "row_key") == simulator.truth("adstats_daily")


@pytest.mark.parametrize(
    ("report", "said"),
    [
        ({"dimensions": ["day", "adunit"]}, "has no 'adunit' in its dimensions: the nearest are adUnit"),
        ({"metrics": ["netRevenues"]}, "has no 'netRevenues' in its metrics: the nearest are netRevenue"),
        (
            {"filters": [{"field": "publisherId", "value": 1}]},
            "has no 'publisherId' in its dimensions: the nearest are publisher",
        ),
        (
            {"constraints": [{"field": "request", "operator": ">", "value": 1}]},
            "has no 'request' in its metrics: the nearest are requests",
        ),
    ],
    ids=str,
)
def test_a_field_that_is_not_there_is_named_with_the_nearest(
    run_tap: TapRunner, magnite: MagniteSimulator, report: dict[str, Any], said: str
) -> None:
    own = {"name": "own", "dimensions": ["day"], "metrics": ["requests"], **report}
    run = run_tap({**magnite.settings(), "discover_fields": True, "reports": [own]}, "own", fails=True)
    assert run.error.startswith(f"setting `reports`, report own: source adstats-publisher {said}")
    assert magnite.journal.matching(f"{BASE}/queries") == []
    assert magnite.sessions.open_codes == []


def test_a_source_that_is_not_there_is_named(run_tap: TapRunner, magnite: MagniteSimulator) -> None:
    own = {"name": "own", "source": "adstats", "dimensions": ["day"], "metrics": ["requests"]}
    run = run_tap({**magnite.settings(), "discover_fields": True, "reports": [own]}, "own", fails=True)
    assert run.error.startswith("source adstats: HTTP 404 Not Found")
    assert "check the name of the source" in run.error
    assert magnite.sessions.open_codes == []


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        *((name, "integer") for name in ("integer", "long", "int", "LONG")),
        *((name, "number") for name in ("number", "double", "float", "decimal", "percent", "currency")),
        ("boolean", "boolean"),
        *((name, "number") for name in ("string", "date", "", None)),
    ],
)
def test_types_of_metrics(script: Script, sent: Any, kind: str) -> None:
    def answer(request: Request) -> Response:
        fields = [{"id": "day", "type": "date"}] if request.path.endswith("dimensions") else [{"id": "m", "type": sent}]
        return Response.json(fields)

    vendor = script(answer)
    own = {"name": "own", "dimensions": ["day"], "metrics": ["m"]}
    tap = TapMagnite(config={**vendor.settings(), "discover_fields": True, "reports": [own]})
    assert tap.streams["own"].schema["properties"]["m"]["type"] == [kind, "null"]


def test_discovery_with_fields_needs_good_settings(cli: Cli, magnite: MagniteSimulator) -> None:
    config = {**magnite.settings(), "discover_fields": True}
    del config["secret_key"]
    finished = cli("--discover", config=config)
    assert finished.returncode == 1
    assert "setting `secret_key` is missing: set it" in finished.stderr.rstrip().rsplit("\n", 1)[-1]
    assert len(magnite.journal) == 0


def test_a_source_without_an_id_is_read_by_its_name_after_others_were_read_by_id(
    run_tap: TapRunner, script: Script
) -> None:
    # Given a vendor that knows some sources by their id only, and others, which have none, by their name
    sources = [{"name": "one", "id": "1"}, {"name": "two"}, {"name": "three", "id": 3}]

    def answer(request: Request) -> Response:
        path = request.path.removeprefix(f"{BASE}/query/sources")
        if path in {"/1/dimensions", "/two/dimensions", "/3/dimensions"}:
            return Response.json([{"id": path}])
        return Response.json(sources) if not path else Response.json({"type": "error", "errorCode": "not-found"}, 404)

    vendor = script(answer)
    # When
    run = run_tap(vendor.settings(), "query_dimensions")
    # Then both spellings are tried for each source, the one that was right last first
    assert [(one["source"], one["id"]) for one in run.records("query_dimensions")] == [
        ("one", "/1/dimensions"),
        ("two", "/two/dimensions"),
        ("three", "/3/dimensions"),
    ]
    assert [status for status, path in paths(vendor) if path.endswith("dimensions")] == [404, 200, 200, 404, 200]


def test_a_session_of_another_company_is_refused_before_a_row_is_written(run_tap: TapRunner, script: Script) -> None:
    # Given a state of one company
    vendor = script.rows({"day": "2025-03-01", "requests": 1})
    report = {"name": "daily", "dimensions": ["day"], "metrics": ["requests"]}
    given = {**vendor.settings(), "start_date": "2025-03-01", "end_date": "2025-03-01", "reports": [report]}
    answer: dict[str, Any] = {"sessionCode": "code-of-a-session", "user": {"id": 1, "company": "Monkey Media, LLC"}}
    vendor.login = lambda: Response.json(answer, 201)
    state = run_tap(given, "daily").states[-1]
    # When another user of it logs in, and then one of another company
    answer["user"] = {"id": 2, "company": "Monkey Media, LLC"}
    same = run_tap(given, "daily", state=state)
    answer["user"] = {"id": 3, "company": "Other"}
    other = run_tap(given, "daily", state=state, fails=True)
    # Then
    assert same.records("daily") == [{**same.records("daily")[0], "requests": 1}]
    assert other.records("daily") == []
    assert "its state was made with account" in other.error
    assert "Monkey" not in json.dumps(state)
