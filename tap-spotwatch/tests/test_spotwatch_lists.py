"""Reference lists: every shape that is accepted, those that are not, and a list that insists on its filters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from vendor_simulators.messages import Response
from vendor_simulators.spotwatch import SpotwatchSimulator

if TYPE_CHECKING:
    from singer_adtech.testing import Run, TapRunner
    from spotwatch_fixtures import Script
    from vendor_simulators.messages import Request
    from vendor_simulators.pytest_plugin import Simulate


def rows(run: Run, stream: str) -> list[tuple[Any, ...]]:
    """Return the values of a list's rows; the last is what is undeclared."""
    return [tuple(record.values()) for record in run.records(stream)]


@pytest.mark.parametrize(("stream", "column"), [("regions", "region"), ("categories", "category"), ("brands", "brand")])
def test_lists_of_names(run_tap: TapRunner, script: Script, stream: str, column: str) -> None:
    # given strings and objects, with names that come twice, nulls, an empty name, and members of no document
    answer = ["b", {"name": "a", "id": 1}, None, "b", "", {"name": "a"}, {column: "c", "name": "C", "more": {"x": []}}]
    vendor = script.pages(Response.json(answer))
    # when
    run = run_tap(vendor.settings(), stream)
    # then
    expected = [("b", None), ("a", {"id": 1}), ("", None), ("c", {"name": "C", "more": {"x": []}})]
    assert rows(run, stream) == expected


@pytest.mark.parametrize("rows", [0, 2, 99, 100, 3000])
def test_a_list_that_may_be_incomplete_deletes_nothing(run_tap: TapRunner, script: Script, rows: int) -> None:
    vendor = script.pages(Response.json([f"name {number}" for number in range(rows)]))
    run = run_tap({**vendor.settings(), "emit_activate_version_messages": True}, "brands")
    whole = rows in {2, 99}
    number = f"exactly {rows}" if rows else "no"
    warning = f"stream brands: get-all-brands has {number} rows: the list may be incomplete, so no rows are deleted"
    assert [one for one in run.warnings() if "brands" in one] == ([] if whole else [warning])
    assert len(run.records("brands")) == rows
    assert ("ACTIVATE_VERSION" in {one["type"] for one in run.messages}) is whole


@pytest.mark.parametrize(
    ("tracked", "everything", "expected"),
    [
        (
            {"de": ["vox"], "at": ["new"]},
            {"de": ["vox", "old", "vox", None], "fr": [], "uk": None},
            {("de", "vox", True, None), ("at", "new", True, None), ("de", "old", False, None)},
        ),
        (
            {"de": [{"name": "vox", "since": 2001}]},
            {"de": [{"name": "vox"}, {"name": "old", "hd": False}]},
            {("de", "vox", True, "since"), ("de", "old", False, "hd")},
        ),
        ({}, {}, set()),
    ],
)
def test_channels(
    run_tap: TapRunner, script: Script, tracked: Any, everything: Any, expected: set[tuple[Any, ...]]
) -> None:
    vendor = script(lambda request: Response.json(tracked if "tracked" in request.path else everything))
    run = run_tap(vendor.settings(), "channels")
    found = {(*row[:3], next(iter(row[3]), None) if row[3] else None) for row in rows(run, "channels")}
    assert found == expected
    assert len(run.records("channels")) == len(expected)
    assert sorted(request.target for request in vendor.journal) == ["/get-all-channels", "/get-tracked-channels"]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (
            {"de": {"serien": ["krimi", "soap", "krimi"], "news": [], "sport": None, "show": [None]}, "at": {}},
            [
                ("de", "serien", "krimi"),
                ("de", "serien", "soap"),
                ("de", "news", ""),
                ("de", "sport", ""),
                ("de", "show", ""),
            ],
        ),
        ({"de": ["serien", None, "news", "news"], "at": []}, [("de", "serien", ""), ("de", "news", "")]),
        (
            {"de": {"genres": ["serien"], "subgenres": ["krimi", "soap"]}, "at": {"genres": ["news"]}},
            [("de", "serien", ""), ("de", "", "krimi"), ("de", "", "soap"), ("at", "news", "")],
        ),
        (
            {"de": {"genres": ["a"], "more": ["b"]}},
            [("de", "genres", "a"), ("de", "more", "b")],
        ),
    ],
)
def test_genres(run_tap: TapRunner, script: Script, answer: Any, expected: list[tuple[str, str, str]]) -> None:
    vendor = script.pages(Response.json(answer))
    run = run_tap(vendor.settings(), "tv_genres")
    assert [row[:3] for row in rows(run, "tv_genres")] == expected


