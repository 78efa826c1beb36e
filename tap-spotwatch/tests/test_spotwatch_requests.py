"""Requests: the header and nothing else, explicit fields, instants, bare links, and how many at once."""

from __future__ import annotations

import datetime as dt
import threading
from typing import TYPE_CHECKING, Any

import pytest
from singer_adtech.testing import FakeClock
from tap_spotwatch.tap import TapSpotwatch
from vendor_simulators.faults import Fault
from vendor_simulators.messages import Response

if TYPE_CHECKING:
    from singer_adtech.testing import TapRunner
    from spotwatch_fixtures import Script
    from vendor_simulators.messages import Request
    from vendor_simulators.spotwatch import SpotwatchSimulator

PAGED = ("ads", "broadcasts", "blocks")
LISTS = ("channels", "regions", "categories", "brands", "tv_genres")
FIELDS = (("ads", "ad_fields"), ("broadcasts", "broadcast_fields"))
BROADCAST_FIELDS = (
    *("id", "time", "ad", "region", "channel", "block", "blockindex", "block_length", "pic_in_pic"),
    *("program", "genre", "subgenre"),
)
DAY = {"start_date": "2024-06-08", "end_date": "2024-06-08"}


def test_the_key_goes_in_the_header_and_nowhere_else(run_tap: TapRunner, spotwatch: SpotwatchSimulator) -> None:
    # given
    key = spotwatch.api_key
    # when
    run_tap({**spotwatch.settings(), "page_size": 10, "message_queue": True}, *PAGED, *LISTS, "broadcast_messages")
    # then every request has it, page links too
    assert {request.headers["Authorization"] for request in spotwatch.journal} == {f"key {key}"}
    assert not [request for request in spotwatch.journal if key in request.target or key.encode() in request.body]
    assert any(request.path in spotwatch.chains.issued for request in spotwatch.journal)
    assert spotwatch.violations == []


def test_each_call_has_the_arguments_of_the_specification_and_no_others(
    run_tap: TapRunner, spotwatch: SpotwatchSimulator
) -> None:
    # when
    run_tap({**spotwatch.settings(), **DAY, "regions": ["de", "at"], "channels": ["vox", "orf1"]}, *PAGED, *LISTS)
    # then
    common = {"time_fmt": "iso8601", "page_lim": "10000"}
    bounds = ("2024-06-08T00:00:00Z", "2024-06-09T00:00:00Z")
    sent = {request.path: dict(request.params) for request in spotwatch.journal}
    assert {request.method for request in spotwatch.journal} == {"GET"}
    assert {request.body for request in spotwatch.journal} == {b""}
    fields = {name: sent[f"/get-{stream}"].pop(name) for stream, name in FIELDS}
    # blocks are requested twice, the second time by their start
    by_updated = next(dict(one.params) for one in spotwatch.journal if one.path == "/get-blocks")
    start = {"start_from": bounds[0], "start_to": bounds[1]}
    assert sent.pop("/get-blocks") == start | {
        name: value for name, value in by_updated.items() if not name.startswith("updated_")
    }
    assert {**sent, "/get-blocks": by_updated} == {
        "/get-ads": {"time_seen_from": bounds[0], "time_seen_to": bounds[1], "region": "de,at", **common},
        "/get-broadcasts": {
            "time_from": bounds[0],
            "time_to": bounds[1],
            "region": "de,at",
            "channel": "vox,orf1",
            **common,
        },
        "/get-blocks": {
            "updated_from": bounds[0],
            "updated_to": bounds[1],
            "region": "de,at",
            "channel": "vox,orf1",
            "ad_fields": "id",
            "broadcast_fields": "id",
            **common,
        },
        "/get-tracked-channels": {},
        "/get-all-channels": {},
        "/get-all-regions": {},
        "/get-all-categories": {},
        "/get-all-brands": {},
        "/get-all-tv-genres": {},
    }
    assert fields == {
        "ad_fields": (
            "id,created,lastseen,duration,brand,description,regions,categories,nbroadcasts,self_promo,url,related,"
            "cross_region_ads"
        ),
        "broadcast_fields": ",".join(BROADCAST_FIELDS),
    }
    lists = [request.path for request in spotwatch.journal if "/get-all" in request.path or "tracked" in request.path]
    assert len(lists) == 6


def test_commas_and_colons_stand_in_the_query_as_in_the_vendors_samples(
    run_tap: TapRunner, spotwatch: SpotwatchSimulator
) -> None:
    run_tap({**spotwatch.settings(), **DAY, "channels": ["das vierte", "köln & co"]}, "blocks")
    assert spotwatch.journal[0].target == (
        "/get-blocks?updated_from=2024-06-08T00:00:00Z&updated_to=2024-06-09T00:00:00Z"
        "&channel=das+vierte,k%C3%B6ln+%26+co&time_fmt=iso8601&page_lim=10000&ad_fields=id&broadcast_fields=id"
    )


