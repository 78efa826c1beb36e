"""iSpot pages, filters, order, request limits, rights."""

from __future__ import annotations

import time
from datetime import date
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from vendor_simulators.calls import Reply, call
from vendor_simulators.faults import Fault
from vendor_simulators.ispot import ISpotSimulator
from vendor_simulators.limits import Rule

if TYPE_CHECKING:
    from vendor_simulators.pytest_plugin import Simulate

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
AIRINGS = "/v4/metrics/audience/airings"
DAY = {"filter[start_date]": "2024-03-10", "filter[end_date]": "2024-03-10"}


def log_in(simulator: ISpotSimulator, **changes: str) -> Reply:
    fields = {"client_id": simulator.client_id, "client_secret": simulator.client_secret}
    body = urlencode({**fields, "grant_type": "client_credentials", **changes})
    return call(simulator.url, "/v4/oauth2/token", "POST", headers=FORM, body=body)


def get(simulator: ISpotSimulator, path: str, params: dict[str, Any] | None = None, **headers: str) -> Reply:
    authorization = {"Authorization": f"Bearer {simulator.tokens.issue()}"}
    return call(simulator.url, path, params=params, headers={**authorization, **headers})


def airing_ids(reply: Reply) -> list[int]:
    return [int(row["airing"]["data"]["id"]) for row in reply.json()["data"]]


def test_faults_of_an_api(simulate: Simulate) -> None:
    """Each option breaks one promise of a list, and nothing else."""
    params = {**DAY, "sort": "airing_date_et,id", "page[size]": 10}

    def pages(**options: Any) -> tuple[list[int], int]:
        simulator = simulate(ISpotSimulator(first_day=date(2024, 3, 8), days=5, rows_per_day=40, **options))
        found = [get(simulator, AIRINGS, {**params, "page[number]": number}) for number in (1, 2, 3, 4)]
        return [one for page in found for one in airing_ids(page)], found[0].json()["meta"]["pagination"]["total"]

    right, total = pages()
    assert (len(right), total) == (40, 40)
    assert pages(total_error=-3) == (right, 37)
    assert pages(skipped_rows=2) == ([one for place, one in enumerate(right) if place % 10 > 1 or place < 2], 34)
    shared, _ = pages(shared_ids=True)
    assert (len(shared), len(set(shared)), shared[20]) == (40, 39, shared[19])
    unsorted, _ = pages(sort="ignored")
    assert unsorted != right
    assert set(unsorted) < set(right)


@pytest.mark.parametrize(
    ("options", "days"),
    [
        ({}, ["2024-03-10", "2024-03-11"]),
        ({"end_date": "exclusive"}, ["2024-03-10"]),
        ({"day_zone": "utc"}, ["2024-03-09", "2024-03-10", "2024-03-11"]),
    ],
)
def test_other_meanings_of_the_dates(simulate: Simulate, options: dict[str, Any], days: list[str]) -> None:
    simulator = simulate(ISpotSimulator(first_day=date(2024, 3, 8), days=5, rows_per_day=40, **options))
    params = {"filter[start_date]": "2024-03-10", "filter[end_date]": "2024-03-11", "sort": "id", "page[size]": 1000}
    found = get(simulator, AIRINGS, params).json()["data"]
    assert sorted({row["airing"]["data"]["aired_at_et"][:10] for row in found}) == days


def test_pages_contain_all_rows_and_link_to_each_other(ispot: ISpotSimulator) -> None:
    # Given 40 airings of one day in pages of 15
    params = {**DAY, "sort": "airing_date_et,id", "page[size]": 15}
    whole = get(ispot, AIRINGS, {**params, "page[size]": 10000})

    # When the three pages are read
    pages = [get(ispot, AIRINGS, {**params, "page[number]": number}).json() for number in (1, 2, 3)]

    # Then together they contain all rows, and meta is as documented
    assert [row for page in pages for row in page["data"]] == whole.json()["data"]
    assert whole.json()["meta"] == {
        "pagination": {
            "total": 40,
            "count": 40,
            "per_page": 10000,
            "current_page": 1,
            "total_pages": 1,
            "links": {},
        }
    }
    found = [page["meta"]["pagination"] for page in pages]
    links = [found_page.pop("links") for found_page in found]
    assert found == [
        {"total": 40, "count": count, "per_page": 15, "current_page": number, "total_pages": 3}
        for number, count in ((1, 15), (2, 15), (3, 10))
    ]
    assert [sorted(page_links) for page_links in links] == [["next"], ["next", "previous"], ["previous"]]
    parts = urlsplit(links[0]["next"])
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == f"{ispot.url}{AIRINGS}"
    assert dict(parse_qsl(parts.query)) == {**{k: str(v) for k, v in params.items()}, "page[number]": "2"}


