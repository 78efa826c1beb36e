"""What goes over the wire: each stream's requests to the letter, and the worked example of the specification."""

from __future__ import annotations

import base64
import itertools
from typing import TYPE_CHECKING, Any

import pytest
from vendor_simulators.messages import Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from adspect_fixtures import Script, Scripted
    from singer_adtech.testing import FakeClock, TapRunner
    from vendor_simulators.adspect import AdspectSimulator

BASE_METRICS = [
    "clicks",
    "uniques",
    "fingerprints",
    "money_hits",
    "money_uniques",
    "safe_hits",
    "givt",
    "sivt",
    "mia",
    "quality",
    "expenses",
    "conversions",
    "revenue",
    "profit",
]
COLUMNS = [
    "timestamp",
    "ip_address",
    "asn",
    "account_id",
    "stream_id",
    "country_code",
    "os",
    "browser",
    "engine",
    "languages",
    "cost",
    "sub_id",
    "click_id",
    "mode",
    "sequence",
    "target",
    "tags",
]
COLLECTIONS = [
    "presets",
    "os",
    "browsers",
    "engines",
    "countries",
    "languages",
    "time-zones",
    "stream-modes",
    "stream-actions",
    "query-group-by",
    "query-funnel-metrics",
    "query-log-columns",
]
EVERY = (
    "streams",
    "account",
    "saved_queries",
    "funnel_daily",
    "click_log",
    "stream_ip_lists",
    "account_ip_lists",
    "collections",
)


def sent(vendor: Scripted | AdspectSimulator) -> list[str]:
    """Return method, path and query of each request, as they were sent."""
    return [f"{request.method} {request.target}" for request in vendor.journal]


def repeated(name: str, values: list[str]) -> str:
    """Spell a parameter that is sent several times."""
    return "".join(f"&{name}%5B%5D={value}" for value in values)


@pytest.fixture
def empty(script: Script) -> Scripted:
    """A vendor without a single row."""
    return script(lambda _: Response.text("[]"))


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        ("streams", ["GET /v1/streams?page=1&per-page=100"]),
        ("account", ["GET /v1/account"]),
        ("saved_queries", ["GET /v1/reports?page=1&per-page=100"]),
        ("account_ip_lists", ["GET /v1/accounts/self/ip-blacklist", "GET /v1/accounts/self/ip-whitelist"]),
        ("collections", [f"GET /v1/collections/{name}" for name in COLLECTIONS]),
        (
            "funnel_daily",
            [
                "GET /v1/reports/funnel?date_from=1743120000&date_to=1743552000&time_zone=UTC"
                + repeated("group_by", ["date", "stream_id"])
                + repeated("metrics", BASE_METRICS)
            ],
        ),
        (
            "click_log",
            [
                f"GET /v1/reports/{what}?date_from={start}&date_to={start + 86400}&time_zone=UTC" + asked
                for start in (1743120000, 1743206400)
                for what, asked in (
                    ("log", repeated("columns", COLUMNS)),
                    ("funnel", repeated("metrics", ["clicks", "conversions"])),
                )
            ],
        ),
    ],
)
def test_a_stream_asks_for_exactly_this(
    run_tap: TapRunner, adspect: AdspectSimulator, stream: str, expected: list[str]
) -> None:
    last = "2025-03-29" if stream == "click_log" else None
    run_tap({**adspect.settings(), "log_window_minutes": 1440, "end_date": last}, stream)
    assert sent(adspect) == expected
    assert adspect.violations == []


def test_lists_of_streams_are_two_requests_a_stream(run_tap: TapRunner, adspect: AdspectSimulator) -> None:
    run_tap(adspect.settings(), "stream_ip_lists")
    ids = [stream["stream_id"] for stream in adspect.entities.streams]
    assert sent(adspect) == [
        "GET /v1/streams?page=1&per-page=100",
        *(f"GET /v1/streams/{one}/ip-{kind}" for one in ids for kind in ("blacklist", "whitelist")),
    ]


def test_nothing_but_get_and_head_is_ever_sent(run_tap: TapRunner, adspect: AdspectSimulator) -> None:
    # Given a key that may write, totals by HEAD alone, and every stream with every check
    adspect.options = type(adspect.options)(totals="head")
    given = {
        **adspect.settings(),
        "log_count_check": True,
        "log_row_limit": 3,
        "page_size": 10,
        "end_date": "2025-03-28",
    }
    # When
    run_tap(given, *EVERY)
    # Then
    assert {request.method for request in adspect.journal} == {"GET", "HEAD"}
    assert {request.path for request in adspect.journal.matching(method="HEAD")} == {"/v1/streams", "/v1/reports"}
    assert {request.body for request in adspect.journal} == {b""}
    assert adspect.violations == []


