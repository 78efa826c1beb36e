"""The table of errors, line by line: how often is asked, how long is waited, what is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from vendor_simulators.faults import Fault
from vendor_simulators.messages import Response
from vendor_simulators.springserve import SpringServeSimulator

if TYPE_CHECKING:
    from singer_adtech.testing import TapRunner
    from springserve_fixtures import Script
    from vendor_simulators.pytest_plugin import Simulate

ELB = (
    '<html>\n<head><title>503 Service Temporarily Unavailable</title></head>\n<body bgcolor="white">\n'
    "<center><h1>503 Service Temporarily Unavailable</h1></center>\n</body>\n</html>\n"
)
WAITS = [1, 2, 4, 8, 16, 32, 60]
LIMITED = [5, 10, 20, 40, 60, 60, 60]
FORBIDDEN = Response.json({"error": "You are not authorized to access this page."}, 403)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Response.text("oops", 500), 'HTTP 500 Internal Server Error "oops"'),
        (Response.json({"error": "down"}, 502), 'HTTP 502 Bad Gateway "down"'),
        (Response.text(ELB, 503, "text/html"), 'HTTP 503 Service Unavailable "503 Service Temporarily Unavailable"'),
        (Response.text("", 504), "HTTP 504 Gateway Timeout"),
        (Response.text(ELB, 200, "text/html"), "HTTP 200 with an HTML page"),
        (Response.text(ELB, 403), 'HTTP 403 Forbidden "503 Service Temporarily Unavailable"'),
        (Response.text("<html>Blocked</html>", 400), 'HTTP 400 Bad Request "Blocked"'),
        (Response.text('[{"id": 1}, {"i', 200), "the response body is not valid JSON (cut off at byte 15)"),
        (Response.text("Retry soon", 200), "the response body is not valid JSON at byte 0: invalid character"),
        (Response.text("", 200), "HTTP 200 with an empty body"),
        (Response(0, delivery="drop"), "closed the connection before responding"),
    ],
)
def test_what_may_pass_is_asked_for_eight_times(
    run_tap: TapRunner, script: Script, answer: Response, said: str
) -> None:
    # Given a vendor that fails always in the same way
    vendor = script(lambda _: answer)
    # When a list is read
    run = run_tap(vendor.settings(), "campaigns", fails=True)
    # Then it is asked for eight times, with growing waits, and the message has the last status and words
    assert len(vendor.data_requests) == 8
    assert run.clock.waits == WAITS
    assert run.error.startswith("stream campaigns: ")
    assert f"{said} (tried 8 times)" in run.error
    assert run.records("campaigns") == []


def test_what_passes_is_forgotten(run_tap: TapRunner, springserve: SpringServeSimulator) -> None:
    springserve.faults.add(Fault(path="/api/v0/campaigns", times=2, action="html", status=503, body=ELB))

    run = run_tap(springserve.settings(), "campaigns")

    assert run.clock.waits == [1, 2]
    assert len(run.records("campaigns")) == len(springserve.truth("campaigns"))


@pytest.mark.parametrize("stream", ["campaigns", "supply_labels", "supply_daily"])
def test_too_many_requests_are_waited_out_by_the_steps_of_the_sdk(
    run_tap: TapRunner, script: Script, stream: str
) -> None:
    # Given a vendor that says nothing but `Retry later`
    vendor = script(lambda _: Response.text("Retry later\n", 429))
    # When a stream is read
    run = run_tap({**vendor.settings(), "end_date": "2026-02-01"}, stream, fails=True)
    # Then it is asked for eight times, and the message names the limit and the setting to lower
    assert len(vendor.data_requests) == 8
    assert run.clock.waits == LIMITED
    lower = "`report_requests_per_minute` or `requests_per_minute`" if "daily" in stream else "`requests_per_minute`"
    limit = "all requests, reports" if "daily" in stream else "all requests"
    assert f'rate limit of {limit}: HTTP 429 Too Many Requests "Retry later" (tried 8 times)' in run.error
    assert run.error.endswith(f"lower {lower}, or run fewer syncs in parallel, or run later")


@pytest.mark.parametrize(("advice", "wait"), [("17", 17), ("0", 5), ("Tue, 10 Feb 2026 15:30:42 GMT", 42), ("soon", 5)])
def test_retry_after_is_obeyed(run_tap: TapRunner, script: Script, advice: str, wait: float) -> None:
    limited = Response.text("Retry later\n", 429)
    limited.headers += [("Retry-After", advice), ("Date", "Tue, 10 Feb 2026 15:30:00 GMT")]
    vendor = script.answers(limited, [])

    assert run_tap(vendor.settings(), "campaigns").clock.waits == [wait]


def test_a_forbidden_stream_is_skipped_with_a_warning(run_tap: TapRunner, simulate: Simulate) -> None:
    # Given a user of the demand side, who may not see supply tags nor reports
    forbidden = ("/supply_tags", "/report", "/supply_partners")
    vendor = simulate(SpringServeSimulator(days=1, rows_per_day=10, forbidden=forbidden))
    state = {"bookmarks": {"supply_tags": {"replication_key": "updated_at", "replication_key_value": "2026-01-01"}}}
    # When the streams that are on are read
    run = run_tap(vendor.settings(), state=state)
    # Then the others are there, the skipped ones are named, and a bookmark is kept
    skipped = [one for one in run.warnings() if "skipped" in one]
    assert [one.split(":")[0] for one in skipped] == [
        "stream demand_daily",
        "stream supply_daily",
        "stream supply_partners",
        "stream supply_tags",
    ]
    assert "the user may not read supply_tags" in skipped[3]
    assert "or check `account_id`" in skipped[3]
    assert "You are not authorized to access this page." in skipped[3]
    assert len(run.records("demand_tags")) == len(vendor.truth("demand_tags"))
    assert run.states[-1]["bookmarks"]["supply_tags"] == state["bookmarks"]["supply_tags"]
    assert len(vendor.journal.matching("/api/v0/report")) == 2


def test_a_forbidden_stream_fails_the_run_if_the_setting_says_so(run_tap: TapRunner, script: Script) -> None:
    vendor = script(lambda _: FORBIDDEN)

    run = run_tap({**vendor.settings(), "on_forbidden": "fail"}, "campaigns", "supply_labels", fails=True)

    assert run.error.startswith("2 of 2 streams failed: stream campaigns: HTTP 403 Forbidden")
    assert len(vendor.data_requests) == 2


def test_a_run_in_which_all_is_forbidden_fails(run_tap: TapRunner, script: Script) -> None:
    vendor = script(lambda _: FORBIDDEN)

    run = run_tap(vendor.settings(), "campaigns", "supply_daily", fails=True)

    assert "all selected streams are forbidden: campaigns, supply_daily" in run.error


@pytest.mark.parametrize(
    ("stream", "path"), [("campaigns", "/api/v0/campaigns"), ("supply_labels", "/api/v1/supply_labels")]
)
@pytest.mark.parametrize("body", ['{"error": "Not Found"}', ELB])
def test_a_list_that_is_not_there_ends_the_run(
    run_tap: TapRunner, script: Script, stream: str, path: str, body: str
) -> None:
    vendor = script(lambda _: Response.text(body, 404))

    run = run_tap(vendor.settings(), stream, fails=True)

    assert run.error.startswith(f"stream {stream}: HTTP 404 Not Found")
    assert run.error.endswith(f"{path} does not exist in this account or host: deselect {stream}, or check `api_url`")
    assert len(vendor.data_requests) == 1


@pytest.mark.parametrize("status", [400, 422])
def test_a_request_that_the_vendor_calls_wrong_ends_the_run(run_tap: TapRunner, script: Script, status: int) -> None:
    errors = {"dimensions": ["is unknown", "is too long"], "metrics": ["is empty"]}
    vendor = script(lambda _: Response.json({"error": "Invalid report", "errors": errors}, status))
    settings = {**vendor.settings(), "end_date": "2026-02-01"}

    run = run_tap(settings, "supply_daily", fails=True)

    assert run.error.startswith(f"stream supply_daily, window 2026-02-01..2026-02-01: HTTP {status}")
    assert '"Invalid report; dimensions: is unknown, is too long; metrics: is empty"' in run.error
    assert run.error.endswith("check the report's dimensions, metrics and filters")
    assert len(vendor.data_requests) == 1


def test_an_unknown_dimension_ends_the_run(run_tap: TapRunner, springserve: SpringServeSimulator) -> None:
    report = {"name": "mine", "dimensions": ["colour"], "metrics": ["revenue"]}

    run = run_tap({**springserve.settings(), "reports": [report]}, "mine", fails=True)

    assert '"Invalid report; dimensions: colour is not a dimension"' in run.error


def test_a_dimension_that_the_vendor_leaves_out_ends_the_run(run_tap: TapRunner, simulate: Simulate) -> None:
    vendor = simulate(SpringServeSimulator(days=1, rows_per_day=10, unknown_dimension="leave_out"))
    report = {"name": "mine", "dimensions": ["colour"], "metrics": ["revenue"]}

    run = run_tap({**vendor.settings(), "reports": [report]}, "mine", fails=True)

    assert "a row does not contain the requested dimension `colour`" in run.error


def test_a_report_that_the_vendor_fails_ends_the_run(run_tap: TapRunner, simulate: Simulate) -> None:
    vendor = simulate(SpringServeSimulator(days=1, rows_per_day=10, final_status="FAILED"))

    run = run_tap(vendor.settings(), "supply_daily", fails=True)

    assert "the report has the unknown status FAILED" in run.error


@pytest.mark.parametrize("stream", ["campaigns", "supply_labels"])
@pytest.mark.parametrize("answer", ['{"data": []}', '{"error": "odd"}', "3", '{"results": {}}'])
def test_an_unexpected_shape_ends_the_run(run_tap: TapRunner, script: Script, stream: str, answer: str) -> None:
    vendor = script(lambda _: Response.text(answer, 200, "application/json"))

    run = run_tap(vendor.settings(), stream, fails=True)

    assert "HTTP 200 with an unexpected body" in run.error
    assert "expected an array, or an object with `results`" in run.error
    assert len(vendor.data_requests) == 1


def test_a_redirect_to_another_host_is_refused(run_tap: TapRunner, springserve: SpringServeSimulator) -> None:
    springserve.faults.add(Fault(path="/api/v0/campaigns", action="redirect"))

    run = run_tap(springserve.settings(), "campaigns", fails=True)

    assert "the vendor sent the tap to another host (http://elsewhere.invalid:80)" in run.error


def test_the_words_of_an_error_never_hold_the_password_or_the_token(run_tap: TapRunner, script: Script) -> None:
    vendor = script(lambda _: Response.json({"error": "bad: made-up-token made-up-password"}, 400))

    run = run_tap(vendor.settings(), "campaigns", fails=True)

    assert '"bad: [hidden] [hidden]"' in run.error
    said = "\n".join([run.error, run.output, *run.log])
    assert "made-up-token" not in said
    assert "made-up-password" not in said


@pytest.mark.parametrize("before", ["", "x" * 190])
def test_no_part_of_a_secret_is_repeated_where_words_are_cut_or_folded(
    run_tap: TapRunner, script: Script, before: str
) -> None:
    # Given a password with two blanks, and a vendor that repeats it, perhaps where its words are cut
    vendor = script(lambda _: Response.json({"error": f"{before} made  up-password"}, 400))

    run = run_tap({**vendor.settings(), "password": "made  up-password"}, "campaigns", fails=True)

    said = "\n".join([run.error, *run.log])
    assert "[hid" in run.error
    assert "made" not in said.replace("made-up", "")