@pytest.mark.parametrize("characters", [4000, 4001])
def test_a_query_of_more_than_4000_characters_is_sent_as_json(
    run_tap: TapRunner, spotwatch: SpotwatchSimulator, characters: int
) -> None:
    # given names that make the query just so long
    settings = {**spotwatch.settings(), **DAY, "regions": ["de"]}
    run_tap({**settings, "channels": ["x"]}, "broadcasts")
    short = len(spotwatch.journal[0].target.partition("?")[2])
    channels = ["vox", "rtl", "x" * (characters - short - 7)]
    spotwatch.journal.clear()
    # when
    run = run_tap({**settings, "channels": channels}, "broadcasts")
    # then
    request = spotwatch.journal[0]
    assert run.by_key("broadcasts", "id") == spotwatch.truth(
        "broadcasts", last_day=spotwatch.first_day, regions=["de"], channels=["vox", "rtl"]
    )
    assert spotwatch.violations == []
    if characters == 4000:
        assert (request.method, len(request.target.partition("?")[2])) == ("GET", 4000)
        return
    assert (request.method, request.target) == ("POST", "/get-broadcasts")
    assert request.headers["Content-Type"] == "application/json"
    assert request.json() == {
        "time_from": "2024-06-08T00:00:00Z",
        "time_to": "2024-06-09T00:00:00Z",
        "region": ["de"],
        "channel": channels,
        "broadcast_fields": list(BROADCAST_FIELDS),
        "time_fmt": "iso8601",
        "page_lim": 10_000,
    }


def test_links_are_asked_for_bare_and_in_order(run_tap: TapRunner, spotwatch: SpotwatchSimulator) -> None:
    # when
    run = run_tap({**spotwatch.settings(), **DAY, "page_size": 25}, "broadcasts")
    # then: 60 rows in three pages, two of them by link
    first, *links = spotwatch.journal
    assert first.path == "/get-broadcasts"
    assert len(links) == 2
    assert all(one.target in spotwatch.chains.issued for one in links)
    assert {(one.method, one.body, "Content-Type" in one.headers) for one in links} == {("GET", b"", False)}
    assert len(run.records("broadcasts")) == 60
    # and the link to the page before is never used
    assert len({one.target for one in links}) == 2


@pytest.mark.parametrize("form", ["{path}", "{api_url}{path}"])
@pytest.mark.parametrize("base", ["", "/proxy/spotwatch"])
def test_a_link_may_be_a_path_or_a_full_address_of_the_same_host(
    run_tap: TapRunner, script: Script, form: str, base: str
) -> None:
    # given an address with a path of its own, as a proxy has
    vendor = script(lambda _: Response())
    link = form.format(api_url=f"{vendor.url}{base}", path="/Az_09zzz")

    def answer(request: Request) -> Response:
        return script.page(
            script.airing(1 if request.params else 2), following=link if request.params else None, total=2
        )

    vendor.answer = answer
    # when
    run = run_tap({**vendor.settings(), "api_url": f"{vendor.url}{base}"}, "broadcasts")
    # then
    assert [request.path for request in vendor.journal] == [f"{base}/get-broadcasts", f"{base}/Az_09zzz"]
    assert [record["id"] for record in run.records("broadcasts")] == [1, 2]


@pytest.mark.parametrize(
    "link",
    [
        "/mask",
        "/get-all-regions",
        "/set-push-broadcast?url=/message-queue",
        "/hl0fserktnimhbcnfcmq?x=1",
        "/hl0fserktnimhbcnfcmq/",
        "/hl0fserktnimhbcnfcmq#x",
        "/hl0fserktnimhbcn fcmq",
        "/short77",
        "/" + "a" * 129,
        "hl0fserktnimhbcnfcmq",
        "//elsewhere.invalid/hl0fserktnimhbcnfcmq",
        "http://elsewhere.invalid/hl0fserktnimhbcnfcmq",
        "https://127.0.0.1/hl0fserktnimhbcnfcmq",
        "http://127.0.0.1:99999/hl0fserktnimhbcnfcmq",
        "http://me@{host}/hl0fserktnimhbcnfcmq",
        "http://{host}/hl0fserktnimhbcnfcmq?x=1",
        "http://{host}/set-push-broadcast",
        "",
        "/hl0fserktnimhbcnfcmq\n",
        "/hl0fserktnimhbcnfcm٣",
        17,
        ["/hl0fserktnimhbcnfcmq"],
    ],
)
def test_any_other_link_is_refused_and_not_shown(run_tap: TapRunner, script: Script, link: Any) -> None:
    # given
    vendor = script(lambda _: Response())
    host = vendor.url.removeprefix("http://")
    given = link.format(host=host) if isinstance(link, str) else link
    vendor.answer = lambda _: script.page(script.airing(1), following=given, total=2)
    # when
    run = run_tap(vendor.settings(), "broadcasts", fails=True)
    # then
    assert run.error == (
        "stream broadcasts, window 2024-06-01T00:00:00+00:00..2024-06-02T00:00:00+00:00: the page link is refused: "
        "it has an unknown form or another host (link not shown): check `api_url`; if it is right, "
        "report this to Spotwatch"
    )
    assert [request.path for request in vendor.journal] == ["/get-broadcasts"]
    assert not [line for line in run.log if "hl0fser" in line]