def test_every_request_carries_these_headers(run_tap: TapRunner, adspect: AdspectSimulator) -> None:
    adspect.options = type(adspect.options)(totals="head")
    run_tap({**adspect.settings(), "end_date": "2025-03-28"}, *EVERY)
    key = base64.b64encode(f"{adspect.api_key}:".encode()).decode()
    for request in adspect.journal:
        assert request.headers["Authorization"] == f"Basic {key}"
        assert request.headers.all("Content-Type") == ["application/json"]
        assert request.headers["Accept"] == "application/json"
        assert request.headers["User-Agent"].startswith("tap-adspect/")
        assert "Cookie" not in request.headers


def test_the_user_agent_is_sent_when_set(run_tap: TapRunner, adspect: AdspectSimulator) -> None:
    run_tap({**adspect.settings(), "user_agent": "acme/1", "api_url": f"{adspect.api_url}/"}, "account")
    assert sent(adspect) == ["GET /v1/account"]
    assert adspect.journal[0].headers["User-Agent"] == "acme/1"


def test_one_request_is_in_flight_by_default(run_tap: TapRunner, adspect: AdspectSimulator) -> None:
    run_tap({**adspect.settings(), "window_days": 1, "page_size": 5}, "streams", "funnel_daily")
    assert len(adspect.journal) == 10
    assert adspect.journal.concurrency() == 1


def windows(vendor: Scripted) -> list[tuple[int, int, str]]:
    """Return bounds and zone of each request for a report; one that follows an empty response is left out."""
    bounds = [
        (int(request.param("date_from") or 0), int(request.param("date_to") or 0), request.param("time_zone") or "")
        for request in vendor.journal.matching("/v1/reports/funnel")
    ]
    return [one for one, _ in itertools.groupby(bounds)]


def test_the_worked_example(run_tap: TapRunner, empty: Scripted, frozen: Callable[[str], FakeClock]) -> None:
    # Given Berlin, where summer time starts on 2025-03-30
    zone = "Europe/Berlin"
    given = {**empty.settings(), "time_zone": zone, "start_date": "2025-03-20"}
    # When run on 2025-04-01
    first = run_tap(given, "funnel_daily", clock=frozen("2025-04-01T12:00:00+02:00"))
    # Then
    assert windows(empty) == [(1742425200, 1743030000, zone), (1743030000, 1743544800, zone)]
    assert first.bookmarks("funnel_daily") == ["2025-03-26", "2025-04-01"]
    assert sent(empty)[0] == (
        "GET /v1/reports/funnel?date_from=1742425200&date_to=1743030000&time_zone=Europe%2FBerlin"
        + repeated("group_by", ["date", "stream_id"])
        + repeated("metrics", BASE_METRICS)
    )
    # When run again on 2025-04-03
    empty.journal.clear()
    clock = frozen("2025-04-03T12:00:00+02:00")
    second = run_tap(given, "funnel_daily", state=first.states[-1], clock=clock)
    # Then; singer-sdk repeats the state that it was given before all else
    assert windows(empty) == [(1742857200, 1743458400, zone), (1743458400, 1743717600, zone)]
    assert second.bookmarks("funnel_daily") == ["2025-04-01", "2025-04-01", "2025-04-03"]


@pytest.mark.parametrize("parallel", [1, 3])
def test_windows_side_by_side_keep_their_order(run_tap: TapRunner, adspect: AdspectSimulator, parallel: int) -> None:
    run = run_tap({**adspect.settings(), "window_days": 1, "parallel_requests": parallel}, "funnel_daily")
    days = ["2025-03-28", "2025-03-29", "2025-03-30", "2025-03-31", "2025-04-01"]
    assert run.bookmarks("funnel_daily") == days
    kinds = [one["record"]["date"] if one["type"] == "RECORD" else one["type"] for one in run.messages]
    assert [kind for number, kind in enumerate(kinds) if number == 0 or kinds[number - 1] != kind] == [
        "SCHEMA",
        *(part for day in days for part in (day, "STATE")),
    ]
    assert adspect.journal.concurrency() <= parallel
    assert run.by_key("funnel_daily", "date", "stream_id") == adspect.truth("funnel_daily")


