"""Bodies and values: what a report's body may look like, and what each field becomes."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from tap_adspect.rows import asn, collection_rows, metric, stream_row, text_list
from vendor_simulators.messages import Content, Response

if TYPE_CHECKING:
    from adspect_fixtures import Script
    from singer_adtech.testing import Run, TapRunner

FUNNEL = "/v1/reports/funnel"


def read(run_tap: TapRunner, script: Script, body: str | Response, *, fails: bool = False, **report: Any) -> Run:
    """Read one day of a report whose answer has this body."""
    vendor = script.body(body) if isinstance(body, str) else script(lambda _: body)
    reports = [{"name": "daily", "dimensions": ["date"], "metrics": ["clicks", "quality"], **report}]
    given = {**vendor.settings(), "end_date": "2025-03-28", "reports": reports}
    run = run_tap(given, "daily", fails=fails)
    run.log.append(f"REQUESTS {len(vendor.journal)}")
    return run


DAY = "2025-03-28"


@pytest.mark.parametrize(
    ("body", "rows"),
    [
        ("", []),
        (" \r\n \n", []),
        ("[]", []),
        ("[]\n", []),
        # The one-row trap: one row alone is valid JSON
        (f'["{DAY}", "5", 0]', [(5, 0)]),
        (f'["{DAY}", "5", 0]\n', [(5, 0)]),
        (f'\n\n["{DAY}", "5", 0]\r\n\n', [(5, 0)]),
        # An array of arrays, of one row too
        (f'[["{DAY}", "5", 0]]', [(5, 0)]),
        (f'[["{DAY}",\n"5", 0.25]]', [(5, Decimal("0.25"))]),
        # Strings and numbers, whole numbers beyond 2^53 and 2^64, no number at all
        (f'["{DAY}", "9007199254740993", "0.5"]', [(9007199254740993, Decimal("0.5"))]),
        (f'["{DAY}", 18446744073709551617, 1]', [(18446744073709551617, 1)]),
        (
            f'["{DAY}", "123456789012345678901", 0.12345678901234567890]',
            [(123456789012345678901, Decimal("0.12345678901234567890"))],
        ),
        *(
            (f'["{DAY}", {nothing}, {nothing}]', [(None, None)])
            for nothing in ("null", '""', '"nan"', '"NaN"', '"inf"', '"-inf"', '"-INF"')
        ),
    ],
)
def test_a_body(run_tap: TapRunner, script: Script, body: str, rows: list[tuple[Any, Any]]) -> None:
    run = read(run_tap, script, body)
    assert [(record["clicks"], record["quality"]) for record in run.records("daily")] == rows
    assert run.bookmarks("daily") == [DAY]


@pytest.mark.parametrize("form", ["lines", "array"])
def test_several_rows_in_either_form(run_tap: TapRunner, script: Script, form: str) -> None:
    # Given texts with a line separator that is none between rows
    values = [[DAY, f"x\u2028\x85{number}", str(number), 0] for number in range(3)]
    texts = [json.dumps(row, ensure_ascii=False) for row in values]
    body = "\n".join(texts) if form == "lines" else f"[{','.join(texts)}]"
    run = read(run_tap, script, body, dimensions=["date", "os"])
    assert [[one["date"], one["os"], str(one["clicks"]), one["quality"]] for one in run.records("daily")] == values


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (f'["{DAY}", "5"]', "row 1 of the report has 2 items instead of 3 (date, clicks, quality)"),
        (f'["{DAY}", "5", 0]\n["{DAY}", "5", 0, 1]', "row 2 of the report has 4 items instead of 3"),
        (f'[["{DAY}", "5", 0], ["{DAY}"]]', "row 2 of the report has 1 items"),
        (f'["{DAY}", "5", 0]\n{{"a": 1}}', "row 2 of the report is not an array"),
        (f'[["{DAY}", "5", 0], 7]', "row 2 of the report is not an array"),
        ('{"message": "sorry"}', "row 1 of the report is not an array"),
        ('"sorry"', "row 1 of the report is not an array"),
        ("null", "row 1 of the report is not an array"),
        ("[[]]", "row 1 of the report has 0 items"),
        ('["28 March", "5", 0]', "a row has an invalid date: report this"),
        ('[null, "5", 0]', "a row has an invalid date: report this"),
    ],
)
def test_a_row_of_another_form_fails_the_run_at_once(run_tap: TapRunner, script: Script, body: str, said: str) -> None:
    run = read(run_tap, script, body, fails=True)
    assert run.error.startswith(f"stream daily, window {DAY}..{DAY}: {said}")
    assert run.records("daily") == []
    assert run.bookmarks("daily") == []
    assert run.log[-1] == "REQUESTS 1"
    assert run.clock.waits == []


@pytest.mark.parametrize(
    ("body", "said", "tries"),
    [
        (f'["{DAY}", "5", 0]\n["{DAY}", "5"', "the response body is not valid JSON (cut off at byte 41)", 5),
        (f'[["{DAY}", "5", 0]', "the response body is not valid JSON (cut off at byte 23)", 5),
        (f'["{DAY}", "5', "the response body is not valid JSON (cut off at byte 17)", 5),
        ("<html></html>", "HTTP 200 with an HTML page", 5),
        (f'["{DAY}", "5", 0]\n["{DAY}", "5", 0],', "not valid JSON at byte 46: trailing characters", 2),
        (f'["{DAY}", "5", 0]\nan error happened', "not valid JSON at byte 23: invalid character", 2),
    ],
)
def test_a_broken_line_never_passes(run_tap: TapRunner, script: Script, body: str, said: str, tries: int) -> None:
    run = read(run_tap, script, body, fails=True)
    assert run.error.startswith(f"stream daily, window {DAY}..{DAY}: ")
    assert said in run.error
    assert run.records("daily") == []
    assert run.log[-1] == f"REQUESTS {tries}"
    assert run.clock.waits == [1, 2, 4, 8][: tries - 1]


def test_a_broken_character_of_a_row_is_named_by_its_column(run_tap: TapRunner, script: Script) -> None:
    # Given lines in which half of an emoji, a byte of Latin 1 and NaN stand beside what is good
    body = f'["{DAY}", "x\\ud83d", "5", 0]\n["{DAY}", "caf?", "6", NaN]'
    answer = Response.json([])
    answer.body = Content(body.encode().replace(b"?", b"\xe9"))
    run = read(run_tap, script, answer, dimensions=["date", "sub_id"])
    assert [(one["sub_id"], one["clicks"], one["quality"]) for one in run.records("daily")] == [
        ("x\ufffd", 5, 0),
        ("caf\ufffd", 6, None),
    ]
    assert run.warnings() == [
        "stream daily: the column `quality` has NaN or Infinity, read as null",
        "stream daily: the column `sub_id` has bytes that are not UTF-8, replaced by U+FFFD",
        "stream daily: the column `sub_id` has half of a surrogate pair, replaced by U+FFFD",
    ]


@pytest.mark.parametrize(
    ("metrics", "values", "dropped"),
    [
        (["clicks", "quality"], ["1", 0], "1 click in 1 row"),
        (["clicks", "quality"], ["1200", 0], "1200 clicks in 1 row"),
        (["quality"], [0.5], "an unknown number of clicks in 1 row"),
        (["clicks"], ["many"], "an unknown number of clicks in 1 row"),
        # A row without any value
        (["clicks", "quality", "revenue", "expenses", "cpa"], ["0", 0, None, "0.00", "nan"], None),
    ],
)
def test_a_sliver_of_the_next_day_is_dropped(
    run_tap: TapRunner, script: Script, metrics: list[str], values: list[Any], dropped: str | None
) -> None:
    body = "".join(f"{json.dumps([day, *values])}\n" for day in (DAY, "2025-03-29"))
    run = read(run_tap, script, body, metrics=metrics)
    assert [record["date"] for record in run.records("daily")] == [DAY]
    warning = (
        f"stream daily: {dropped} of days after their windows were dropped (first: window {DAY}..{DAY}): harmless if "
        "they are of the first second after a window, because `date_to` may be inclusive; otherwise the vendor cuts "
        "days in another zone than `time_zone` (UTC), and totals are wrong: set it to the time zone of the Adspect "
        "account"
    )
    assert [one for one in run.warnings() if "`_extra`" not in one] == ([warning] if dropped else [])


@pytest.mark.parametrize(
    ("days", "said", "counted"),
    [
        (["2025-03-28", "2025-03-27"], "a row of 2025-03-27", "5 clicks in 1 row before it"),
        (["2025-03-28", "2025-03-30"], "a row of 2025-03-30", "5 clicks in 1 row after it"),
        (
            ["2025-03-27", "2025-03-29", "2025-03-30"],
            "a row of 2025-03-27",
            "5 clicks in 1 row before it and 10 clicks in 2 rows after it",
        ),
        # As the window after this one would be answered, which is no sliver of its first second.
        (["2025-03-29"], "only rows of 2025-03-29", "5 clicks in 1 row after it"),
    ],
)
def test_rows_of_other_days_are_not_dropped_in_silence(
    run_tap: TapRunner, script: Script, days: list[str], said: str, counted: str
) -> None:
    body = "".join(f'["{day}", "5", 0]\n' for day in days)
    run = read(run_tap, script, body, fails=True)
    assert run.error.startswith(
        f"stream daily, window 2025-03-28..2025-03-28: the response has {said}, outside of the requested window: "
        f"{counted}: the response may come from a cache"
    )
    assert run.records("daily") == []
    assert run.bookmarks("daily") == []


def test_null_dimensions_get_values_that_keys_may_have(run_tap: TapRunner, script: Script) -> None:
    dimensions = ["date", "asn", "target", "sub_id", "stream_id"]
    body = json.dumps([DAY, None, None, None, None, "1"]) + "\n" + json.dumps([DAY, "", " ", "", "s", "1"])
    run = read(run_tap, script, body, dimensions=dimensions, metrics=["clicks"])
    assert [[record[name] for name in dimensions] for record in run.records("daily")] == [
        [DAY, -1, -1, "", ""],
        [DAY, -1, -1, "", "s"],
    ]


def test_two_groups_of_one_key_are_not_lost_in_silence(run_tap: TapRunner, script: Script) -> None:
    # Given a group without a value and one with a blank value, which would share a key
    body = json.dumps([DAY, None, "1"]) + "\n" + json.dumps([DAY, "", "2"])
    run = read(run_tap, script, body, fails=True, dimensions=["date", "sub_id"], metrics=["clicks"])
    assert "two different rows have the same key (date '2025-03-28')" in run.error
    assert run.bookmarks("daily") == []
    # But the same row twice is one row
    run = read(run_tap, script, f"{json.dumps([DAY, '1', 0])}\n" * 2)
    assert len(run.records("daily")) == 1
    assert run.warnings() == ["stream daily: Ignored a duplicate row (date '2025-03-28')"]


def test_a_metric_that_is_no_number_is_kept_aside(run_tap: TapRunner, script: Script) -> None:
    run = read(run_tap, script, json.dumps([DAY, "many", "0.5"]))
    [record] = run.records("daily")
    assert (record["clicks"], record["quality"], record["_extra"]) == (None, Decimal("0.5"), {"clicks": "many"})
    assert len(run.warnings()) == 1


def test_a_row_is_its_columns_and_its_zone(run_tap: TapRunner, script: Script) -> None:
    run = read(run_tap, script, json.dumps([DAY, "5", 0]), time_zone="Asia/Dubai")
    assert run.records("daily") == [{"date": DAY, "clicks": 5, "quality": 0, "time_zone": "Asia/Dubai", "_extra": None}]


@pytest.mark.parametrize(
    ("sent", "number"),
    [
        (65536, 65536),
        ("65536", 65536),
        ("AS65536", 65536),
        ("as65536", 65536),
        ("AS1.10", 65546),
        ("1.10", 65546),
        (" AS7 ", 7),
        (None, None),
        ("ASx", "ASx"),
        ("", ""),
    ],
)
def test_network_numbers(sent: Any, number: Any) -> None:
    assert asn(sent) == number


@pytest.mark.parametrize(
    ("sent", "texts"),
    [
        (["en", "fr"], ["en", "fr"]),
        ('["en", "fr", 7, null]', ["en", "fr", "7"]),
        ("en, fr,,de ", ["en", "fr", "de"]),
        ("en", ["en"]),
        ("", []),
        ("  ", []),
        ("[]", []),
        (None, None),
        ("[en", "[en"),
    ],
)
def test_lists_of_texts(sent: Any, texts: Any) -> None:
    assert text_list(sent) == texts


@pytest.mark.parametrize(
    ("sent", "number"), [(" Inf ", None), ("0", "0"), (0, 0), ("infinite", "infinite"), (None, None)]
)
def test_metrics(sent: Any, number: Any) -> None:
    assert metric(sent) == number


@pytest.mark.parametrize(
    ("sent", "emitted"),
    [
        ({"filter_level": 0}, {"filter_level": "Off"}),
        ({"filter_level": 4}, {"filter_level": "Paranoid"}),
        ({"filter_level": "High"}, {"filter_level": "High"}),
        ({"filter_level": 5}, {"filter_level": 5}),
        ({"skipClicks": 3}, {"skip_clicks": 3}),
        ({"skipClicks": 3, "skip_clicks": None}, {"skip_clicks": 3}),
        ({"skipClicks": 3, "skip_clicks": 4}, {"skipClicks": 3, "skip_clicks": 4}),
        ({"ua_blacklist": "a\n\n b \r\n"}, {"ua_blacklist": ["a", " b "]}),
        ({"ua_whitelist": ["a"]}, {"ua_whitelist": ["a"]}),
        ({"ua_whitelist": ""}, {"ua_whitelist": []}),
        (
            {"money_pages": [{"action": 302, "weight": "7", "enabled": 1, "arg_passthru": "0", "new": {"a": 1}}, None]},
            {
                "money_pages": [
                    {"action": "302", "weight": 7, "enabled": True, "arg_passthru": False, "new": {"a": 1}},
                    None,
                ]
            },
        ),
        ({"url_rules": [{"arg": 5, "enabled": [1]}]}, {"url_rules": [{"arg": "5", "enabled": [1]}]}),
    ],
    ids=str,
)
def test_properties_of_two_types(sent: dict[str, Any], emitted: dict[str, Any]) -> None:
    assert stream_row(sent) == emitted


def test_a_stream_field_by_field(run_tap: TapRunner, script: Script) -> None:
    # Given values in the forms that older documents describe, and fields that none does
    sent = {
        "stream_id": "s",
        "filter_level": 7,
        "enable_fp": 1,
        "allow_apps": 0,
        "click_cost": 0.150,
        "skip_clicks": "5",
        "extrapolate_ipv4": None,
        "allow_google_proxy": True,
        "hll_threshold": {"a": {"b": []}},
        "geo": [],
    }
    vendor = script(lambda _: Response.text(json.dumps([sent, {**sent, "stream_id": "t"}]).replace("0.15", "0.150")))
    run = run_tap(vendor.settings(), "streams")
    record = run.records("streams")[0]
    assert {name: value for name, value in record.items() if value is not None} == {
        "stream_id": "s",
        "filter_level": "7",
        "enable_fp": True,
        "allow_apps": False,
        "click_cost": "0.150",
        "skip_clicks": 5,
        "_extra": {"allow_google_proxy": True, "hll_threshold": {"a": {"b": []}}, "geo": []},
    }
    # Then each new field is named once in a run
    assert sorted(run.warnings()) == [
        f"stream streams: The field `{name}` is not in the schema: kept in `_extra`"
        for name in ("allow_google_proxy", "geo", "hll_threshold")
    ]


def test_an_account_field_by_field(run_tap: TapRunner, script: Script) -> None:
    body = '{"account_id": "a", "balance": "12345678901234567890.10", "expires": 1767225600, "comsign_limit": "5"}'
    [record] = run_tap(script.body(body).settings(), "account").records("account")
    assert {name: value for name, value in record.items() if value is not None} == {
        "account_id": "a",
        "balance": Decimal("12345678901234567890.10"),
        "expires": 1767225600,
        "comsign_limit": 5,
    }
    assert "the response is not a JSON object" in run_tap(script.body("[]").settings(), "account", fails=True).error


@pytest.mark.parametrize(
    ("body", "rows"),
    [
        (["a", 1, Decimal("5.5")], [{"value": "a"}, {"value": 1}, {"value": Decimal("5.5")}]),
        ([], []),
        ({}, []),
        ({"AE": "Emirates", "X": None}, [{"value": "AE", "label": "Emirates"}, {"value": "X", "label": None}]),
        ([{"code": "AE", "name": "Emirates"}], [{"value": "AE", "label": "Emirates"}]),
        ([{"name": "a"}], [{"value": "a", "label": None}]),
        ([{"name": "a", "description": "d"}], [{"value": "a", "label": "d"}]),
        ([{"key": "k", "title": "t", "name": "n"}], [{"value": "k", "label": "t", "name": "n"}]),
        (
            [{"id": None, "value": 7, "label": "l", "x": [1]}],
            [{"value": 7, "label": "l", "id": None, "x": [1]}],
        ),
        ([{"id": 1, "value": 2}], [{"value": 1, "label": None, ".value": 2}]),
        ([["a"]], None),
        (["a", {"id": 1}], None),
        ([{"x": 1}], None),
        ({"a": ["b"]}, None),
        ("a", None),
        (None, None),
    ],
    ids=str,
)
def test_collections_in_each_shape(body: Any, rows: Any) -> None:
    assert collection_rows(body) == rows


def test_a_collection_keeps_what_it_has_beside(run_tap: TapRunner, script: Script) -> None:
    body = '[{"id": 1, "value": 2, "label": null, "x": {"y": 1}}, {"id": "1"}]'
    run = run_tap(script.body(body).settings(), "collections")
    assert run.records("collections")[0] == {
        "collection": "presets",
        "value": "1",
        "label": None,
        "_extra": {"value": 2, "x": {"y": 1}},
    }
    assert len(run.records("collections")) == 12


@pytest.mark.parametrize(
    ("stream", "body", "name", "value"),
    [
        ("streams", '[{"stream_id": "s", "money_pages": "<?php s3cret"}]', "money_pages", "s3cret"),
        ("saved_queries", '[{"query_id": ["capability"]}]', "query_id", "capability"),
    ],
)
def test_secrets_of_the_user_are_in_no_message(  # noqa: PLR0913, PLR0917 - one row of a table
    run_tap: TapRunner, script: Script, stream: str, body: str, name: str, value: str
) -> None:
    run = run_tap({**script.body(body).settings(), "extra_fields": "fail"}, stream, fails=True)
    assert name in run.error
    assert value not in run.error
    assert not [line for line in run.log if value in line]
