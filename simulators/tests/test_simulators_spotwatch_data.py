"""Spotwatch data: consistent, awkward where it matters, and including the samples of the vendor's documentation."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from vendor_simulators.calls import call
from vendor_simulators.spotwatch import SpotwatchSimulator

if TYPE_CHECKING:
    from vendor_simulators.pytest_plugin import Simulate

PAGED = ("ads", "broadcasts", "blocks")
LISTS = ("channels", "regions", "categories", "brands", "tv_genres")
TIMES = {"ads": "lastseen", "broadcasts": "time", "blocks": "updated"}


def ask(simulator: SpotwatchSimulator, path: str, **params: Any) -> Any:
    headers = {"Authorization": f"key {simulator.api_key}"}
    reply = call(simulator.url, path, params=params, headers=headers)
    assert reply.status == 200, reply.body
    return reply.json()


def rows(simulator: SpotwatchSimulator, stream: str, **params: Any) -> list[dict[str, Any]]:
    found = ask(simulator, f"/get-{stream}", **{"page_lim": -1, **params})["results"]
    return sorted(found, key=lambda row: row["id"])


def test_the_same_seed_gives_the_same_data_and_another_seed_other_data(simulate: Simulate) -> None:
    one, two, other = (simulate(SpotwatchSimulator(seed=seed, days=3, rows_per_day=40)) for seed in (7, 7, 8))
    for stream in (*PAGED, "block_ads", *LISTS):
        assert one.truth(stream) == two.truth(stream)
    assert one.truth("broadcasts") != other.truth("broadcasts")


@pytest.mark.parametrize("rows_per_day", [1, 2, 7, 60])
def test_days_have_the_requested_airings_including_both_ends(simulate: Simulate, rows_per_day: int) -> None:
    simulator = simulate(SpotwatchSimulator(days=3, rows_per_day=rows_per_day))
    times = [row["time"] for row in simulator.truth("broadcasts")]
    for day in ("2024-03-01", "2024-03-02", "2024-03-03"):
        of_day = [time for time in times if time.startswith(day)]
        assert len(of_day) == rows_per_day
        assert f"{day}T00:00:00Z" in of_day
        assert rows_per_day == 1 or f"{day}T23:59:59Z" in of_day


@pytest.mark.parametrize("stream", PAGED)
def test_rows_fall_on_the_boundaries_of_days(spotwatch: SpotwatchSimulator, stream: str) -> None:
    borders = [row for row in spotwatch.truth(stream) if str(row[TIMES[stream]]).endswith("T00:00:00Z")]
    assert len(borders) >= 5


def test_rows_refer_to_each_other(spotwatch: SpotwatchSimulator) -> None:
    ads = {row["id"]: row for row in spotwatch.truth("ads")}
    blocks = {row["id"]: row for row in spotwatch.truth("blocks")}
    airings = [row for row in spotwatch.truth("broadcasts") if row["id"] != 39840]
    for row in airings:
        assert row["ad"] in ads
        block = blocks[row["block"]]
        assert block["ads"][row["blockindex"]] == {"id": row["ad"]}
        assert row["block_length"] in (None, len(block["ads"]))
        assert row["time"] <= ads[row["ad"]]["lastseen"]
        assert ads[row["ad"]]["created"] <= row["time"]
    assert {row["id"] for row in ads.values() if row["nbroadcasts"]} == set(ads)


def test_there_are_awkward_rows(spotwatch: SpotwatchSimulator) -> None:
    ads, blocks = spotwatch.truth("ads"), spotwatch.truth("blocks")
    assert max(row["id"] for row in ads) == 2**63 - 25
    assert {"", "vodafone"} <= {row["brand"] for row in ads}
    assert None in {row["self_promo"] for row in ads}
    assert any(len({ad["id"] for ad in row["ads"]}) < len(row["ads"]) for row in blocks)
    assert {"", "serien"} <= {row["genre"] for row in blocks}
    tracked = {(row["region"], row["channel"]): row["tracked"] for row in spotwatch.truth("channels")}
    assert (tracked["de", "das vierte"], tracked["at", "servus neu"]) == (False, True)


def test_the_documented_ad_is_served_exactly(spotwatch: SpotwatchSimulator) -> None:
    assert ask(spotwatch, "/get-ad", id=3893859079416045) == {
        "id": 3893859079416045,
        "created": "2024-03-31T06:07:07Z",
        "lastseen": "2024-06-12T22:26:26Z",
        "duration": 20,
        "brand": "vodafone",
        "description": "allnet flat",
        "categories": ["telecommunication"],
        "nbroadcasts": 1,
        "broadcasts": [
            {
                "id": 39840,
                "time": "2024-06-11T18:08:46Z",
                "region": "de",
                "channel": "vox",
                "ad": 3893859079416045,
                "block": 1259,
                "blockindex": 3,
            }
        ],
        "related": [2798804439039186],
        "media": {
            "video": {"mp4": "/klwc7ilp41lgb8kiopye"},
            "image": {"preview": "/9dgnbp81g6jndapeazyy", "grid": "/pjbphmperbfaopf4qx8s"},
        },
    }


def test_the_documented_airing_and_breaks_are_served_exactly(spotwatch: SpotwatchSimulator) -> None:
    airing = ask(spotwatch, "/get-broadcast", id=39840)
    printed = {
        "id": 39840,
        "time": "2024-06-11T18:08:46Z",
        "region": "de",
        "channel": "vox",
        "ad": 3893859079416045,
        "block": 1259,
        "blockindex": 3,
        "program": "gute zeiten, schlechte zeiten",
        "genre": "serien",
        "subgenre": "daily soap",
    }
    assert {name: airing[name] for name in printed} == printed
    block = ask(spotwatch, "/get-block", id=1259, ad_fields="id")
    assert {name: value for name, value in block.items() if name != "updated"} == {
        "id": 1259,
        "region": "de",
        "channel": "rtl",
        "start": "2024-06-09T01:00:00Z",
        "finish": "2024-06-09T01:01:31Z",
        "program": "two and a half men",
        "genre": "serien",
        "subgenre": "comedyserie",
        "ads": [{"id": 3392276504707697}],
    }
    found = next(row for row in rows(spotwatch, "blocks", start_from="2024-06-11") if row["id"] == 661)
    assert (found["start"], found["finish"]) == ("2024-06-11T01:00:00Z", "2024-06-11T01:01:31Z")
    assert (found["program"], found["ads"]) == ("navy cis", [{"id": 767171625096234}])


def test_the_documented_requests_in_other_time_formats(simulate: Simulate) -> None:
    # "Get multiple ads with": unix
    old = simulate(SpotwatchSimulator(first_day=date(2022, 6, 30), days=1, rows_per_day=3))
    ads = rows(old, "ads", category="telecommunication", ad_fields="id,lastseen,media", time_fmt="unix")
    assert next(row for row in ads if row["id"] == 6353806529225371) == {
        "id": 6353806529225371,
        "lastseen": 1656592050,
        "media": {
            "video": {"mp4": "/klwc7ilp41lgb8kiopye"},
            "image": {"preview": "/azfe4d2qwcmk0shik1gw", "grid": "/pjbphmperbfaopf4qx8s"},
        },
    }
    # "Get multiple broadcasts with": plain, in the zone of the key
    spring = simulate(SpotwatchSimulator(first_day=date(2024, 5, 6), days=1, rows_per_day=3))
    found = ask(
        spring,
        "/get-broadcasts",
        channel="rtl,dmax",
        ad_brand="sony",
        time_fmt="plain",
        broadcast_fields="ad,time,region,channel",
    )["results"]
    printed = {"ad": 2371504209363725, "time": "2024-05-06 18:40:10", "region": "de", "channel": "dmax"}
    assert printed in found
    # "Result" of "Batch Requests"
    summer = simulate(SpotwatchSimulator(first_day=date(2024, 6, 25), days=1, rows_per_day=3))
    block = ask(summer, "/get-block", id=810, ad_fields="id,brand")
    assert block["ads"] == [
        {"id": 504038989557373, "brand": "goodgame.de"},
        {"id": 3996816512810860, "brand": "wimdu.de"},
    ]
    assert (block["start"], block["finish"]) == ("2024-06-25T07:45:38Z", "2024-06-25T07:46:18Z")


def test_the_documented_message_is_the_oldest(spotwatch: SpotwatchSimulator) -> None:
    message = ask(spotwatch, "/get-message-queue", num_messages=1)["messages"][0]
    assert message["push_type"] == "broadcast"
    assert message["message"]["broadcast"] == {
        "id": 181132408,
        "time": "2024-07-29T19:31:01Z",
        "region": "de",
        "channel": "tlc",
        "ad": 8693926032257232,
        "block": 1728925,
        "blockindex": 13,
        "program": "Dating ohne Grenzen: In 90 Tagen zum Altar",
        "genre": "report",
        "subgenre": "reality-soap",
    }
    assert message["message"]["timings"] == {
        "start": "2024-07-29T19:31:01Z",
        "end": "2024-07-29T19:31:11Z",
        "detected": "2024-07-29T19:31:04Z",
    }
    ad = message["message"]["ad"]
    assert (ad["id"], ad["brand"], ad["created"], ad["lastseen"], ad["duration"]) == (
        *(8693926032257232, "emma", "2024-07-04T04:43:47Z", "2024-07-29T19:31:01Z"),
        10,
    )


@pytest.mark.parametrize("stream", PAGED)
@pytest.mark.parametrize(
    ("bounds", "low", "high"),
    [("inclusive", 1, 1), ("upper_exclusive", 1, 0), ("lower_exclusive", 0, 1), ("exclusive", 0, 0)],
)
def test_bounds(simulate: Simulate, stream: str, bounds: str, low: int, high: int) -> None:
    simulator = simulate(SpotwatchSimulator(days=3, rows_per_day=30, bounds=bounds))
    name = TIMES[stream]
    found = rows(simulator, stream, **{f"{name}_from": "2024-03-02T00:00:00Z", f"{name}_to": "2024-03-03T00:00:00Z"})
    times = [row[name] for row in found]
    assert (times.count("2024-03-02T00:00:00Z") > 0, times.count("2024-03-03T00:00:00Z") > 0) == (low == 1, high == 1)
    assert all("2024-03-02T00:00:00Z" <= time <= "2024-03-03T00:00:00Z" for time in times)


def test_arguments_may_be_ignored(simulate: Simulate) -> None:
    simulator = simulate(SpotwatchSimulator(days=3, rows_per_day=30, ignored_arguments="channel"))
    everything = rows(simulator, "broadcasts")
    found = rows(simulator, "broadcasts", channel=everything[0]["channel"])
    assert len(found) == len(everything)


@pytest.mark.parametrize(
    ("stream", "params", "fits"),
    [
        ("ads", {"unidentified": "false"}, lambda row: row["brand"] != ""),
        ("ads", {"self_promo": "false"}, lambda row: not row.get("self_promo")),
        ("ads", {"brand": "emma,sony"}, lambda row: row["brand"] in {"emma", "sony"}),
        ("ads", {"category": "food"}, lambda row: "food" in row["categories"]),
        ("ads", {"keyword": "FLAT"}, lambda row: "flat" in row["description"] + row["brand"]),
        ("ads", {"duration_from": 15, "duration_to": 20}, lambda row: row["duration"] in {15, 20}),
        ("ads", {"created_from": "2024-06-01"}, lambda row: row["created"] >= "2024-06-01"),
        ("ads", {"time_seen_to": "2024-06-09T00:00:00Z"}, lambda row: row["created"] <= "2024-06-09"),
        ("ads", {"created_to": "2024-06-01"}, lambda row: row["created"] <= "2024-06-01"),
        ("ads", {"time_seen_from": "2024-06-12"}, lambda row: row["lastseen"] >= "2024-06-12"),
        ("ads", {"duration_to": 10}, lambda row: row["duration"] == 10),
        ("ads", {"ids": "3893859079416045"}, lambda row: row["id"] == 3893859079416045),
        ("broadcasts", {"channel": "vox"}, lambda row: row["channel"] == "vox"),
        ("broadcasts", {"region": "fr"}, lambda row: row["region"] == "fr"),
        ("broadcasts", {"ad_identified": "true"}, lambda row: row["ad_brand"] != ""),
        ("broadcasts", {"ad_brand": "emma,sony"}, lambda row: row["ad_brand"] in {"emma", "sony"}),
        ("broadcasts", {"ad_id": "3893859079416045"}, lambda row: row["id"] == 39840),
        ("broadcasts", {"block_id": "1259"}, lambda row: row["id"] == 39840),
        ("broadcasts", {"ad_category": "food"}, lambda row: "food" in row["ad_categories"]),
        ("blocks", {"ad_id": "767171625096234"}, lambda row: row["id"] == 661),
        (
            "blocks",
            {"start_from": "2024-06-10", "start_to": "1718063999"},
            lambda row: row["start"][:10] == "2024-06-10",
        ),
        ("blocks", {"region": "at", "channel": "orf1"}, lambda row: row["channel"] == "orf1"),
    ],
    ids=lambda value: str(value)[:40] if not callable(value) else "",
)
def test_filters(spotwatch: SpotwatchSimulator, stream: str, params: dict[str, Any], fits: Any) -> None:
    found, everything = rows(spotwatch, stream, **params), rows(spotwatch, stream)
    assert found
    assert len(found) < len(everything)
    assert all(fits(row) for row in found)
    if params.keys().isdisjoint({"time_seen_from", "time_seen_to"}) and "keyword" not in params:
        assert [row["id"] for row in found] == [row["id"] for row in everything if fits(row)]


def test_ads_are_selected_by_any_of_their_airings(spotwatch: SpotwatchSimulator) -> None:
    # When the ads of one day in the middle are requested
    day = {"time_seen_from": "2024-06-10T00:00:00Z", "time_seen_to": "2024-06-10T23:59:59Z"}
    found = {row["id"] for row in rows(spotwatch, "ads", **day)}
    # Then these are the ads of its airings, also if they aired again later
    aired = rows(spotwatch, "broadcasts", time_from=day["time_seen_from"], time_to=day["time_seen_to"])
    assert found == {row["ad"] for row in aired}
    late = rows(spotwatch, "ads", lastseen_from="2024-06-11")
    assert found & {row["id"] for row in late}


def test_breaks_may_be_stamped_only_if_they_changed(simulate: Simulate) -> None:
    simulator = simulate(SpotwatchSimulator(days=2, rows_per_day=60, updated="changed"))
    everything = rows(simulator, "blocks")
    stamped = [row for row in everything if "updated" in row]
    # Then the arguments for `updated` select only these
    assert 0 < len(stamped) < len(everything)
    assert rows(simulator, "blocks", updated_from="2020-01-01") == stamped
    assert rows(simulator, "blocks", start_from="2020-01-01") == everything
    # and a restatement stamps the breaks that it changes
    simulator.restate()
    assert len(rows(simulator, "blocks", updated_from="2020-01-01")) > len(stamped)


def test_default_fields_are_as_documented(spotwatch: SpotwatchSimulator) -> None:
    ads, airings, blocks = (rows(spotwatch, stream) for stream in PAGED)
    everything = set().union(*ads)
    assert "broadcasts" in everything
    assert {"media", "user_payload"} <= everything
    nested = set().union(*(airing for ad in ads for airing in ad["broadcasts"]))
    assert nested >= {"genre", "ad_brand"}
    assert nested.isdisjoint({"program", "ad"})
    assert {"program", "ad_nbroadcasts", "block_length"} <= set().union(*airings)
    assert {tuple(ad) for row in blocks for ad in row["ads"]} == {("id",)}
    assert "broadcasts" not in set().union(*blocks)


def test_rows_change_their_order_at_each_call_by_default(simulate: Simulate) -> None:
    moving = simulate(SpotwatchSimulator(days=2, rows_per_day=60))
    one, two = ([row["id"] for row in ask(moving, "/get-broadcasts")["results"]] for _ in range(2))
    assert one != two
    assert sorted(one) == sorted(two)
    still = simulate(SpotwatchSimulator(days=2, rows_per_day=60, order="time"))
    times = [row["time"] for row in ask(still, "/get-broadcasts")["results"]]
    assert times == sorted(times)


@pytest.mark.parametrize("pages", [0, 1])
def test_an_empty_result(simulate: Simulate, pages: int) -> None:
    simulator = simulate(SpotwatchSimulator(days=1, rows_per_day=1, empty_pages_total=pages))
    page = {"index": 0, "prev": None, "next": None, "results_total": 0, "pages_total": pages}
    assert ask(simulator, "/get-ads", region="xx") == {"page": page, "results": []}


def test_options_change_responses(simulate: Simulate) -> None:
    def made(**options: Any) -> SpotwatchSimulator:
        return simulate(SpotwatchSimulator(days=1, rows_per_day=12, **options))

    assert "updated" not in rows(made(updated="absent"), "blocks")[0]
    assert "broadcasts" in rows(made(block_broadcasts="block"), "blocks")[0]
    assert "broadcasts" in rows(made(block_broadcasts="ads"), "blocks")[0]["ads"][0]
    assert ask(made(total_error=2), "/get-broadcasts")["page"]["results_total"] == 14
    assert rows(made(undeclared=True), "ads", ad_fields="id")[0]["market_share"] == 0.25
    assert ask(made(lists="objects"), "/get-all-regions")[0] == {"name": "at", "label": "AT"}
    assert ask(made(channel_lists="objects"), "/get-tracked-channels")["fr"][0] == {"name": "m6", "since": "2012-01-01"}
    assert ask(made(genres="list"), "/get-all-tv-genres")["de"] == ["serien", "report", "news"]
    assert ask(made(genres="two_lists"), "/get-all-tv-genres")["de"].keys() == {"genres", "subgenres"}
    assert max(row["id"] for row in made(extremes=False).truth("ads")) < 10**16


def test_channels_as_csv(spotwatch: SpotwatchSimulator) -> None:
    headers = {"Authorization": f"key {spotwatch.api_key}"}
    reply = call(spotwatch.url, "/get-tracked-channels", params={"fmt": "csv"}, headers=headers)
    assert reply.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert reply.body.decode().splitlines()[0] == '"at","orf1"'


def test_a_restatement_changes_the_last_days_and_their_breaks_change_times(spotwatch: SpotwatchSimulator) -> None:
    # Given the rows before
    before = {stream: {row["id"]: row for row in spotwatch.truth(stream)} for stream in PAGED}
    # When the last two days are restated
    done = spotwatch.restate(seed=3, days=2)
    # Then only their airings changed, by the returned number, and every changed break has a new change time
    after = {stream: {row["id"]: row for row in spotwatch.truth(stream)} for stream in PAGED}
    assert len(done.added) == 2
    assert set(after["broadcasts"]) - set(before["broadcasts"]) == set(done.added)
    changed = {key for key, row in before["broadcasts"].items() if after["broadcasts"][key] != row}
    assert changed >= set(done.changed)
    assert all(before["broadcasts"][key]["time"] >= "2024-06-11" for key in changed)
    blocks = [row for key, row in after["blocks"].items() if before["blocks"][key] != row]
    assert {row["updated"] for row in blocks} == {"2024-06-13T01:00:00Z"}
    assert any(before["ads"][key]["brand"] == "" != row["brand"] for key, row in after["ads"].items())
    # and another seed restates again
    assert spotwatch.restate(seed=4, days=2).added != done.added


def test_truth_can_be_limited_by_days_and_filters(spotwatch: SpotwatchSimulator) -> None:
    day = date(2024, 6, 10)
    one = spotwatch.truth("broadcasts", first_day=day, last_day=day)
    assert {row["time"][:10] for row in one} == {"2024-06-10"}
    assert len(one) == 60
    regions = spotwatch.truth("broadcasts", first_day=day, last_day=day, regions=["de"], channels=["vox"])
    assert {(row["region"], row["channel"]) for row in regions} == {("de", "vox")}
    with pytest.raises(ValueError, match="no stream 'airings'"):
        spotwatch.truth("airings")


def test_nothing_lies_in_the_future() -> None:
    now = datetime.now(tz=timezone.utc)
    simulator = SpotwatchSimulator(first_day=now.date() - timedelta(days=1), days=3, rows_per_day=300)
    for stream in PAGED:
        latest = max(str(row[TIMES[stream]]) for row in simulator.truth(stream))
        assert latest <= datetime.now(tz=timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
