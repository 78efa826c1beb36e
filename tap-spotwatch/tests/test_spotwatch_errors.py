"""Each row of the specification's table of errors: how often a call is made, after which waits, and what is said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from vendor_simulators.faults import Fault
from vendor_simulators.messages import Response
from vendor_simulators.spotwatch import SpotwatchSimulator

if TYPE_CHECKING:
    from singer_adtech.testing import TapRunner
    from spotwatch_fixtures import Script
    from vendor_simulators.pytest_plugin import Simulate

CALL = "/get-broadcasts"
LINK = "/????????????????????"
WHERE = "stream broadcasts, window 2024-06-08T00:00:00+00:00..2024-06-09T00:00:00+00:00: "
REFUSED = "the API refused the key: check `api_key`, or ask Spotwatch for access"
DOWN = "the vendor may be down: "


@pytest.fixture
def vendor(spotwatch: SpotwatchSimulator) -> SpotwatchSimulator:
    """The simulator, before its data are asked for."""
    return spotwatch


def settings(vendor: SpotwatchSimulator, **more: Any) -> dict[str, Any]:
    """Return settings that read the first day, in pages of 25 of its 60 rows."""
    return {**vendor.settings(), "end_date": "2024-06-08", "page_size": 25, **more}


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (403, "Not for this key.", f'HTTP 403 Forbidden "Not for this key.": {REFUSED}'),
        (401, "", f"HTTP 401 Unauthorized: {REFUSED}"),
        (400, "API key [x] is not valid.", 'HTTP 400 Bad Request "API key [x] is not valid.": check `api_key`'),
        (
            400,
            "Unknown keyword, no such region [xx].",
            (
                'HTTP 400 Bad Request "Unknown keyword, no such region [xx].": check the settings, '
                "especially `regions` and `channels`"
            ),
        ),
        (404, "nothing here", 'HTTP 404 Not Found "nothing here": check `api_url`'),
        (410, "", "HTTP 410 Gone: check the settings"),
    ],
)
def test_a_refusal_ends_the_run_at_once(
    run_tap: TapRunner, vendor: SpotwatchSimulator, status: int, body: str, said: str
) -> None:
    vendor.faults.add(Fault(path=CALL, status=status, body=body, times=None))
    run = run_tap(settings(vendor), "broadcasts", fails=True)
    assert run.error == WHERE + said
    assert len(vendor.journal) == 1
    assert run.clock.waits == []
    assert run.states == []


@pytest.mark.parametrize("status", [403, 400])
def test_a_wrong_key_is_told_apart_however_it_is_answered(run_tap: TapRunner, simulate: Simulate, status: int) -> None:
    vendor = simulate(SpotwatchSimulator(days=1, rows_per_day=1, bad_key_status=status))
    run = run_tap({**vendor.settings(), "api_key": "somebody-elses"}, "categories", fails=True)
    assert run.error.startswith(f"stream categories: HTTP {status} ")
    assert run.error.endswith(REFUSED if status == 403 else "check `api_key`")
    assert len(vendor.journal) == 1


def test_a_key_that_stops_working_half_way_is_a_refusal(run_tap: TapRunner, vendor: SpotwatchSimulator) -> None:
    # given a 403 on a link, and then on the call with which the window begins again
    vendor.faults.add(Fault(path=LINK, status=403, times=None), Fault(path=CALL, status=403, nth=2, times=None))
    run = run_tap(settings(vendor), "broadcasts", fails=True)
    assert run.error == (
        f"{WHERE}HTTP 403 Forbidden: {REFUSED}, or deselect it: `meltano select tap-spotwatch --exclude broadcasts "
        '"*"`, or `"selected": false` in the catalog'
    )
    assert len(vendor.journal) == 3


@pytest.mark.parametrize("status", [400, 403, 404, 410])
def test_an_expired_link_is_told_in_one_line_without_it(
    run_tap: TapRunner, vendor: SpotwatchSimulator, status: int
) -> None:
    vendor.faults.add(Fault(path=LINK, status=status, body="Link not found.", times=None))
    run = run_tap(settings(vendor), "broadcasts", fails=True)
    assert run.error.startswith(f"{WHERE}HTTP {status} ")
    assert run.error.endswith('"Link not found.": the page link expired: raise `page_size` or lower `window_days`')
    assert len(vendor.journal.matching(CALL)) == len(vendor.journal.matching(LINK)) == 3
    assert run.clock.waits == []


BROKEN: list[tuple[dict[str, Any], str]] = [
    ({"status": 500}, "HTTP 500 Internal Server Error"),
    ({"status": 502, "action": "html"}, 'HTTP 502 Bad Gateway "an HTML page"'),
    ({"status": 503, "body": "closed for lunch"}, 'HTTP 503 Service Unavailable "closed for lunch"'),
    ({"status": 504}, "HTTP 504 Gateway Timeout"),
    ({"action": "drop"}, "{host} closed the connection before responding"),
    ({"action": "cut"}, "the response from {host} was cut off"),
    ({"action": "broken_json"}, "the response body is not valid JSON (cut off at byte "),
    ({"status": 200, "action": "html"}, "HTTP 200 with text/html instead of JSON"),
    ({"status": 200, "body": '{"page": {}, "results": []}', "content_type": "text/plain"}, "HTTP 200 with text/plain"),
    (
        {"status": 200, "body": "All is fine", "content_type": "application/json"},
        "the response body is not valid JSON at byte 0: invalid character",
    ),
]


@pytest.mark.parametrize(("broken", "said"), BROKEN, ids=[said for _, said in BROKEN])
@pytest.mark.parametrize("path", [CALL, LINK], ids=["call", "link"])
def test_what_may_pass_is_tried_six_times(
    run_tap: TapRunner, vendor: SpotwatchSimulator, path: str, broken: dict[str, Any], said: str
) -> None:
    said = said.replace("{host}", urlsplit(vendor.api_url).netloc)
    # given what goes wrong five times, and works at the sixth
    vendor.faults.add(Fault(path=path, times=5, **broken))
    run = run_tap(settings(vendor, row_count_check="fail"), "broadcasts")
    assert run.clock.waits == [1, 2, 4, 8, 16]
    assert run.by_key("broadcasts", "id") == vendor.truth("broadcasts", last_day=vendor.first_day)
    assert len(vendor.journal) == 8
    warned = run.warnings()
    assert len(warned) == 5
    assert all(one.startswith(f"stream broadcasts, window {WHERE.split('window ')[1]}{said}") for one in warned)
    # given that it stays so
    vendor.faults.clear()
    vendor.faults.add(Fault(path=path, times=None, **broken))
    run = run_tap(settings(vendor), "broadcasts", fails=True)
    # then the run ends
    assert run.error.startswith(WHERE + said)
    assert f"(tried 6 times): {DOWN if ' 50' in said else ''}try again later" in run.error
    assert run.clock.waits == [1, 2, 4, 8, 16]


def test_a_time_out_is_tried_again(run_tap: TapRunner, vendor: SpotwatchSimulator) -> None:
    vendor.faults.add(Fault(path=CALL, action="slow", delay=1.5))
    run = run_tap(settings(vendor, request_timeout=1), "broadcasts")
    assert run.clock.waits == [1]
    assert [one for one in run.warnings() if "no response from" in one]
    assert len(run.records("broadcasts")) == 60


@pytest.mark.parametrize(
    ("status", "header", "waits"),
    [
        (503, "7", [7]),
        (429, "7", [7]),
        (429, "Sat, 15 Jun 2024 10:00:30 GMT", [30]),
        (429, None, [1]),
    ],
)
def test_the_vendors_wish_to_wait_goes_first(
    run_tap: TapRunner, vendor: SpotwatchSimulator, status: int, header: str | None, waits: list[float]
) -> None:
    headers = {"Retry-After": header, "Date": "Sat, 15 Jun 2024 10:00:00 GMT"} if header else {}
    vendor.faults.add(Fault(path=LINK, status=status, headers=headers))
    run = run_tap(settings(vendor), "broadcasts")
    assert run.clock.waits == waits
    assert len(run.records("broadcasts")) == 60


@pytest.mark.parametrize("path", [CALL, LINK], ids=["call", "link"])
def test_a_rate_limit_that_stays_ends_the_run_without_the_link(
    run_tap: TapRunner, vendor: SpotwatchSimulator, path: str
) -> None:
    vendor.faults.add(Fault(path=path, status=429, body="slow down", times=None))
    run = run_tap(settings(vendor), "broadcasts", fails=True)
    shown = CALL if path == CALL else "[hidden]"
    assert run.error == (
        f'{WHERE}rate limit of {shown}: HTTP 429 Too Many Requests "slow down" (tried 10 times): run fewer syncs in '
        "parallel, or run later"
    )


NO_PAGE = "the response has no `page` object or no `results`"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ([], NO_PAGE),
        (None, NO_PAGE),
        ({"results": []}, NO_PAGE),
        ({"page": {"next": None}}, NO_PAGE),
        ({"page": None, "results": []}, NO_PAGE),
        ({"page": [], "results": []}, NO_PAGE),
        (
            {"page": {"next": None}, "results": {"id": 1}},
            "`results` in the response is an object of numbers instead of a list",
        ),
        (
            {"page": {"next": None}, "results": [1]},
            "`results` in the response contains one of numbers instead of objects",
        ),
        ({"page": {"next": None}, "results": None}, "`results` in the response is one of nulls instead of a list"),
    ],
)
def test_an_answer_of_another_shape_ends_the_run(run_tap: TapRunner, script: Script, answer: Any, said: str) -> None:
    vendor = script.pages(Response.json(answer))
    run = run_tap(vendor.settings(), "broadcasts", fails=True)
    assert f": {said}: " in run.error
    assert run.error.startswith("stream broadcasts, window 2024-06-01T00:00:00+00:00..")
    assert len(vendor.journal) == 1


def test_a_row_without_its_key_ends_the_run(run_tap: TapRunner, script: Script) -> None:
    vendor = script.pages(script.page({"time": "2024-06-01T12:00:00Z"}))
    run = run_tap(vendor.settings(), "broadcasts", fails=True)
    assert "a row has no value for its key `id`" in run.error


def test_the_vendors_text_is_cut_and_scrubbed_of_the_key(run_tap: TapRunner, vendor: SpotwatchSimulator) -> None:
    # given a long error that echoes the key on two lines
    body = f"key [{vendor.api_key}]\nrefused " + "x" * 1000
    vendor.faults.add(Fault(path=CALL, status=403, body=body, times=None))
    run = run_tap(settings(vendor), "broadcasts", fails=True)
    quote = run.error.split('"')[1]
    assert quote.startswith("key [[hidden]] refused xxx")
    assert len(quote) == 300
    assert "\n" not in run.error


def test_no_error_and_no_log_line_shows_a_link_or_the_key(run_tap: TapRunner, vendor: SpotwatchSimulator) -> None:
    # given links that fail in every way, and errors that echo them
    vendor.faults.add(
        Fault(path=LINK, action="drop"),
        Fault(path=LINK, action="cut", nth=3),
        Fault(path=LINK, action="broken_json", nth=5),
        Fault(path=LINK, action="html", nth=7),
    )
    run = run_tap(settings(vendor, page_size=9), "broadcasts")
    vendor.faults.clear()
    vendor.faults.add(Fault(path=LINK, action="expire_token", times=None))
    failed = run_tap(settings(vendor, page_size=9), "broadcasts", fails=True)
    lines = [*run.log, *failed.log, failed.error]
    # then
    assert 'Link [[hidden]] not found."' in failed.error
    assert len(vendor.chains.issued) > 8
    secrets = [vendor.api_key, *(link[1:] for link in vendor.chains.issued)]
    assert not [line for line in lines for secret in secrets if secret in line]
    # and the lines of the library below were among those looked at
    assert [line for line in lines if line.startswith("DEBUG http://127.0.0.1") and '"GET [hidden] HTTP' in line]