@pytest.mark.parametrize(
    ("stream", "answer", "call", "shape"),
    [
        ("regions", {"de": "Germany"}, "/get-all-regions", "an object of strings"),
        ("regions", ["de", 1], "/get-all-regions", "a list of numbers and strings"),
        ("categories", [["food"]], "/get-all-categories", "a list of lists"),
        ("brands", [{"id": 1}], "/get-all-brands", "a list of objects"),
        ("brands", None, "/get-all-brands", "one of nulls"),
        ("brands", 1.5, "/get-all-brands", "one of numbers"),
        ("channels", ["vox"], "/get-tracked-channels", "a list of strings"),
        ("channels", {"de": {"vox": 1}}, "/get-tracked-channels", "an object of numbers"),
        ("channels", [], "/get-tracked-channels", "an empty list"),
        ("tv_genres", {"de": "serien"}, "/get-all-tv-genres", "one of strings"),
        ("tv_genres", {"de": {"serien": {"a": "b"}}}, "/get-all-tv-genres", "an object of strings"),
        ("tv_genres", {"de": [True]}, "/get-all-tv-genres", "a list of booleans"),
    ],
)
def test_any_other_shape_fails_the_stream(  # noqa: PLR0913, PLR0917 - a case and its fixtures
    run_tap: TapRunner, script: Script, stream: str, answer: Any, call: str, shape: str
) -> None:
    vendor = script.pages(Response.json(answer))
    run = run_tap({**vendor.settings(), "parallel_requests": 1}, stream, fails=True)
    assert run.error == (
        f"stream {stream}: {call} returned {shape}, an unknown format: deselect the stream, and "
        "report this to the tap's authors"
    )


def test_brands_are_asked_for_without_filters(run_tap: TapRunner, spotwatch: SpotwatchSimulator) -> None:
    run_tap({**spotwatch.settings(), "regions": ["de"], "channels": ["vox"]}, "brands")
    assert [request.target for request in spotwatch.journal] == ["/get-all-brands"]


@pytest.fixture
def insisting(simulate: Simulate) -> SpotwatchSimulator:
    """A vendor that takes the four filters of brands for required."""
    return simulate(SpotwatchSimulator(days=2, rows_per_day=60, brand_filters="required"))


def test_brands_that_insist_on_filters_get_all_of_them(run_tap: TapRunner, insisting: SpotwatchSimulator) -> None:
    run = run_tap({**insisting.settings(), "start_date": "2024-02-01"}, "brands")
    assert [row[0] for row in sorted(rows(run, "brands"))] == [row["brand"] for row in insisting.truth("brands")]
    refused, channels, again = insisting.journal
    assert (refused.target, refused.status) == ("/get-all-brands", 400)
    assert channels.target == "/get-all-channels"
    assert dict(again.params) == {
        "region": "at,de,fr,uk",
        "channel": "d8,das vierte,dmax,five life,m6,neun live,orf1,puls4,rtl,sat1,sport1,tf1,tlc,viva,vox",
        "time_seen_from": "2024-02-01T00:00:00Z",
        "time_seen_to": "2024-06-15T10:00:00Z",
    }
    assert insisting.violations == []


def test_brands_that_still_insist_end_the_run(run_tap: TapRunner, script: Script) -> None:
    # given so many channels that the arguments have to be sent as JSON
    channels = [f"channel number {number}" for number in range(400)]

    def answer(request: Request) -> Response:
        if request.path == "/get-all-channels":
            return Response.json({"de": channels, "empty": []})
        return Response.text("Argument(s) missing. Expected [key, x], got [key], missing [x].", 400)

    vendor = script(answer)
    # when
    run = run_tap(vendor.settings(), "brands", fails=True)
    # then
    assert [(one.method, one.path) for one in vendor.journal] == [
        ("GET", "/get-all-brands"),
        ("GET", "/get-all-channels"),
        ("POST", "/get-all-brands"),
    ]
    assert vendor.journal[2].json() == {
        "region": ["de", "empty"],
        "channel": sorted(channels),
        "time_seen_from": "2024-06-01T00:00:00Z",
        "time_seen_to": "2024-06-15T10:00:00Z",
    }
    assert run.error == (
        'stream brands: HTTP 400 Bad Request "Argument(s) missing. Expected [key, x], got [key], missing [x].": '
        "deselect brands, and report this to the tap's authors"
    )


def test_any_other_400_of_brands_ends_the_run_at_once(run_tap: TapRunner, script: Script) -> None:
    vendor = script.pages(Response.text("Not for you.", 400))
    run = run_tap(vendor.settings(), "brands", fails=True)
    assert len(vendor.journal) == 1
    assert 'HTTP 400 Bad Request "Not for you."' in run.error


def test_lists_leave_no_bookmark(run_tap: TapRunner, spotwatch: SpotwatchSimulator) -> None:
    run = run_tap(spotwatch.settings(), "regions", "channels")
    assert run.states[-1] == {"bookmarks": {"channels": {}, "regions": {}}}
