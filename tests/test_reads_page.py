"""docs/reads.md lists every stream, argument and documented read, and nothing that does not exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from generate import TAPS, extractor, tap_class
from vendor_simulators.adspect.entities import COLLECTIONS
from vendor_simulators.adspect.funnel import FILTERS
from vendor_simulators.ispot.rules import ENDPOINTS
from vendor_simulators.magnite.inventory import KINDS
from vendor_simulators.magnite.options import MagniteOptions
from vendor_simulators.spotwatch.rules import CALLS, FORBIDDEN_CALLS
from vendor_simulators.springserve.data import MEMBERS, SIZES, SMALL

if TYPE_CHECKING:
    from collections.abc import Iterable

TITLES = {name: str(extractor(name)["label"]) for name in TAPS}
OF_THE_SDK = ("stream_map", "faker_", "flattening_")
"""Prefixes of the settings that singer-sdk adds."""

NOT_ARGUMENTS = {
    # The window, and how requests are sent and checked
    *("start_date", "end_date", "lookback_days", "window_days", "parallel_requests", "budget_folder", "api_url"),
    *(
        "request_timeout",
        "max_response_mb",
        "extra_fields",
        "row_count_check",
        "on_forbidden",
        "allow_http",
        "user_agent",
    ),
    *("dma_in_key", "channel_in_key", "window_overlap_seconds"),
    *("ads_lookback_days", "broadcasts_lookback_days", "blocks_lookback_minutes"),
    *("log_window_minutes", "log_lookback_hours", "log_lag_minutes", "log_row_limit", "log_count_check", "ip_salt"),
    *("requests_per_minute", "report_requests_per_minute", "domain_report_requests_per_minute"),
    *("report_poll_interval", "report_timeout", "overlap_minutes", "timestamp_zone"),
    *("poll_interval", "query_timeout", "busy_wait", "busy_timeout"),
}
"""Settings that are not arguments of a vendor."""

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "reads.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, flags=re.DOTALL | re.MULTILINE))
TOKENS = r"((?:`[a-z0-9_]+`(?:,\s|\sand\s)?)+)"


def tokens(text: str, before: str = "") -> set[str]:
    """Return the names in backticks that follow a mark."""
    found = re.findall(before + TOKENS, text)
    return {name for names in found for name in re.findall(r"`(.+?)`", names)}


def rows(name: str) -> list[list[str]]:
    """Return the rows of a tap's table: read, stream, arguments, fields."""
    lines = [line for line in SECTIONS[TITLES[name]].splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines[2:]]


def streams(row: list[str]) -> set[str]:
    """Return the streams of a row."""
    return tokens(re.sub(rf"→\s{TOKENS}", "", row[1]))


def documented(name: str) -> Iterable[str]:
    """Return the paths and arguments that a tap's simulator knows from the vendor's documents."""
    if name == "tap-ispot":
        return {*ENDPOINTS, *(f"filter[{one}]" for endpoint in ENDPOINTS.values() for one in endpoint.filters)}
    if name == "tap-spotwatch":
        return {*CALLS, *FORBIDDEN_CALLS, *(argument for call in CALLS.values() for argument in call.arguments)} - {
            "id"
        }
    if name == "tap-adspect":
        lists = {
            f"{owner}/ip-{kind}" for owner in ("/streams/<ID>", "/accounts/self") for kind in ("blacklist", "whitelist")
        }
        reports = {"/reports/funnel", "/reports/log", *(f"{one}[]" for one in FILTERS)}
        return {"/streams", "/reports", "/account", "/collections/<name>", *COLLECTIONS, *lists, *reports}
    if name == "tap-springserve":
        members = {f"/{parents}/{{id}}/{part}" for parents, _, part, _ in MEMBERS.values()}
        return {*(f"/{one}" for one in (*SIZES, *SMALL)), *members, "POST /report"}
    if name == "tap-magnite":
        options = MagniteOptions()
        paths = {"supply": options.supply_path, "ad_units": options.ad_units_path}
        fields = {f"/query/sources/{{sourceId}}/{kind}" for kind in ("dimensions", "metrics")}
        queries = {"/queries", "/queries/{executionCode}", "/queries/{executionCode}/results"}
        return {*(f"/{paths.get(kind, kind)}" for kind in KINDS), "/query/sources", *fields, *queries}
    return ()


@pytest.mark.parametrize("name", TAPS)
def test_the_page_has_the_streams_of_a_tap(name: str) -> None:
    existing = tap_class(name)(config={}, validate_config=False, setup_mapper=False).streams

    assert {stream for row in rows(name) for stream in streams(row)} == set(existing)


@pytest.mark.parametrize("name", TAPS)
def test_the_page_has_the_settings_of_a_tap_that_are_arguments(name: str) -> None:
    declared = {one for one in tap_class(name).config_jsonschema["properties"] if not one.startswith(OF_THE_SDK)}

    assert tokens(SECTIONS[TITLES[name]], r"→\s") == declared - NOT_ARGUMENTS


@pytest.mark.parametrize("name", TAPS)
def test_columns_on_the_page_exist(name: str) -> None:
    existing = tap_class(name)(config={}, validate_config=False, setup_mapper=False).streams

    for row in rows(name):
        assert len(row) == 4
        columns = {column for stream in streams(row) for column in existing[stream].schema["properties"]}
        # A report without days
        columns |= {"from_date", "to_date"} if "day" in columns else set()
        assert tokens(row[3], "(?:as|added:) ") - columns == set(), row[0]


@pytest.mark.parametrize("name", TAPS)
def test_the_page_has_the_documented_paths_and_arguments(name: str) -> None:
    assert [one for one in sorted(documented(name)) if f"`{one}`" not in SECTIONS[TITLES[name]]] == []


def test_settings_that_are_not_arguments_exist() -> None:
    declared = {setting for name in TAPS for setting in tap_class(name).config_jsonschema["properties"]}

    assert declared >= NOT_ARGUMENTS