def test_the_longest_and_the_shortest_link_are_followed(run_tap: TapRunner, script: Script) -> None:
    longest = "/" + "Z" * 128
    vendor = script.pages(
        script.page(script.airing(1), following="/short_77", total=3),
        script.page(script.airing(2), following=longest, total=3),
        script.page(script.airing(3), total=3),
    )
    run_tap(vendor.settings(), "broadcasts")
    assert [request.target for request in vendor.journal][1:] == ["/short_77", longest]


def test_links_that_lead_in_a_circle_end_the_run(run_tap: TapRunner, script: Script) -> None:
    vendor = script.pages(
        script.page(script.airing(1), following="/linknumber1", total=9),
        script.page(script.airing(2), following="/linknumber2", total=9),
        script.page(script.airing(3), following="/linknumber1", total=9),
    )
    run = run_tap(vendor.settings(), "broadcasts", fails=True)
    assert "the page links form a circle (link not shown)" in run.error
    assert len(vendor.journal) == 3


@pytest.mark.parametrize("parallel", [1, 2, 3, 8])
def test_as_many_requests_are_in_flight_as_allowed(run_tap: TapRunner, script: Script, parallel: int) -> None:
    # given 24 windows of two pages, and a vendor that answers their first requests only when so many have come
    together = threading.Barrier(parallel, timeout=20)

    def answer(request: Request) -> Response:
        begin = request.param("time_from")
        if begin is None:
            day = request.path[-2:]
            return script.page(script.airing(100 + int(day), f"2024-06-{day}T13:00:00Z"))
        together.wait()
        return script.page(script.airing(int(begin[8:10]), begin), following=f"/linknumber{begin[8:10]}", total=2)

    vendor = script(answer)
    # when
    settings = {**vendor.settings(), "end_date": "2024-06-24", "parallel_requests": parallel}
    run = run_tap(settings, "broadcasts", clock=FakeClock(dt.datetime(2024, 7, 1, tzinfo=dt.timezone.utc)))
    # then as many are in flight and no more, and never two of one window
    assert vendor.journal.concurrency() == parallel
    assert len(vendor.journal) == 48
    assert [row["id"] for row in run.records("broadcasts")] == [
        number for day in range(1, 25) for number in (day, 100 + day)
    ]


def test_records_come_in_the_order_of_windows_however_late_the_first_is(run_tap: TapRunner, script: Script) -> None:
    # given a first window whose answer comes after those of the others
    def answer(request: Request) -> Response:
        day = (request.param("time_from") or "")[:10]
        return script.page(script.airing(int(day[-2:]), f"{day}T12:00:00Z"))

    vendor = script(answer)
    vendor.faults.add(Fault(params={"time_from": "2024-06-01T00:00:00Z"}, action="slow", delay=0.2))
    # when
    run = run_tap({**vendor.settings(), "end_date": "2024-06-04", "parallel_requests": 4}, "broadcasts")
    # then
    assert [record["id"] for record in run.records("broadcasts")] == [1, 2, 3, 4]
    kinds = [one["type"] for one in run.messages]
    assert kinds == ["SCHEMA", *["RECORD", "STATE"] * 4, "STATE"][: len(kinds)]
    assert run.bookmarks("broadcasts")[:4] == [f"2024-06-0{day}T00:00:00Z" for day in (2, 3, 4, 5)]


@pytest.mark.parametrize("place", ["http://elsewhere.invalid/", "/get-all-regions", "/set-push-broadcast"])
def test_no_redirect_is_followed(run_tap: TapRunner, spotwatch: SpotwatchSimulator, place: str) -> None:
    spotwatch.faults.add(Fault(action="redirect", headers={"Location": place}, times=None))
    run = run_tap({**spotwatch.settings(), **DAY}, "categories", fails=True)
    assert run.error == "stream categories: HTTP 302 Found: check `api_url`"
    assert [request.path for request in spotwatch.journal] == ["/get-all-categories"]


def test_the_user_agent_is_the_taps_or_the_users(run_tap: TapRunner, spotwatch: SpotwatchSimulator) -> None:
    run_tap(spotwatch.settings(), "regions")
    run_tap({**spotwatch.settings(), "user_agent": "my-robot/1"}, "regions")
    agents = [request.headers["User-Agent"] for request in spotwatch.journal]
    assert agents == [f"tap-spotwatch/{TapSpotwatch.plugin_version}", "my-robot/1"]
