"""The Adspect simulator's data: documented examples, special cases, truth and restatement."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from vendor_simulators.adspect import AdspectSimulator, printed
from vendor_simulators.adspect.funnel import METRICS
from vendor_simulators.calls import call

if TYPE_CHECKING:
    from vendor_simulators.pytest_plugin import Simulate

FIRST, LAST = date(2025, 3, 28), date(2025, 4, 1)
APRIL = {"date_from": 1711929600, "date_to": 1712275200}

# As in the documentation (REST API, "Sales Funnel", "Click Log"), in any order
EXAMPLE_1 = """\
["1ec5880e-bcb6-49b8-9778-a31d22b70708", "1453", "754", "699", 0.5189263592567103]
["07ac03df-268e-41ff-84ba-adfe2241beb2", "3219", "2034", "1125", 0.6318732525629077]
["7a3d39f7-fe75-431e-8be6-9ea9b56b1e4a", "179", "0", "179", 0]
["9f79b75f-20ef-4654-8141-b8bbb2124ec4", "65", "0", "65", 0]
"""
EXAMPLE_2 = """\
["2024-04-01", "931", "343", "582", 0.3684210526315789]
["2024-04-02", "1166", "829", "300", 0.7109777015437393]
["2024-04-03", "1113", "855", "243", 0.7681940700808625]
["2024-04-04", "9", "7", "0", 0.7777777777777778]
"""
EXAMPLE_LOG = """\
["2024-04-01 00:00:00", "23.83.90.68", "US", 0]
["2024-04-01 00:00:00", "2a03:2880:30ff:8::33", "SE", 0]
["2024-04-01 00:00:00", "47.128.19.245", "SG", 0]
["2024-04-01 00:00:00", "176.223.109.119", "US", 0]
["2024-04-01 00:00:00", "2a03:2880:20ff:76::33", "US", 0]
["2024-04-01 00:00:00", "89.248.163.208", "NL", 0]
["2024-04-01 00:00:00", "47.128.98.197", "SG", 0]
["2024-04-01 00:00:00", "47.128.25.161", "SG", 0]
["2024-04-01 00:00:00", "95.90.237.130", "DE", 0]
["2024-04-01 00:00:00", "176.5.15.114", "DE", 0]
"""


def get(simulator: AdspectSimulator, path: str, *params: tuple[str, Any]) -> str:
    """Send a documented request and return the body."""
    from base64 import b64encode  # noqa: PLC0415 - for this helper only

    key = b64encode(f"{simulator.api_key}:".encode()).decode()
    headers = {"Authorization": f"Basic {key}", "Content-Type": "application/json"}
    query: Any = list(params)
    return call(simulator.url, f"/v1{path}", params=query, headers=headers).body.decode()


@pytest.fixture
def april(simulate: Simulate) -> AdspectSimulator:
    return simulate(AdspectSimulator(printed=True))


def test_the_documented_reports_are_returned_exactly(april: AdspectSimulator) -> None:
    metrics = [("metrics[]", name) for name in ("clicks", "money_hits", "safe_hits", "quality")]
    body = get(april, "/reports/funnel", ("group_by[]", "stream_id"), *metrics)
    assert sorted(body.splitlines()) == sorted(EXAMPLE_1.splitlines())
    stream = ("stream_id[]", printed.STREAM)
    assert get(april, "/reports/funnel", ("group_by[]", "date"), *metrics, stream) == EXAMPLE_2
    assert april.violations == []


def test_the_documented_log_is_returned_exactly(april: AdspectSimulator) -> None:
    # The documented request has a day in words; the response shows its first second
    columns = [("columns[]", name) for name in ("timestamp", "ip_address", "country_code", "target")]
    second = [("date_from", 1711929600), ("date_to", 1711929601), ("stream_id[]", printed.STREAM)]
    assert get(april, "/reports/log", *columns, *second) == EXAMPLE_LOG
    day = get(april, "/reports/log", *columns, *APRIL.items(), ("stream_id[]", printed.STREAM))
    assert set(EXAMPLE_LOG.splitlines()) <= set(day.splitlines())


def test_the_data_include_the_documented_objects(adspect: AdspectSimulator) -> None:
    streams = json.loads(get(adspect, "/streams", ("per-page", 100)))
    [example] = [one for one in streams if one["stream_id"] == "1eacc6d0-875f-6f5c-bff8-00162501c2b4"]
    assert example["click_cost"] in ("0.15", 0.15)
    assert example["schedule"] == [{"days": ["Sun", "Sat"], "since": "15:30:00", "till": "22:15:00"}]
    assert example["allow_apps"] is True
    queries = json.loads(get(adspect, "/reports"))
    assert queries[0] == {
        "query_id": "878efbf1-0fb9-4c69-ad36-40e714b0eeeb",
        "owner_id": "1eb5991f-a25b-68f4-b171-00162501c2b4",
        "date_from": 1577836800,
        "date_to": None,
        "time_zone": "Asia/Dubai",
        "group_by": [],
        "stream_id": ["6792f6ce-f153-439f-b223-f58749f1210f"],
        "ip_address": [],
        "asn": [],
        "country_code": ["HK", "AE"],
        "os": ["iOS", "macOS"],
        "browser": ["Apple Safari"],
        "engine": [],
        "sub_id": [],
        "click_id": [],
        "mode": ["Filter"],
        "target": [],
    }


def test_there_are_special_cases(adspect: AdspectSimulator) -> None:
    clicks = adspect.truth("click_log")
    # Duplicates in one second, some of them equal in every column
    identities = Counter(
        tuple(str(row[name]) for name in ("timestamp", "stream_id", "click_id", "sequence", "ip_address"))
        for row in clicks
    )
    assert max(identities.values()) > 1
    columns = [name for name in clicks[0] if name != "_row_key"]
    whole = Counter(json.dumps([row[name] for name in columns], default=str) for row in clicks)
    assert max(whole.values()) > 1
    assert len({row["_row_key"] for row in clicks}) == len(clicks) == 300
    # Both ends of each day, three stages, blank ids, other scripts
    moments = {str(row["timestamp"])[11:] for row in clicks}
    assert {"00:00:00Z", "23:59:59Z", "01:00:00Z"} <= moments
    assert {row["sequence"] for row in clicks} == {0, 1, 255}
    assert {None} < {row["click_id"] for row in clicks}
    assert any(row["sub_id"] and not str(row["sub_id"]).isascii() for row in clicks)
    # A count too large for a float, null dimensions, and clicks that were shown neither page
    funnel = adspect.truth("funnel", dimensions=["date", "asn"], metrics=METRICS)
    assert max(int(row["givt"]) for row in funnel) >= 2**53 + 1
    assert -1 in {row["asn"] for row in funnel}
    assert any(row["money_hits"] + row["safe_hits"] < row["clicks"] for row in funnel)
    assert any(row["cr"] == 0 for row in funnel)
    # A property with two types, an undocumented field
    levels = {type(one["filter_level"]) for one in json.loads(get(adspect, "/streams", ("per-page", 100)))}
    assert levels == {int, str}
    assert any(row["_extra"] for row in adspect.truth("streams"))


def test_days_are_in_the_requested_zone(adspect: AdspectSimulator) -> None:
    # 30 March has 23 hours in Berlin
    zone = ZoneInfo("Europe/Berlin")
    rows = adspect.truth("funnel", dimensions=["date"], metrics=["clicks"], time_zone=zone.key)
    utc = adspect.truth("funnel", dimensions=["date"], metrics=["clicks"])
    assert [row["date"] for row in rows] == [row["date"] for row in utc]
    assert [row["clicks"] for row in rows] != [row["clicks"] for row in utc]
    body = get(
        adspect,
        "/reports/funnel",
        ("date_from", 1743289200),
        ("date_to", 1743372000),
        ("time_zone", zone.key),
        ("group_by[]", "date"),
        ("metrics[]", "clicks"),
    )
    assert json.loads(body) == ["2025-03-30", str(rows[2]["clicks"])]


def test_the_same_seed_gives_the_same_data() -> None:
    one, other, third = (AdspectSimulator(seed=seed, first_day=FIRST, days=2, rows_per_day=30) for seed in (1, 1, 2))
    for stream in ("streams", "funnel", "click_log", "saved_queries"):
        assert one.truth(stream) == other.truth(stream)
    assert one.truth("click_log") != third.truth("click_log")


def test_truth_does_not_depend_on_the_wire_format() -> None:
    plain = AdspectSimulator(first_day=FIRST, days=2, rows_per_day=30)
    options: list[dict[str, Any]] = [
        {"totals": "none", "list_body": "items", "date_to": "inclusive", "report_body": "array", "counts": "number"},
        {"money": "string", "empty_ratio": "nan", "log_order": "ascending", "past_end": "empty"},
        {"asn": "halves", "lists": "commas"},
    ]
    for option in options:
        other = AdspectSimulator(first_day=FIRST, days=2, rows_per_day=30, **option)
        for stream in ("streams", "account", "saved_queries", "funnel", "click_log", "stream_ip_lists"):
            assert other.truth(stream) == plain.truth(stream)


def test_truth_of_an_unknown_stream() -> None:
    with pytest.raises(ValueError, match="no stream 'clicks'"):
        AdspectSimulator(days=1).truth("clicks")


def test_the_account_balance_is_a_number_of_many_digits(adspect: AdspectSimulator) -> None:
    assert adspect.truth("account")[0]["balance"] == Decimal("12345678901234567.89")
    assert '"balance":"12345678901234567.89"' in get(adspect, "/account")


def test_a_restatement_changes_some_rows_and_adds_others(adspect: AdspectSimulator) -> None:
    before = {str(row["_row_key"]): row for row in adspect.truth("click_log")}
    funnel = adspect.truth("funnel")
    restated = adspect.restate(days=2)
    after = {str(row["_row_key"]): row for row in adspect.truth("click_log")}
    assert set(after) - set(before) == set(restated.added)
    assert len(restated.added) == 2
    changed = {key for key, row in before.items() if after[key] != row}
    assert changed
    assert changed <= set(restated.changed)
    # Earlier days are unchanged, also in the funnel
    old = [row for row in funnel if str(row["date"]) < "2025-03-31"]
    assert [row for row in adspect.truth("funnel") if str(row["date"]) < "2025-03-31"] == old
    assert adspect.truth("funnel") != funnel
    # Another seed restates again
    assert set(adspect.restate(seed=2, days=2).added).isdisjoint(restated.added)
