"""What goes over the wire: each stream's requests to the letter, and the worked example of the specification."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ispot_fixtures import RunTap, Script
    from vendor_simulators.ispot import ISpotSimulator
    from vendor_simulators.messages import Request, Response

INCLUDE = "brand,parent_brand,spot,creative,day_of_week,day_part,episode,industry,network,genre,sub_genre,show,product"
DAY = {"filter[start_date]": "2024-03-12", "filter[end_date]": "2024-03-12"}
AIRINGS = {
    **DAY,
    "filter[airing_type]": "N,R",
    "filter[national_only]": "1",
    "include": INCLUDE,
    "sort": "airing_date_et,id",
    "page[size]": "10000",
    "page[number]": "1",
}
LIST = {"sort": "id", "page[size]": "1000", "page[number]": "1"}
UNSORTED = {"page[size]": "1000", "page[number]": "1"}

# What a run over one day asks for, besides the token
REQUESTS = {
    "audience_airings": ("/v4/metrics/audience/airings", AIRINGS),
    "tv_airings": ("/v4/metrics/tv/airings", AIRINGS),
    "attention_airings": ("/v4/metrics/attention/airings", AIRINGS),
    "airings": ("/v4/airings", AIRINGS),
    "airing_updates": ("/v4/airings/updates", {**DAY, "page[size]": "10000", "page[number]": "1"}),
    "brands": ("/v4/brands", {**LIST, "include": "industry,parent", "filter[access]": "1"}),
    "industries": ("/v4/industries", {**LIST, "include": "parent", "filter[access]": "1"}),
    "networks": ("/v4/networks", LIST),
    "network_families": ("/v4/networks/family", UNSORTED),
    "extended_network_families": ("/v4/networks/family/extended", UNSORTED),
    "shows": ("/v4/shows", {**LIST, "include": "genre,sub_genre"}),
    "products": ("/v4/products", LIST),
    "product_categories": ("/v4/product-categories", {**LIST, "include": "brand,industry,product"}),
    "spots": ("/v4/spots", {**LIST, **DAY, "include": "brand,parent,type,children,products,events"}),
    "new_spots": ("/v4/spots/new", UNSORTED),
    "active_spots": ("/v4/spots/actives", UNSORTED),
    "spot_updates": ("/v4/spots/updates", {**DAY, "page[size]": "10000", "page[number]": "1"}),
    "celebrities": ("/v4/celebrities", LIST),
    "movies": ("/v4/movies", LIST),
    "events": ("/v4/events", LIST),
    "episodes": ("/v4/episodes", {**LIST, "include": "show"}),
    "account": ("/v4/account", UNSORTED),
    "users": ("/v4/users", LIST),
    "access": ("/v4/access", UNSORTED),
    "notifications": ("/v4/notifications", LIST),
}


@pytest.mark.parametrize("stream", REQUESTS)
def test_a_stream_asks_for_exactly_this(run_tap: RunTap, ispot: ISpotSimulator, stream: str) -> None:
    path, params = REQUESTS[stream]
    # When one day is read
    run_tap({**ispot.settings(), "start_date": "2024-03-12", "end_date": "2024-03-12"}, stream)
    # Then there is a login and one request
    login, *data = ispot.journal
    assert (login.method, login.path, len(data)) == ("POST", "/v4/oauth2/token", 1)
    assert (data[0].method, data[0].path, dict(data[0].params)) == ("GET", path, params)
    assert len(data[0].params) == len(params)
    assert ispot.violations == []


def test_the_login_is_a_form_of_three_fields(run_tap: RunTap, ispot: ISpotSimulator) -> None:
    run_tap(ispot.settings(), "movies")
    login = ispot.journal[0]
    assert login.target == "/v4/oauth2/token"
    assert sorted(login.form_items()) == [
        ("client_id", ispot.client_id),
        ("client_secret", ispot.client_secret),
        ("grant_type", "client_credentials"),
    ]
    assert login.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert "Authorization" not in login.headers
    assert login.basic() is None


def test_data_requests_carry_these_headers(run_tap: RunTap, ispot: ISpotSimulator) -> None:
    run_tap(ispot.settings(), "movies")
    headers = ispot.journal[1].headers
    assert headers["Authorization"] == f"Bearer {ispot.tokens.issued[0]}"
    assert headers["Accept-Encoding"] == "gzip"
    assert headers["Accept"] == "application/json"
    assert headers["User-Agent"].startswith("tap-ispot/")
    assert "iSpot-Version" not in headers
    assert "Cookie" not in headers


def test_user_agent_and_version_are_sent_when_set(run_tap: RunTap, ispot: ISpotSimulator) -> None:
    run_tap({**ispot.settings(), "user_agent": "acme/1", "api_version": "2024-02-29"}, "movies")
    login, data = ispot.journal
    assert login.headers["User-Agent"] == data.headers["User-Agent"] == "acme/1"
    assert data.headers["iSpot-Version"] == "2024-02-29"
    assert ispot.violations == []


def test_filters_follow_the_settings(run_tap: RunTap, ispot: ISpotSimulator) -> None:
    # Given every filter set to something else than its default
    settings = {
        **ispot.settings(),
        "start_date": "2024-03-12",
        "end_date": "2024-03-12",
        "airing_types": [],
        "national_only": False,
        "accessible_only": False,
        "brand_ids": [2100, 2103],
        "industry_ids": [119],
        "network_ids": [300, 301, 302],
        "parent_brand_ids": [2100],
        "spot_ids": [3000000],
        "creative_ids": [3000000, 4000000],
        "show_ids": [40000],
        "product_ids": [7000],
        "product_types": ["primary", "secondary"],
        "spot_types": [1, 3],
        "languages": ["en", "es"],
        "catalog_sort": "-id",
        "catalog_includes": {"brands": ["parent"], "product_categories": []},
        "airing_includes": ["brand.parent", "industry.parent"],
        "spot_includes": ["brand", "airing_summary"],
        "airing_sort": "date,id",
        "page_size": 50,
        "catalog_page_size": 70,
    }
    # When
    run_tap(settings, "tv_airings", "airing_updates", "brands", "spots", "product_categories")
    # Then
    by_path = {request.path: dict(request.params) for request in ispot.journal if request.method == "GET"}
    assert by_path["/v4/metrics/tv/airings"] == {
        **DAY,
        "filter[brand]": "2100,2103",
        "filter[industry]": "119",
        "filter[network]": "300,301,302",
        "filter[parent_brand]": "2100",
        "filter[spot]": "3000000",
        "filter[creative]": "3000000,4000000",
        "filter[show]": "40000",
        "filter[product]": "7000",
        "filter[product_type]": "primary,secondary",
        "filter[spot_type]": "1,3",
        "filter[language]": "en,es",
        "include": "brand.parent,industry.parent",
        "sort": "date,id",
        "page[size]": "50",
        "page[number]": "1",
    }
    assert by_path["/v4/airings/updates"] == {**DAY, "page[size]": "50", "page[number]": "1"}
    assert by_path["/v4/brands"] == {
        "include": "parent",
        "sort": "-id",
        "page[size]": "70",
        "page[number]": "1",
    }
    assert by_path["/v4/product-categories"] == {"sort": "-id", "page[size]": "70", "page[number]": "1"}
    assert by_path["/v4/spots"] == {
        **DAY,
        "filter[brand]": "2100,2103",
        "filter[industry]": "119",
        "include": "brand,airing_summary",
        "sort": "-id",
        "page[size]": "70",
        "page[number]": "1",
    }
    assert ispot.violations == []


def test_a_list_can_be_read_without_a_sort(run_tap: RunTap, ispot: ISpotSimulator) -> None:
    run = run_tap({**ispot.settings(), "catalog_sort": ""}, "movies")
    assert dict(ispot.journal[1].params) == UNSORTED
    assert run.by_key("movies") == ispot.truth("movies")


def test_a_slash_at_the_end_of_the_address_is_no_harm(run_tap: RunTap, ispot: ISpotSimulator) -> None:
    run_tap({**ispot.settings(), "api_url": f"{ispot.api_url}/"}, "movies")
    assert [request.path for request in ispot.journal] == ["/v4/oauth2/token", "/v4/movies"]


def asked(requests: list[Request]) -> list[tuple[str, str, int]]:
    """Return first day, last day and page of each request."""
    return [
        (
            request.param("filter[start_date]") or "",
            request.param("filter[end_date]") or "",
            int(request.param("page[number]") or 0),
        )
        for request in requests
    ]


def test_the_worked_example(run_tap: RunTap, script: Script) -> None:
    # Given 2024-03-08 with three pages, of which the last two are asked for at once, an empty 2024-03-09, and one page
    # on each day after it
    both = threading.Barrier(2, timeout=10)

    def answer(request: Request) -> Response:
        day, number = request.param("filter[start_date]") or "", int(request.param("page[number]") or 0)
        if day == "2024-03-08":
            if number > 1:
                both.wait()
            return script.page([script.airing(number)], total=3, total_pages=3)
        if day == "2024-03-09":
            return script.page([], total=0, total_pages=1)
        return script.page([script.airing(int(day[-2:]), f"{day}T12:00:00-04:00")], total=1, total_pages=1)

    vendor = script(answer)
    settings = {**vendor.settings(), "start_date": "2024-03-08", "end_date": "2024-03-10", "lookback_days": 2}

    # When run 1
    first = run_tap(settings, "audience_airings")

    # Then
    login, *data = vendor.journal
    assert (login.method, login.path) == ("POST", "/v4/oauth2/token")
    assert {(request.method, request.path) for request in data} == {("GET", "/v4/metrics/audience/airings")}
    assert dict(data[0].params) == {
        **AIRINGS,
        "filter[start_date]": "2024-03-08",
        "filter[end_date]": "2024-03-08",
    }
    assert asked(data)[0] == ("2024-03-08", "2024-03-08", 1)
    assert sorted(asked(data)[1:3]) == [("2024-03-08", "2024-03-08", 2), ("2024-03-08", "2024-03-08", 3)]
    assert asked(data)[3:] == [("2024-03-09", "2024-03-09", 1), ("2024-03-10", "2024-03-10", 1)]
    kinds = [(one["type"], one.get("record", {}).get("airing_id")) for one in first.messages]
    assert kinds == [
        ("SCHEMA", None),
        ("RECORD", "1"),
        ("RECORD", "2"),
        ("RECORD", "3"),
        ("STATE", None),
        ("STATE", None),
        ("RECORD", "10"),
        ("STATE", None),
    ]
    assert first.bookmarks() == [
        "2024-03-09T00:00:00-05:00",
        "2024-03-10T00:00:00-05:00",
        "2024-03-11T00:00:00-04:00",
    ]

    # When run 2
    vendor.journal.clear()
    second = run_tap({**settings, "end_date": "2024-03-12"}, "audience_airings", state=first.states[-1])

    # Then
    assert vendor.journal[0].path == "/v4/oauth2/token"
    assert asked(vendor.journal[1:]) == [
        ("2024-03-09", "2024-03-09", 1),
        ("2024-03-10", "2024-03-10", 1),
        ("2024-03-11", "2024-03-11", 1),
        ("2024-03-12", "2024-03-12", 1),
    ]
    # singer-sdk repeats the state that it was given; then comes one for each window
    assert second.bookmarks() == [
        "2024-03-11T00:00:00-04:00",
        "2024-03-11T00:00:00-04:00",
        "2024-03-11T00:00:00-04:00",
        "2024-03-12T00:00:00-04:00",
        "2024-03-13T00:00:00-04:00",
    ]
    assert [record["airing_id"] for record in second.records()] == ["10", "11", "12"]


def test_a_window_of_several_days_is_one_request(run_tap: RunTap, ispot: ISpotSimulator) -> None:
    run = run_tap({**ispot.settings(), "end_date": "2024-03-12", "window_days": 3}, "audience_airings")
    assert asked(ispot.journal[1:]) == [("2024-03-08", "2024-03-10", 1), ("2024-03-11", "2024-03-12", 1)]
    assert run.bookmarks() == ["2024-03-11T00:00:00-04:00", "2024-03-13T00:00:00-04:00"]


def test_updates_are_read_a_day_at_a_time_whatever_the_window(run_tap: RunTap, ispot: ISpotSimulator) -> None:
    run = run_tap({**ispot.settings(), "end_date": "2024-03-10", "window_days": 31}, "airing_updates")
    assert [(first, last) for first, last, _ in asked(ispot.journal[1:])] == [
        ("2024-03-08", "2024-03-08"),
        ("2024-03-09", "2024-03-09"),
        ("2024-03-10", "2024-03-10"),
    ]
    assert run.bookmarks("airing_updates") == ["2024-03-09", "2024-03-10", "2024-03-11"]


def test_a_start_after_today_is_refused(run_tap: RunTap, ispot: ISpotSimulator) -> None:
    # Given a start after today, which is 2024-03-20
    run = run_tap({**ispot.settings(), "start_date": "2024-03-21"}, "spots", "audience_airings", fails=True)
    assert len(ispot.journal) == 0
    assert run.error == (
        "setting `start_date`: '2024-03-21' is in the future: it is now 2024-03-20 12:00 (America/New_York): give an "
        "earlier date"
    )


def test_paging_never_follows_a_link(run_tap: RunTap, script: Script) -> None:
    # Given answers whose links lead elsewhere
    links = {"previous": "http://example.invalid/1", "next": "http://example.invalid/2"}
    vendor = script.rows({"id": 1}, total=1, total_pages=1, links=links)
    # When
    run_tap(vendor.settings(), "movies")
    # Then
    assert [request.path for request in vendor.data_requests] == ["/v4/movies"]