def test_page_size_is_100_by_default(ispot: ISpotSimulator) -> None:
    # When a long list is requested without a size, then a page has 100 rows
    pagination = get(ispot, "/v4/episodes").json()["meta"]["pagination"]
    assert (pagination["count"], pagination["per_page"]) == (100, 100)


@pytest.mark.parametrize(
    ("options", "links", "total_pages"),
    [
        ({}, {"links": {}}, 1),
        ({"links": "empty_list", "empty_total_pages": 0}, {"links": []}, 0),
        ({"links": "null"}, {"links": None}, 1),
        ({"links": "absent"}, {}, 1),
    ],
)
def test_an_empty_list_in_each_variant(
    simulate: Simulate, options: dict[str, Any], links: dict[str, Any], total_pages: int
) -> None:
    # Given a day without airings
    simulator = simulate(ISpotSimulator(days=1, rows_per_day=5, **options))

    # When it is read
    body = get(simulator, AIRINGS, DAY).json()

    # Then page 1 exists and is empty
    expected = {"total": 0, "count": 0, "per_page": 100, "current_page": 1, "total_pages": total_pages, **links}
    assert body == {"data": [], "meta": {"pagination": expected}}
    assert simulator.violations == []


def test_pagination_may_be_absent_and_pages_clamped(simulate: Simulate) -> None:
    # Given either variant
    without = simulate(ISpotSimulator(days=1, pagination="absent"))
    clamped = simulate(ISpotSimulator(days=1, clamp_page_size=50))

    # When a list is read
    bare = get(without, "/v4/episodes", {"page[size]": 1000}).json()
    last = get(clamped, "/v4/episodes", {"page[size]": 1000, "page[number]": 7, "sort": "id"}).json()

    # Then meta is missing, or matches the smaller page
    assert list(bare) == ["data"]
    assert last["meta"]["pagination"]["per_page"] == 50
    assert last["meta"]["pagination"]["total_pages"] == 7
    assert len(last["data"]) == last["meta"]["pagination"]["count"] == last["meta"]["pagination"]["total"] - 300


def test_dates_are_inclusive_and_days_do_not_share_rows(ispot: ISpotSimulator) -> None:
    # When a range and its days are read
    days = [
        airing_ids(get(ispot, AIRINGS, {"filter[start_date]": day, "filter[end_date]": day}))
        for day in ("2024-03-09", "2024-03-10", "2024-03-11")
    ]
    both = {"filter[start_date]": "2024-03-09", "filter[end_date]": "2024-03-11", "page[size]": 200}

    # Then the range contains the same rows as its days
    assert [len(ids) for ids in days] == [40, 40, 40]
    assert sorted(airing_ids(get(ispot, AIRINGS, both))) == sorted(days[0] + days[1] + days[2])


def test_filters_are_applied(simulate: Simulate) -> None:
    # Given a day with airings of all types
    simulator = simulate(ISpotSimulator(first_day=date(2024, 3, 10), days=1, rows_per_day=500))
    everything = {"airing_types": (), "national_only": False}
    query = {**DAY, "page[size]": 1000}

    def ids(**settings: Any) -> list[int]:
        return sorted(int(r["airing_id"]) for r in simulator.truth("tv_airings", **{**everything, **settings}))

    # When each filter is sent, then exactly the matching rows are returned
    for filters, settings in (
        ({}, {}),
        ({"filter[airing_type]": "R"}, {"airing_types": ("R",)}),
        ({"filter[airing_type]": "SC,NS"}, {"airing_types": ("SC", "NS")}),
        ({"filter[national_only]": 1}, {"national_only": True}),
        ({"filter[brand]": "2002,2100"}, {"brand_ids": (2002, 2100)}),
        ({"filter[industry]": 119}, {"industry_ids": (119,)}),
        ({"filter[network]": 305}, {"network_ids": (305,)}),
        ({"filter[parent_brand]": 2001}, {"parent_brand_ids": (2001,)}),
        ({"filter[show]": "40000,40001"}, {"show_ids": (40000, 40001)}),
        ({"filter[spot]": "3000000,3000007"}, {"spot_ids": (3000000, 3000007)}),
        ({"filter[creative]": 3000007}, {"creative_ids": (3000007,)}),
        ({"filter[product]": 7002}, {"product_ids": (7002,)}),
        ({"filter[product_type]": "primary"}, {"product_types": ("primary",)}),
        ({"filter[spot_type]": "1,4"}, {"spot_types": (1, 4)}),
        ({"filter[language]": "es"}, {"languages": ("es",)}),
    ):
        expected = ids(**settings)
        assert sorted(airing_ids(get(simulator, AIRINGS, {**query, **filters}))) == expected
        assert 0 < len(expected) <= 500 if not settings else 0 < len(expected) < 500

    # And lists exclude entities that the account may not access, and spots can be filtered by advertiser too
    brands = get(simulator, "/v4/brands", {"filter[access]": 1}).json()["meta"]["pagination"]["total"]
    assert brands == get(simulator, "/v4/brands").json()["meta"]["pagination"]["total"] - 4
    spots = get(simulator, "/v4/spots", {"filter[brand]": 2002, "include": "brand"}).json()["data"]
    assert {row["brand"]["data"]["id"] for row in spots} == {2002}
    online = {r["id"] for r in simulator.truth("brands", accessible_only=False) if r["industry_id"] == 119}
    by_industry = get(simulator, "/v4/spots", {"filter[industry]": 119, "include": "brand"}).json()["data"]
    assert {row["brand"]["data"]["id"] for row in by_industry} == online
    assert {2001, 2002} < online


