"""The Adspect simulator's rules: authentication, parameters, responses, violations."""

from __future__ import annotations

import base64
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from vendor_simulators.adspect import AdspectSimulator
from vendor_simulators.calls import call

if TYPE_CHECKING:
    from vendor_simulators.calls import Reply
    from vendor_simulators.pytest_plugin import Simulate

DAY = {"date_from": 1743120000, "date_to": 1743206400}
FUNNEL = [*DAY.items(), ("group_by[]", "date"), ("metrics[]", "clicks")]
LOG = [*DAY.items(), ("columns[]", "timestamp"), ("columns[]", "target")]


def authorization(simulator: AdspectSimulator, key: str | None = None) -> str:
    return "Basic " + base64.b64encode(f"{key or simulator.api_key}:".encode()).decode()


def ask(simulator: AdspectSimulator, path: str, method: str = "GET", params: Any = (), **headers: str | None) -> Reply:
    """Send a request with the documented headers; None omits a header."""
    sent = {"Authorization": authorization(simulator), "Content-Type": "application/json"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items() if value is not None}
    for name in [name.replace("_", "-") for name, value in headers.items() if value is None]:
        del sent[name]
    return call(simulator.url, f"/v1{path}", method, params=params, headers=sent)


def rows(reply: Reply) -> list[str]:
    return reply.body.decode().splitlines()


@pytest.mark.parametrize(
    "path",
    [
        "/streams",
        "/reports",
        "/account",
        "/accounts/self/ip-blacklist",
        "/accounts/self/ip-whitelist",
        "/streams/1eacc6d0-875f-6f5c-bff8-00162501c2b4/ip-blacklist",
        "/collections/query-log-columns",
        "/collections/presets",
    ],
)
def test_documented_endpoints_respond(adspect: AdspectSimulator, path: str) -> None:
    reply = ask(adspect, path)
    assert reply.status == 200
    assert isinstance(reply.json(), dict if path == "/account" else list)
    assert adspect.violations == []


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/accounts", "GET", 404),
        ("/account/ip-blacklist", "GET", 404),
        ("/streams/nobody/ip-blacklist", "GET", 404),
        ("/collections/nothing", "GET", 404),
        ("/streams", "POST", 405),
        ("/streams/1eacc6d0-875f-6f5c-bff8-00162501c2b4", "DELETE", 405),
        ("/reports", "COPY", 405),
        ("/account", "HEAD", 405),
        ("/reports/funnel", "HEAD", 405),
    ],
)
def test_other_calls_are_violations(adspect: AdspectSimulator, path: str, method: str, status: int) -> None:
    assert ask(adspect, path, method).status == status
    assert len(adspect.violations) == 1


def test_the_key_is_the_user_and_the_password_is_blank(adspect: AdspectSimulator) -> None:
    assert ask(adspect, "/account", Authorization=authorization(adspect, "another")).status == 401
    assert adspect.violations == []
    with_password = "Basic " + base64.b64encode(f"{adspect.api_key}:x".encode()).decode()
    assert ask(adspect, "/account", Authorization=with_password).status == 401
    assert ask(adspect, "/account", Authorization=None).status == 401
    assert adspect.violations == ["no HTTP Basic: GET /v1/account"]


