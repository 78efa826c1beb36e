"""iSpot data: consistent, reproducible, and awkward where it matters."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from vendor_simulators.calls import call
from vendor_simulators.ispot import ISpotSimulator
from vendor_simulators.ispot.truth import INCLUDE

if TYPE_CHECKING:
    from vendor_simulators.pytest_plugin import Simulate

LISTS = (
    *("brands", "industries", "networks", "shows", "episodes", "products", "product_categories", "spots"),
    *("celebrities", "movies", "events", "users", "account", "access", "notifications"),
)
# The lines of the response in the vendor's Quickstart, up to the point where the document breaks off.
PRINTED = r"""{
  "data": [
    {
      "airing": {
        "data": {
          "id": "287222137",
          "type": "National",
          "aired_at_et": "2021-01-01T00:04:12-05:00",
          "aired_at_pt": "2021-01-01T00:04:12-08:00",
          "pod": "4",
          "pod_order": "1",
          "pod_position": "F",
          "pod_position_abmyz": "A",
          "pod_position_fm1": "F",
          "dma": null,
          "mso": null,
          "spend_estimated": "845199.10",
          "media_value": "0.00"
        }
      },
      "spot": {
        "data": {
          "id": 3145253,
          "title": "Google TV Spot, 'Year in Search 2020' Song by Peter CottonTale",
          "title_short": "Year in Search 2020",
          "title_custom": null,
          "custom_id": null,
          "description": null,
          "slug": "google-year-in-search-2020-song-by-peter-cottontale",
          "hash": null,
"""


def airings(simulator: ISpotSimulator, **settings: Any) -> list[dict[str, Any]]:
    return simulator.truth("tv_airings", **{"airing_types": (), "national_only": False, **settings})


def instants(simulator: ISpotSimulator) -> list[datetime]:
    return sorted(datetime.fromisoformat(record["airing_aired_at_et"]) for record in airings(simulator))


@pytest.mark.parametrize("rows_per_day", [1, 7, 200])
def test_the_documented_record_is_served_exactly(simulate: Simulate, rows_per_day: int) -> None:
    # Given the day of the vendor's sample
    simulator = simulate(ISpotSimulator(first_day=date(2020, 12, 30), days=4, rows_per_day=rows_per_day))
    headers = {"Authorization": f"Bearer {simulator.tokens.issue()}"}

    # When its request is sent
    params = {
        "filter[start_date]": "2021-01-01",
        "filter[end_date]": "2021-01-01",
        "page[number]": 1,
        "page[size]": 10000,
        "include": "industry,brand,episode,show,genre",
        "filter[national_only]": 1,
        "filter[airing_type]": "N,R",
        "sort": "-audience_impressions_national_linear",
    }
    body = call(simulator.url, "/v4/metrics/tv/airings", params=params, headers=headers).json()

    # Then the row is there, line by line, and the day has no additional rows
    rows = [row for row in body["data"] if row["airing"]["data"]["id"] == "287222137"]
    text = json.dumps({"data": rows}, indent=2, ensure_ascii=False)
    assert len(rows) == 1
    assert text.splitlines()[: len(PRINTED.splitlines())] == PRINTED.splitlines()
    assert len(airings(simulator, first_day=date(2021, 1, 1), last_day=date(2021, 1, 1))) == rows_per_day
    assert simulator.violations == []


def test_days_are_eastern_with_23_to_25_hours() -> None:
    # Given the two clock changes of 2024 and a day in between
    for day, hours in ((date(2024, 3, 10), 23), (date(2024, 3, 11), 24), (date(2024, 11, 3), 25)):
        # When the first and last airing are read
        found = instants(ISpotSimulator(first_day=day, days=1, rows_per_day=50))

        # Then they are at the ends of the day
        assert found[0].isoformat()[:19] == f"{day}T00:00:00"
        assert found[-1].isoformat()[:19] == f"{day}T23:59:59"
        assert found[-1] - found[0] == timedelta(hours=hours, seconds=-1)
        assert len(found) == 50


def test_the_repeated_hour_has_rows_twice_and_text_order_is_wrong() -> None:
    # Given the day on which the hour from 1 to 2 occurs twice
    simulator = ISpotSimulator(first_day=date(2024, 11, 3), days=1, rows_per_day=50)

    # When the rows of that hour are read
    texts = [record["airing_aired_at_et"] for record in airings(simulator)]
    first = {text for text in texts if text.startswith("2024-11-03T01:") and text.endswith("-04:00")}
    second = {text for text in texts if text.startswith("2024-11-03T01:") and text.endswith("-05:00")}

    # Then there are rows before and after the clock change, and comparing the texts would mix them up
    assert "2024-11-03T01:59:00-04:00" in first
    assert "2024-11-03T01:01:00-05:00" in second


def test_pacific_time_is_the_same_wall_clock() -> None:
    # Given days around both clock changes
    for day in (date(2024, 3, 9), date(2024, 11, 2)):
        for record in airings(ISpotSimulator(first_day=day, days=3, rows_per_day=100)):
            # When both times are read, then only the offset differs, by three hours
            eastern, pacific = record["airing_aired_at_et"], record["airing_aired_at_pt"]
            assert eastern[:19] == pacific[:19]
            assert datetime.fromisoformat(pacific) - datetime.fromisoformat(eastern) == timedelta(hours=3)


def test_rows_contain_values_that_break_careless_readers() -> None:
    # Given a few days with the tap's default filters
    simulator = ISpotSimulator(first_day=date(2024, 3, 1), days=5, rows_per_day=200)
    records = simulator.truth("audience_airings")
    ids = [int(record["airing_id"]) for record in records]

    # Then there are ids too large for floats and 64-bit integers, and no id occurs twice
    assert len(set(ids)) == len(ids)
    assert sum(2**53 < number < 2**63 and int(float(number)) != number for number in ids) == 5
    assert sum(number > 2**64 for number in ids) == 1
    # and airings in the same second
    seconds = Counter(record["airing_aired_at_et"] for record in records)
    assert max(seconds.values()) >= 2
    # and exact amounts
    assert Decimal("123456789012345678.90") in {record["airing_spend_estimated"] for record in records}
    assert Decimal("12345678901234567.125") in {record["audience_impressions"] for record in records}
    # and rows without impressions, without a break, without an episode, and with an undocumented field
    for column in ("audience_impressions", "airing_pod", "episode_id", "sub_genre_id", "product_id"):
        assert 0 < sum(record[column] is None for record in records) < len(records), column
    assert {"airing_feed": "W"} in [record["_extra"] for record in records]
    # and text of all kinds
    titles = " ".join(record["spot_title"] for record in records)
    for text in ('"', "'", "\\", "\t", "\n", "\u2028", "é", "e\u0301", "東京", "🎉", "<b>"):
        assert text in titles, text


def test_national_rows_have_no_market_and_others_do() -> None:
    # Given airings of all types
    records = airings(ISpotSimulator(days=3, rows_per_day=200))

    # When they are read by type, then there are all five types, and only non-national rows have markets
    by_type = {name: [r for r in records if r["airing_type"] == name] for name in {r["airing_type"] for r in records}}
    assert set(by_type) == {"National", "Regional", "Local", "Spot Cable", "National Satellite"}
    assert {record["airing_dma"] for record in by_type["National"]} == {None}
    assert {record["airing_mso"] for record in by_type["National"]} == {None}
    assert None not in {record["airing_dma"] for record in by_type["Regional"]}
    assert None not in {record["airing_mso"] for record in by_type["Regional"]}


def test_lists_are_consistent_with_airings_and_each_other() -> None:
    # Given all lists, and airings with every include
    simulator = ISpotSimulator(days=5, rows_per_day=200)
    lists = {name: simulator.truth(name, accessible_only=False) for name in LISTS}
    ids = {name: {record.get("id") for record in records} for name, records in lists.items()}
    rows = airings(simulator, include=(*INCLUDE, "brand.parent", "industry.parent"))

    # Then no list has a duplicate id
    for name, records in lists.items():
        assert len(ids[name]) == len(records) > 0, name
    # and every airing refers to list entries with the same values
    for column, name in (
        *(("spot_id", "spots"), ("brand_id", "brands"), ("brand_parent_id", "brands"), ("parent_brand_id", "brands")),
        *(("industry_id", "industries"), ("industry_parent_id", "industries"), ("network_id", "networks")),
        *(("show_id", "shows"), ("episode_id", "episodes"), ("product_id", "products"), ("network_brand_id", "brands")),
    ):
        assert {row[column] for row in rows} - {None} <= ids[name], column
    spots = {record["id"]: record for record in lists["spots"]}
    for row in rows:
        assert (spots[row["spot_id"]]["title"], spots[row["spot_id"]]["brand_id"]) == (
            row["spot_title"],
            row["brand_id"],
        )
    # and spots are exactly those that aired
    assert {row["spot_id"] for row in rows} == ids["spots"]
    # and parents and children refer to each other
    everything = {record["id"]: record for record in ISpotSimulator(days=30).truth("spots")}
    for record in everything.values():
        for child in record["children"]:
            assert everything.get(child["id"], {"parent_id": record["id"]})["parent_id"] == record["id"]
    assert sum(bool(record["children"]) for record in everything.values()) > 10


def test_data_depend_only_on_the_seed_and_the_day() -> None:
    # Given two simulators with the same seed and different ranges, and one with another seed
    first = ISpotSimulator(seed=7, first_day=date(2024, 3, 1), days=10, rows_per_day=20, extremes=False)
    later = ISpotSimulator(seed=7, first_day=date(2024, 3, 5), days=3, rows_per_day=20, extremes=False)
    other = ISpotSimulator(seed=8, first_day=date(2024, 3, 5), days=3, rows_per_day=20, extremes=False)

    # When the same days are read, in another order
    expected = later.truth("attention_airings")
    same = first.truth("attention_airings", first_day=date(2024, 3, 5), last_day=date(2024, 3, 7))

    # Then they are the same for the same seed only
    assert same == expected
    assert other.truth("attention_airings") != expected
    assert len(expected) > 0


def test_restate_changes_the_last_days_and_adds_late_rows(simulate: Simulate) -> None:
    # Given the earlier rows, also read over HTTP so that pages are cached
    simulator = simulate(ISpotSimulator(first_day=date(2024, 3, 1), days=10, rows_per_day=100))
    headers = {"Authorization": f"Bearer {simulator.tokens.issue()}"}
    params = {"filter[start_date]": "2024-03-10", "filter[end_date]": "2024-03-10", "sort": "id", "page[size]": 1000}

    def read() -> set[str]:
        body = call(simulator.url, "/v4/metrics/audience/airings", params=params, headers=headers).json()
        return {json.dumps(row, sort_keys=True) for row in body["data"]}

    def records() -> dict[object, dict[str, Any]]:
        return {record["airing_id"]: record for record in simulator.truth("audience_airings")}

    before, wire_before = records(), read()

    # When the vendor restates
    restated = simulator.restate(seed=1)
    after, wire_after = records(), read()

    # Then it returns the ids of the changed and new rows of the last three days
    assert sorted(set(after) - set(before), key=str) == sorted(restated.added, key=str)
    assert sorted((i for i in before if before[i] != after[i]), key=str) == sorted(restated.changed, key=str)
    assert len(restated.added) == 3
    assert len(restated.changed) >= 3
    touched = {after[number]["airing_aired_at_et"][:10] for number in [*restated.added, *restated.changed]}
    assert touched == {"2024-03-08", "2024-03-09", "2024-03-10"}
    # and only figures changed, including impressions
    for number in restated.changed:
        names = {name for name, value in after[number].items() if value != before[number][name]}
        assert "audience_impressions" in names
        assert names <= {n for n in after[number] if n.startswith("audience_")} | {"airing_spend_estimated"}
    # and HTTP serves the new rows
    assert len(wire_after - wire_before) >= 2
    # and the corrections are reported on the last day
    told = simulator.truth("airing_updates", first_day=date(2024, 3, 10))
    assert set(map(str, restated.changed)) <= {record["airing_id"] for record in told}


def test_restate_again_changes_more_and_can_reach_further_back() -> None:
    # Given two equal simulators
    one, two = (ISpotSimulator(days=10, rows_per_day=50) for _ in range(2))

    # When both are restated with the same seed
    first = one.restate(seed=1)
    assert first.as_json() == two.restate(seed=1).as_json()

    # Then restating again adds other rows, and more days can be restated
    again = one.restate(seed=2, days=8)
    assert set(again.added).isdisjoint(first.added)
    assert len(again.added) == 8


def test_empty_days_stay_empty() -> None:
    # Given an empty day among the last days
    simulator = ISpotSimulator(first_day=date(2024, 3, 8), days=3, rows_per_day=20, empty_days=(date(2024, 3, 9),))

    # When it is restated
    restated = simulator.restate()

    # Then the day still has no airings and no corrections
    assert airings(simulator, first_day=date(2024, 3, 9), last_day=date(2024, 3, 9)) == []
    assert simulator.truth("airing_updates", first_day=date(2024, 3, 9), last_day=date(2024, 3, 9)) == []
    assert len(restated.added) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"days": 0}, "count from 1"),
        ({"rows_per_day": 0}, "count from 1"),
        ({"rows_per_day": 150_001}, "at most 150000"),
    ],
)
def test_sizes_are_checked(arguments: dict[str, int], message: str) -> None:
    # When a size is out of range, then it is refused
    with pytest.raises(ValueError, match=message):
        ISpotSimulator(**arguments)  # type: ignore[arg-type]  # names of integers