def test_subresources_of_spots_and_networks(ispot: ISpotSimulator) -> None:
    # When the lists of new and active spots are read, then their rows are those of /spots
    spots = {row["id"]: row for row in get(ispot, "/v4/spots", {"page[size]": 1000}).json()["data"]}
    new = get(ispot, "/v4/spots/new", {"page[size]": 1000}).json()["data"]
    active = get(ispot, "/v4/spots/actives", {"page[size]": 1000}).json()["data"]
    assert (len(new), 0 < len(active) <= 40) == (30, True)
    assert [row for row in [*new, *active] if row != spots[row["id"]]] == []
    # And corrections have a status and the old title, unless the spot is new
    updates = get(ispot, "/v4/spots/updates", DAY).json()["data"]
    assert [(row["status"], "old" in row) for row in updates] == [("new", False), ("updated", True), ("deleted", True)]
    # And each network is in one family
    families = get(ispot, "/v4/networks/family").json()["data"]
    members = [network["id"] for family in families for network in family["networks"]["data"]]
    assert sorted(members) == [record["id"] for record in ispot.truth("networks")]
    assert get(ispot, "/v4/networks/family/extended").json()["data"] == families
    assert ispot.violations == []


def test_rows_have_the_requested_includes(ispot: ISpotSimulator) -> None:
    # When some are requested, then the airing, the spot and the metrics are included too
    def names(path: str, include: str | None) -> list[set[str]]:
        params = {**DAY, **({"include": include} if include else {})}
        return [set(row) for row in get(ispot, path, params).json()["data"]]

    assert names("/v4/metrics/tv/airings", None) == [{"airing", "spot"}] * 40
    assert names(AIRINGS, "brand.parent,episode") == [{"airing", "spot", "brand", "episode", "audience"}] * 40
    assert (
        names("/v4/metrics/attention/airings", "spot")
        == [{"airing", "spot", "audience", "attention", "view_completion_rate"}] * 40
    )
    assert names("/v4/airings", "industry") == [{"airing", "spot", "industry"}] * 40
    brands = get(ispot, "/v4/brands", {"include": "parent"}).json()["data"]
    assert {frozenset(row) for row in brands} == {frozenset({"id", "name", "slug", "parent"})}


def test_sort_is_applied_and_ties_move_between_calls(ispot: ISpotSimulator) -> None:
    # Given the same day in several orders
    def order(sort: str) -> list[int]:
        return airing_ids(get(ispot, AIRINGS, {**DAY, "sort": sort}))

    # When sorted by spend in descending order, then it is
    rows = get(ispot, AIRINGS, {**DAY, "sort": "-est_spend,id"}).json()["data"]
    amounts = [float(row["airing"]["data"]["spend_estimated"]) for row in rows]
    assert amounts == sorted(amounts, reverse=True)

    # When sorted by time and id, then the order is always the same; by date only, ties move; no row is lost
    total = order("airing_date_et,id")
    assert all(order("airing_date_et,id") == total for _ in range(3))
    loose = [order("date") for _ in range(3)]
    assert loose[0] != loose[1]
    assert all(sorted(ids) == sorted(total) for ids in loose)
    assert sorted(total) == order("id") == order("-id")[::-1]


def test_ties_may_be_stable(simulate: Simulate) -> None:
    # Given stable ties, when sorted by date only, then the order is always the same
    simulator = simulate(ISpotSimulator(first_day=date(2024, 3, 10), days=1, rows_per_day=40, ties="stable"))
    orders = [airing_ids(get(simulator, AIRINGS, {**DAY, "sort": "date"})) for _ in range(3)]
    assert orders[0] == orders[1] == orders[2]