@pytest.mark.parametrize("kind", [None, "text/xml", "text/plain"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_request_without_the_mandatory_header_is_refused(
    adspect: AdspectSimulator, kind: str | None, method: str
) -> None:
    assert ask(adspect, "/streams", method, Content_Type=kind).status == 415
    assert len(adspect.violations) == 1


@pytest.mark.parametrize(
    ("path", "params", "field"),
    [
        ("/streams", [("per-page", 101)], "per-page"),
        ("/streams", [("per-page", 0)], "per-page"),
        ("/streams", [("per_page", 10)], "per_page"),
        ("/streams", [("page", "x")], "page"),
        ("/streams", [("page", 1), ("page", 2)], "page"),
        ("/account", [("page", 1)], "page"),
        ("/reports/funnel", DAY.items(), "metrics[]"),
        ("/reports/log", DAY.items(), "columns[]"),
        ("/reports/funnel", [*FUNNEL, ("metrics[]", "hits")], "metrics[]"),
        ("/reports/funnel", [*FUNNEL, ("group_by[]", "date")], "group_by[]"),
        ("/reports/funnel", [*FUNNEL, ("page", 1)], "page"),
        ("/reports/funnel", [*FUNNEL, ("time_zone", "Mars")], "time_zone"),
        ("/reports/funnel", [*FUNNEL, ("os", "iOS")], "os"),
        ("/reports/log", [*LOG, ("columns[]", "clicks")], "columns[]"),
        ("/reports/log", [("columns[]", "target"), ("date_from", "1 Jan 2023")], "date_from"),
        ("/reports/log", [*LOG, ("group_by[]", "date")], "group_by[]"),
    ],
)
def test_an_undocumented_parameter_is_refused(adspect: AdspectSimulator, path: str, params: Any, field: str) -> None:
    reply = ask(adspect, path, params=list(params))
    assert reply.status == 422
    assert reply.json()[0]["field"] == field
    assert len(adspect.violations) == 1


def test_head_has_the_totals_and_no_page(adspect: AdspectSimulator) -> None:
    reply = ask(adspect, "/streams", "HEAD", [("per-page", 10)])
    assert (reply.status, reply.body) == (200, b"")
    assert (reply.headers["X-Pagination-Total-Count"], reply.headers["X-Pagination-Page-Count"]) == ("25", "3")
    assert adspect.violations == []
    assert ask(adspect, "/streams", "HEAD", [("page", 1)]).status == 422


def test_pages_are_twenty_by_default_and_ordered_by_name(adspect: AdspectSimulator) -> None:
    first, second = (ask(adspect, "/streams", params=[("page", page)]).json() for page in (1, 2))
    assert (len(first), len(second)) == (20, 5)
    names = [stream["name"] for stream in [*first, *second]]
    assert names == sorted(names)
    found = ask(adspect, "/streams", params=[("name", "EXAMPLE")]).json()
    assert [stream["name"] for stream in found] == ["Example Stream"]


@pytest.mark.parametrize(
    ("option", "status", "length"), [("repeat", 200, 5), ("empty", 200, 0), ("not_found", 404, None)]
)
def test_a_page_past_the_end(simulate: Simulate, option: str, status: int, length: int | None) -> None:
    simulator = simulate(AdspectSimulator(days=1, streams=25, past_end=option))
    reply = ask(simulator, "/streams", params=[("page", 3)])
    assert reply.status == status
    assert length is None or len(reply.json()) == length
    assert simulator.violations == ["/v1/streams: page 3 of 2"]


@pytest.mark.parametrize(
    ("option", "get", "head", "status"),
    [
        ("get", True, True, 200),
        ("head", False, True, 200),
        ("none", False, False, 200),
        ("head_404", False, False, 404),
        ("head_405", False, False, 405),
    ],
)
def test_location_of_totals(simulate: Simulate, option: str, *, get: bool, head: bool, status: int) -> None:
    simulator = simulate(AdspectSimulator(days=1, totals=option))
    assert ("X-Pagination-Page-Count" in ask(simulator, "/reports").headers) is get
    reply = ask(simulator, "/reports", "HEAD")
    assert ("X-Pagination-Page-Count" in reply.headers) is head
    assert reply.status == status
    assert simulator.violations == []


def test_a_report_is_one_array_per_line_in_the_order_of_the_request(adspect: AdspectSimulator) -> None:
    asked = [*DAY.items(), ("metrics[]", "clicks"), ("metrics[]", "quality"), ("group_by[]", "mode")]
    lines = rows(ask(adspect, "/reports/funnel", params=asked))
    assert len(lines) == 2
    assert sorted(line[:10] for line in lines) == ['["Filter",', '["Review",']
    assert all(line.split(", ")[1].startswith('"') and not line.split(", ")[2].startswith('"') for line in lines)


def test_one_array_of_arrays_is_an_option(simulate: Simulate) -> None:
    simulator = simulate(AdspectSimulator(first_day=date(2025, 3, 28), days=1, report_body="array"))
    assert isinstance(ask(simulator, "/reports/funnel", params=FUNNEL).json()[0], list)


def test_filters_match_any_value_and_all_names(adspect: AdspectSimulator) -> None:
    def count(*filters: tuple[str, str]) -> int:
        return len(rows(ask(adspect, "/reports/log", params=[*LOG, *filters])))

    ios, mac = count(("os[]", "iOS")), count(("os[]", "macOS"))
    assert count(("os[]", "iOS"), ("os[]", "macOS")) == ios + mac
    assert 0 < count(("os[]", "iOS"), ("country_code[]", "AE")) < ios
    assert count(("os[]", "Amiga")) == 0
    assert adspect.violations == []
    adspect.options = type(adspect.options)(ignored_filters=("os",))
    assert count(("os[]", "Amiga")) == count()


def test_both_ends_are_exclusive_or_inclusive(simulate: Simulate) -> None:
    # Each day has a click in its first second
    first = date(2025, 3, 28)
    for start, end, count in (
        ("inclusive", "exclusive", 10),
        ("inclusive", "inclusive", 11),
        ("exclusive", "exclusive", 9),
        ("exclusive", "inclusive", 10),
    ):
        simulator = simulate(
            AdspectSimulator(first_day=first, days=2, rows_per_day=10, date_from=start, date_to=end, streams=3)
        )
        assert len(rows(ask(simulator, "/reports/log", params=LOG))) == count


@pytest.mark.parametrize("report", ["log", "funnel"])
def test_a_cap_is_silent(simulate: Simulate, report: str) -> None:
    cap: dict[str, Any] = {f"{report}_cap": 7}
    simulator = simulate(AdspectSimulator(first_day=date(2025, 3, 28), days=1, rows_per_day=50, **cap))
    params = LOG if report == "log" else [*FUNNEL, ("group_by[]", "stream_id")]
    reply = ask(simulator, f"/reports/{report}", params=params)
    assert (reply.status, len(rows(reply))) == (200, 7)


def test_a_time_zone_that_only_displays(simulate: Simulate) -> None:
    # Given New York's 28 March, which ends at 04:00 on 29 March in UTC
    day = [("date_from", 1743134400), ("date_to", 1743220800), ("time_zone", "America/New_York")]
    funnel = [*day, ("group_by[]", "date"), ("metrics[]", "clicks")]
    for option, days in (("days", ["2025-03-28"]), ("display", ["2025-03-28", "2025-03-29"])):
        simulator = simulate(AdspectSimulator(first_day=date(2025, 3, 28), days=2, time_zone=option))
        replies = rows(ask(simulator, "/reports/funnel", params=funnel))
        assert sorted(row[2:12] for row in replies) == days
        # Times in the log are displayed in that zone
        log = rows(ask(simulator, "/reports/log", params=[*day, ("columns[]", "timestamp")]))
        assert {row[2:12] for row in log} == {"2025-03-28"}


def test_a_size_of_pages_that_is_ignored(simulate: Simulate) -> None:
    simulator = simulate(AdspectSimulator(days=1, streams=25, per_page="default"))
    pages = [ask(simulator, "/streams", params=[("page", page), ("per-page", 100)]) for page in (1, 2)]
    assert [len(reply.json()) for reply in pages] == [20, 5]
    assert pages[0].headers["X-Pagination-Page-Count"] == "2"


def test_addresses_of_both_protocols(simulate: Simulate) -> None:
    simulator = simulate(AdspectSimulator(first_day=date(2025, 3, 28), days=1, addresses="mapped"))
    replies = rows(ask(simulator, "/reports/log", params=[*DAY.items(), ("columns[]", "ip_address")]))
    starts = {row[2:9] for row in replies}
    assert {"192.0.2", "::ffff:"} <= starts


@pytest.mark.parametrize(("option", "body"), [("html", b"<!DOCTYPE html>"), ("empty", b""), ("object", b'{"name"')])
def test_bodies_of_errors(simulate: Simulate, option: str, body: bytes) -> None:
    simulator = simulate(AdspectSimulator(days=1, error_body=option))
    reply = ask(simulator, "/account", Authorization=authorization(simulator, "x"))
    assert reply.status == 401
    assert reply.body.startswith(body)
    assert bool(reply.body) is bool(body)