def test_months_are_one_request_each(run_tap: TapRunner, empty: Scripted, frozen: Callable[[str], FakeClock]) -> None:
    # Given a start in the middle of a month
    report: dict[str, Any] = {"name": "monthly", "dimensions": ["month", "os"], "metrics": ["clicks"]}
    given = {**empty.settings(), "time_zone": "Europe/Berlin", "start_date": "2025-01-20", "reports": [report]}
    # When run on 2025-04-02
    first = run_tap(given, "monthly", clock=frozen("2025-04-02T12:00:00+02:00"))
    # Then months are whole, and the current one ends with today
    assert windows(empty) == [
        (1735686000, 1738364400, "Europe/Berlin"),
        (1738364400, 1740783600, "Europe/Berlin"),
        (1740783600, 1743458400, "Europe/Berlin"),
        (1743458400, 1743631200, "Europe/Berlin"),
    ]
    assert first.bookmarks("monthly") == ["2025-01", "2025-02", "2025-03", "2025-04"]
    # When run on 2025-05-01, the look-back goes into the month before the bookmark's
    empty.journal.clear()
    second = run_tap(given, "monthly", state=first.states[-1], clock=frozen("2025-05-01T12:00:00+02:00"))
    assert [start for start, _, _ in windows(empty)] == [1740783600, 1743458400, 1746050400]
    assert second.bookmarks("monthly")[1:] == ["2025-04", "2025-04", "2025-05"]
    # When there is no look-back, the month of the bookmark is read again
    empty.journal.clear()
    run_tap(
        {**given, "reports": [{**report, "lookback_days": 0}]},
        "monthly",
        state=first.states[-1],
        clock=frozen("2025-04-03T12:00:00+02:00"),
    )
    assert windows(empty) == [(1743458400, 1743717600, "Europe/Berlin")]


def test_a_month_is_whole_whatever_the_last_day(
    run_tap: TapRunner, empty: Scripted, frozen: Callable[[str], FakeClock]
) -> None:
    given = {**empty.settings(), "start_date": "2025-02-10", "end_date": "2025-02-12"}
    report = {"name": "monthly", "dimensions": ["month"]}
    run = run_tap({**given, "reports": [report]}, "monthly", clock=frozen("2025-04-02T12:00:00Z"))
    assert windows(empty) == [(1738368000, 1740787200, "UTC")]
    assert run.bookmarks("monthly") == ["2025-02"]


@pytest.mark.parametrize(
    ("day", "zone", "seconds"),
    [
        ("2025-03-30", "Europe/Berlin", 23 * 3600),
        ("2025-10-26", "Europe/Berlin", 25 * 3600),
        ("2024-03-31", "Asia/Beirut", 23 * 3600),
        ("2025-03-30", "UTC", 24 * 3600),
    ],
)
def test_days_are_whole(  # noqa: PLR0913, PLR0917 - one row of a table
    run_tap: TapRunner, empty: Scripted, frozen: Callable[[str], FakeClock], day: str, zone: str, seconds: int
) -> None:
    given = {**empty.settings(), "time_zone": zone, "start_date": day, "end_date": day}
    run_tap(given, "funnel_daily", clock=frozen("2025-12-01T12:00:00Z"))
    [(start, end, _)] = windows(empty)
    assert end - start == seconds


@pytest.mark.parametrize(
    ("given", "first", "last"),
    [
        ({"end_date": "2030-01-01"}, "2025-03-28", "2025-04-01"),
        ({"end_date": None}, "2025-03-28", "2025-04-01"),
        ({"start_date": "2025-03-30T23:30:00-02:00", "end_date": "2025-03-31"}, "2025-03-31", "2025-03-31"),
        ({"start_date": "2025-04-01"}, "2025-04-01", "2025-04-01"),
    ],
)
def test_first_and_last_day(run_tap: TapRunner, empty: Scripted, given: dict[str, Any], first: str, last: str) -> None:
    run = run_tap({**empty.settings(), "window_days": 1, **given}, "funnel_daily")
    assert (run.bookmarks("funnel_daily")[0], run.bookmarks("funnel_daily")[-1]) == (first, last)


def test_nothing_is_asked_for_in_the_future(run_tap: TapRunner, empty: Scripted) -> None:
    reports = [{"name": "daily", "dimensions": ["date"]}, {"name": "monthly", "dimensions": ["month"]}]
    given = {**empty.settings(), "start_date": "2025-05-02", "reports": reports}
    run = run_tap(given, "daily", "monthly", "click_log", fails=True)
    assert len(empty.journal) == 0
    assert run.error.startswith("setting `start_date`: '2025-05-02' is in the future: it is now 2025-")