def test_limits_are_enforced_on_request(simulate: Simulate) -> None:
    # Given the documented limit of 25 in 10 seconds
    simulator = simulate(ISpotSimulator(first_day=date(2024, 3, 10), days=1, rows_per_day=5, enforce_limits=True))

    # When 26 requests are sent, and one of another family
    replies = [get(simulator, AIRINGS, DAY) for _ in range(26)]

    # Then the last is refused with a problem body and no Retry-After, and the headers have counted down
    assert [reply.status for reply in replies] == [200] * 25 + [429]
    assert [int(reply.headers["X-RateLimit-Remaining"]) for reply in replies] == [*range(24, -1, -1), 0]
    assert {reply.headers["X-RateLimit-Limit"] for reply in replies} == {"25"}
    assert replies[-1].headers["Content-Type"] == "application/problem+json"
    assert "Retry-After" not in replies[-1].headers
    assert 0 <= int(replies[-1].headers["X-RateLimit-Reset"]) - time.time() <= 11
    assert get(simulator, "/v4/brands").status == 200


def test_limits_are_reported_but_not_enforced_by_default(simulate: Simulate) -> None:
    # Given a limit of two
    simulator = simulate(ISpotSimulator(days=1))
    simulator.limits.rules["brands"] = [Rule(2, 60)]

    # When four requests are sent, then all get a response and none reports zero remaining
    replies = [get(simulator, "/v4/brands") for _ in range(4)]
    assert [(reply.status, reply.headers["X-RateLimit-Remaining"]) for reply in replies] == [(200, "1")] * 4


@pytest.mark.parametrize(
    ("options", "prefix", "epoch", "body_type", "retry_after"),
    [
        (
            {"limit_headers": "delta", "too_many": "retry_after"},
            "X-RateLimit-",
            False,
            "application/problem+json",
            "60",
        ),
        ({"limit_headers": "dashed", "too_many": "text"}, "X-Rate-Limit-", True, "text/plain; charset=utf-8", None),
        ({"limit_headers": "standard"}, "RateLimit-", False, "application/problem+json", None),
        ({"limit_headers": "none"}, None, False, "application/problem+json", None),
    ],
)
def test_limit_headers_and_429_in_each_variant(  # noqa: PLR0913, PLR0917 - the columns of the table
    simulate: Simulate,
    options: dict[str, Any],
    prefix: str | None,
    epoch: bool,  # noqa: FBT001 - a column of the table
    body_type: str,
    retry_after: str | None,
) -> None:
    # Given a limit of one, enforced
    simulator = simulate(ISpotSimulator(days=1, enforce_limits=True, **options))
    simulator.limits.rules["brands"] = [Rule(1, 60)]

    # When the second request is sent
    first, second = get(simulator, "/v4/brands"), get(simulator, "/v4/brands")

    # Then it is refused as in this variant
    assert (first.status, second.status) == (200, 429)
    assert second.headers["Content-Type"] == body_type
    assert second.headers.get("Retry-After") == retry_after
    found = {name for name in second.headers if "limit" in name}
    assert found == ({f"{prefix}{name}".lower() for name in ("Limit", "Remaining", "Reset")} if prefix else set())
    if prefix:
        reset = int(second.headers[f"{prefix}Reset"]) - (time.time() if epoch else 0)
        assert 55 < reset <= 61


def test_products_outside_the_subscription_are_refused(simulate: Simulate) -> None:
    # Given an account with spend only
    simulator = simulate(ISpotSimulator(first_day=date(2024, 3, 10), days=1, rights=("spend",)))

    # When each endpoint is requested
    paths = ("tv", "audience", "attention")
    statuses = [get(simulator, f"/v4/metrics/{name}/airings", DAY).status for name in paths]

    # Then only spend is returned, and the refused requests are not violations
    assert statuses == [200, 403, 403]
    assert simulator.violations == []


def test_spend_is_missing_without_the_right(simulate: Simulate) -> None:
    # Given an account without spend, when airings are read, then the field is missing
    simulator = simulate(ISpotSimulator(first_day=date(2024, 3, 10), days=1, rights=("impressions",)))
    rows = get(simulator, AIRINGS, DAY).json()["data"]
    assert {"spend_estimated" in row["airing"]["data"] for row in rows} == {False}


def test_every_response_has_a_request_id(ispot: ISpotSimulator) -> None:
    # Given also a fault
    ispot.faults.add(Fault(path="/v4/networks", action="html"))

    # When responses of all kinds are received
    replies = [log_in(ispot), get(ispot, "/v4/brands"), get(ispot, "/v4/networks"), get(ispot, "/v4/unknown")]

    # Then each has its own id
    assert [reply.status for reply in replies] == [200, 200, 502, 404]
    assert len({reply.headers["X-Request-ID"] for reply in replies}) == 4
