"""The SpringServe simulator's data: the documented sample, change times, truth, restatements."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from vendor_simulators.calls import call
from vendor_simulators.springserve import SpringServeSimulator
from vendor_simulators.springserve.columns import COLUMNS
from vendor_simulators.springserve.data import LARGE_ID, MEMBERS, SIZES, SMALL
from vendor_simulators.springserve.facts import METRICS, ReportQuery
from vendor_simulators.springserve.rows import to_record
from vendor_simulators.springserve.sample import SAMPLE, SAMPLE_ID

if TYPE_CHECKING:
    from vendor_simulators.pytest_plugin import Simulate

FIRST = date(2026, 2, 1)


def read(simulator: SpringServeSimulator, path: str) -> Any:
    token = simulator.tokens.issue()
    return call(simulator.url, f"/api{path}", headers={"Authorization": token}).json()


def make(**options: Any) -> SpringServeSimulator:
    return SpringServeSimulator(**{"first_day": FIRST, "days": 5, "rows_per_day": 40, **options})


def test_the_tag_of_the_wiki_is_served_exactly(springserve: SpringServeSimulator) -> None:
    # When the tag of the wiki's examples is requested
    tag = read(springserve, f"/v0/supply_tags/{SAMPLE_ID}")
    # Then each field has the example value, except for the two numbers with several examples
    assert {name: tag[name] for name in SAMPLE} == SAMPLE
    assert (tag["id"], tag["account_id"], tag["name"]) == (25530, 391, "API Example Router")
    assert tag["pod"]["ad_slots"][0] == {"id": 36713, "position": 3, "min_duration": 10, "max_duration": 30}
    assert tag["tag_pixels"][0]["created_at"] == "2021-03-19T14:30:06.675Z"


def test_the_same_seed_gives_the_same_data_and_another_seed_other_data() -> None:
    streams = [*SIZES, *SMALL, *MEMBERS, "supply_daily"]

    assert all(make().truth(stream) == make().truth(stream) for stream in streams)
    assert make().truth("supply_tags") != make(seed=8).truth("supply_tags")


def test_every_column_of_the_document_has_a_value_somewhere() -> None:
    simulator = make(rows_per_day=120)
    for stream, columns in COLUMNS.items():
        if stream in MEMBERS:
            continue
        records = [*simulator.truth(stream, version="v0"), *simulator.truth(stream, version="v1")]
        empty = {name for name in columns if all(record[name] is None for record in records)}
        # A few lists are too short to have a value in every column.
        assert len(empty) <= (0 if stream in SIZES and SIZES[stream] > 0.2 else 4), (stream, empty)


def test_many_rows_share_a_change_time_which_does_not_depend_on_ids() -> None:
    tags = make(rows_per_day=200).inventory.entities["supply_tags"]

    shared = Counter(tag.updated for tag in tags).most_common(1)[0][1]
    assert shared > 30
    in_order = [tag.id for tag in sorted(tags, key=lambda tag: (tag.updated, tag.id))]
    assert in_order != sorted(in_order)
    assert max(tag.updated for tag in tags) < datetime(2026, 2, 1, tzinfo=timezone.utc)


def test_ids_are_unique_within_the_key_and_one_exceeds_a_double() -> None:
    simulator = make()
    for kind, entities in simulator.inventory.entities.items():
        assert len({entity.key for entity in entities}) == len(entities), kind
    assert simulator.inventory.entities["supply_labels"][-1].id == LARGE_ID > 2**53
    places = [entity.id for entity in simulator.inventory.entities["geo_lists"]]
    assert len(set(places)) < len(places)


@pytest.mark.parametrize("stream", MEMBERS)
def test_members_have_their_parents_id_in_the_truth_only(springserve: SpringServeSimulator, stream: str) -> None:
    parents, column, part, _ = MEMBERS[stream]
    parent = springserve.inventory.entities[parents][0]
    version = "v1" if stream == "demand_tag_priorities" else "v0"

    response = read(springserve, f"/{version}/{parents}/{parent.id}/{part}")

    rows = response if version == "v0" else response["results"]
    own = [record for record in springserve.truth(stream) if record[column] == parent.id]
    assert len(rows) == min(len(own), 50)
    # As in the examples of the wiki.
    assert [column in row for row in rows] == [stream in {"demand_tag_priorities", "demand_tag_keys"}] * len(rows)


@pytest.mark.parametrize(
    ("sent", "record"),
    [
        ({"rate": "10.20"}, {"rate": Decimal("10.20"), "_extra": None}),
        ({"rate": "n/a"}, {"rate": None, "_extra": {"rate": "n/a"}}),
        ({"creative_language_allow_list": " "}, {"creative_language_allow_list": None, "_extra": None}),
        ({"note": 17}, {"note": "17", "_extra": None}),
        ({"colour": {"a": 1}}, {"_extra": {"colour": {"a": 1}}}),
        ({"created_at": "2021-03-19T14:30:06.675"}, {"created_at": "2021-03-19T14:30:06.675Z", "_extra": None}),
    ],
)
def test_expected_records(sent: dict[str, Any], record: dict[str, Any]) -> None:
    made = to_record("supply_tags", {"id": 1, **sent})

    assert {name: made[name] for name in record} == record
    assert set(made) == {*COLUMNS["supply_tags"], "_extra"}


def test_partial_reports_add_up_to_the_total() -> None:
    # Given the same days by tag and day, by partner and hour, and as one total
    simulator = make()
    days = {"first": FIRST, "last": FIRST + timedelta(days=4), "zone": "UTC", "filters": {}}

    def sums(interval: str, *dimensions: str) -> dict[str, Any]:
        rows = simulator.facts.rows(ReportQuery(interval=interval, dimensions=dimensions, **days))  # type: ignore[arg-type]  # as above
        return {name: sum(row.sums[name] for row in rows) for name in ("impressions", "revenue", "cost")}

    # Then their sums agree exactly
    assert sums("day", "supply_tag_id") == sums("hour", "supply_partner_id") == sums("cumulative")
    assert isinstance(sums("cumulative")["revenue"], Decimal)


def test_days_are_in_the_requested_zone() -> None:
    simulator = make()
    berlin = {"dimensions": [], "metrics": ["impressions"], "time_zone": "Asia/Tokyo"}
    one = {"dimensions": [], "metrics": ["impressions"]}

    assert simulator.truth("x", report=berlin) != simulator.truth("x", report=one)
    assert [row["date"] for row in simulator.truth("x", report=one)] == [f"2026-02-0{day}" for day in range(1, 6)]


def test_null_dimensions_and_missing_metrics_in_the_truth() -> None:
    simulator = make()

    assert simulator.truth("demand_daily")[0]["demand_tag_id"] == 0
    by_type = simulator.truth("x", report={"dimensions": ["supply_type"]})
    assert {row["supply_type"] for row in by_type} == {"", "Outstream"}
    assert set(by_type[0]["_extra"]) == set(METRICS)
    with pytest.raises(ValueError, match="no stream 'weather'"):
        simulator.truth("weather")


def test_cumulative_windows_cover_the_days_once() -> None:
    report = {"dimensions": [], "metrics": ["impressions"], "interval": "cumulative"}
    rows = make().truth("x", report=report, window_days=2)

    assert [(row["date"][-2:], row["end_date"][-2:]) for row in rows] == [("01", "02"), ("03", "04"), ("05", "05")]


def test_a_restatement_changes_the_last_days_and_some_of_each_list() -> None:
    # Given reports and lists
    simulator = make()
    before = simulator.truth("supply_daily")
    tags = {record["id"]: record for record in simulator.truth("supply_tags")}
    # When the vendor restates
    restated = simulator.restate(days=2)
    # Then the last days differ and have late rows; earlier days do not
    after = simulator.truth("supply_daily")
    changed = {row["date"] for row in after if row not in before}
    assert changed == {"2026-02-04", "2026-02-05"}
    assert len(after) >= len(before)
    # And edited rows have later change times than before, in the order of their edits
    now = {record["id"]: record for record in simulator.truth("supply_tags")}
    edited = [record for number, record in now.items() if record != tags.get(number)]
    assert len(now) == len(tags) + 1
    assert 1 < len(edited) < len(tags)
    assert min(record["updated_at"] for record in edited) > max(record["updated_at"] for record in tags.values())
    assert {record["id"] for record in edited} <= {*restated.changed, *restated.added}
    stamps = sorted(record["updated_at"] for record in edited)
    assert all(one < other for one, other in pairwise(stamps))


@pytest.mark.parametrize(("numbers", "kinds"), [("mixed", {str, float}), ("text", {str}), ("number", {float})])
def test_the_kind_of_numbers_is_an_option(simulate: Simulate, numbers: str, kinds: set[type]) -> None:
    simulator = simulate(make(numbers=numbers, undeclared=False))

    rows = read(simulator, "/v0/campaigns")

    assert {type(row["rate"]) for row in rows if row["rate"] is not None} == kinds


def test_spellings_are_options(simulate: Simulate) -> None:
    simulator = simulate(make(active="both", app_name_targeting="two", zones=False))
    plain = simulate(make())

    both, word = read(simulator, "/v0/supply_tags")[5], read(plain, "/v0/supply_tags")[5]
    assert {"active", "is_active", "app_name__targeting"} <= set(both)
    assert ("active" in word, "is_active" in word, "app_name_targeting" in word) == (True, False, True)
    assert both["updated_at"] + "Z" == word["updated_at"]
    (first, *_) = read(plain, "/v1/supply_tags")["results"]
    assert ("active" in first, "is_active" in first) == (False, True)
