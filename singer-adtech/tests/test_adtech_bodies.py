"""Bodies with single characters that JSON does not allow, and bodies that are not JSON at all."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from singer_adtech.errors import VendorError
from singer_adtech.http.bodies import (
    BYTES,
    CONTROL,
    HALF,
    NO_NUMBER,
    Problem,
    json_problem,
    quote_long_integers,
    repair,
)
from singer_adtech.http.responses import check_json
from singer_adtech.http.retries import RetryPolicy
from singer_adtech.records.exact_json import exact_json

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    import requests
    from acme_vendor import AcmeVendor
    from click.testing import Result
    from local_server import Server


@pytest.mark.parametrize(
    ("body", "repaired", "found"),
    [
        (rb'{"title": "a\ud83d"}', {"title": "a\ufffd"}, {(HALF, "title")}),
        (rb'{"title": "\ude00b"}', {"title": "\ufffdb"}, {(HALF, "title")}),
        (rb'{"title": "\ud83d\ud83d\ude00"}', {"title": "\ufffd\U0001f600"}, {(HALF, "title")}),
        (rb'{"title": "\ud83dA"}', {"title": "\ufffdA"}, {(HALF, "title")}),
        (rb'{"\ud83d": 1}', {"\ufffd": 1}, {(HALF, r"\ufffd")}),
        (b'{"a": 1, "title": "\xff\xe9"}', {"a": 1, "title": "\ufffd\ufffd"}, {(BYTES, "title")}),
        (b'{"rate": NaN, "n": "NaN"}', {"rate": None, "n": "NaN"}, {(NO_NUMBER, "rate")}),
        (b"[-Infinity, Infinity, nan]", [None, None, None], {(NO_NUMBER, f"value {n}") for n in (1, 2, 3)}),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}, set()),
        (b'{"title": "a\nb\x00"}', {"title": "a\nb\x00"}, {(CONTROL, "title")}),
        (
            rb'{"data": [{"airing": {"data": {"title": "\ud83d", "spend": NaN}}}]}',
            {"data": [{"airing": {"data": {"title": "\ufffd", "spend": None}}}]},
            {(HALF, "airing_title"), (NO_NUMBER, "airing_spend")},
        ),
        (rb'{"tags": ["x", "\ud83d"], "b": "\\ud83d"}', {"tags": ["x", "\ufffd"], "b": r"\ud83d"}, {(HALF, "tags")}),
        (rb'{"say \"": {"x": "\ud83d"}}', {'say "': {"x": "\ufffd"}}, {(HALF, r"say \"_x")}),
    ],
)
def test_one_broken_character_is_repaired_and_its_column_is_known(
    body: bytes, repaired: object, found: set[tuple[str, str]]
) -> None:
    # given
    assert json_problem(body) is not None
    # when
    result = repair(body)
    # then
    assert json_problem(result.body) is None
    assert exact_json(result.body) == repaired
    assert result.found == found


def test_rows_that_are_arrays_have_the_names_that_were_asked_for() -> None:
    # given
    lines = b'["2024-03-01", "a\xff", 1]\n["2024-03-02", "b", NaN]\n'
    array = b' [ ["2024-03-01", "a\xff", 1], ["2024-03-02", ["b"], NaN]]'
    # then
    for body in (lines, array):
        assert repair(body, ("day", "sub_id", "cost")).found == {(BYTES, "sub_id"), (NO_NUMBER, "cost")}


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b'{"a": [1, 2', Problem(11, "cut off")),
        (b'{"a": "x', Problem(8, "cut off")),
        (b'{"a": tru', Problem(9, "cut off")),
        (b"{'a': 1}", Problem(1, "expected '\"'")),
        (b'{"a": 1,}', Problem(8, "trailing comma in object")),
        (b"[01]", Problem(2, "invalid number")),
        (b"{} x", Problem(4, "trailing characters")),
        (b'{"a": undefined}', Problem(6, "invalid character")),
        (b"[" * 100_000 + b"]" * 100_000, Problem(None, "nested too deep")),
        (b'"' + b"x" * 3_000_000 + b'\xc3"', Problem(3_000_001, "not UTF-8")),
        (b'"' + "ü".encode() * 3_000_000 + b'"', None),
        (b'{"a": [1.50, "\\ud83d\\ude00"]}', None),
    ],
    ids=lambda value: None if isinstance(value, Problem) else "body",
)
def test_a_body_that_is_not_json_says_where(body: bytes, problem: Problem | None) -> None:
    assert json_problem(body) == problem


def test_what_cannot_be_repaired_stays() -> None:
    # given: half a character, and a comma too many
    body = rb'{"a": "\ud83d",}'
    # then
    assert json_problem(repair(body).body) == Problem(15, "trailing comma in object")
    assert repair(b'{"a": 1,}').body == b'{"a": 1,}'


@given(st.text(), st.binary())
def test_a_repair_ends_and_keeps_what_is_whole(text: str, anything: bytes) -> None:
    # given: characters that JSON does allow, beside one that it does not
    body = json.dumps({"a": text, "b": [text]}).encode().replace(b"}", rb', "c": "\ud83d"}')
    # then
    whole = json.loads(json.dumps(text)) if text.isprintable() else None
    repaired = exact_json(repair(json.dumps({"a": "x", "c": text.encode("utf-8", "replace").decode()}).encode()).body)
    assert repaired["a"] == "x"
    assert whole is None or whole == text
    repair(anything)
    repair(body)


@given(st.text(st.characters(codec="utf-8")))
def test_a_text_beside_a_broken_one_keeps_each_character(text: str) -> None:
    # given
    for ascii_only in (True, False):
        body = json.dumps({"a": text}, ensure_ascii=ascii_only).encode()[:-1] + rb', "b": "\ud83d"}'
        # then
        assert exact_json(repair(body).body) == {"a": text, "b": "\ufffd"}


def test_a_cut_text_with_many_escapes_is_no_work_for_minutes() -> None:
    # given: an expression that looked for the end of a text at each quote would take hours
    body = b'["' + b'\\"' * 500_000
    # then
    assert repair(body).body is body


def test_an_integer_of_5000_digits_does_not_cost_the_other_rows() -> None:
    # given
    digits = b"9" * 5000
    body = b'[{"id": 1, "n": %s, "t": "%s"}, {"id": -%s, "f": %s.5}]' % (digits, digits, digits, digits)
    # when
    first, second = exact_json(body)
    # then: it is a text, which fits no column of numbers and so is kept in `_extra`
    assert first == {"id": 1, "n": digits.decode(), "t": digits.decode()}
    assert second["id"] == f"-{digits.decode()}"
    assert quote_long_integers(b"[1, 1e5000]") == b"[1, 1e5000]"


def test_a_good_body_costs_no_repair(
    server: Server, send: Callable[..., requests.Response], monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    monkeypatch.setattr("singer_adtech.http.requester.repair", None)
    server.script(server.reply(200, '{"a": "\U0001f600"}'.encode()))
    # then
    assert send(check_body=check_json).json() == {"a": "\U0001f600"}


def test_a_broken_character_is_downloaded_once_and_named_once(
    server: Server, send: Callable[..., requests.Response], make_requester: Any, log: list[str], waits: list[float]
) -> None:
    # given: the same column twice, and another one
    requester = make_requester(f"{server.url}/v1")
    server.script(
        server.reply(200, rb'{"title": "\ud83d"}'),
        server.reply(200, rb'{"title": "\ud83d"}'),
        server.reply(200, b'\xef\xbb\xbf{"rate": NaN}'),
    )
    # when
    answers = [send(check_body=check_json, requester=requester).json() for _ in range(3)]
    # then
    assert answers == [{"title": "\ufffd"}, {"title": "\ufffd"}, {"rate": None}]
    assert waits == []
    assert [line for line in log if line.startswith("stream")] == [
        "stream airings: the column `title` has half of a surrogate pair, replaced by U+FFFD",
        "stream airings: the column `rate` has NaN or Infinity, read as null",
    ]


def test_a_hundred_broken_columns_are_twenty_lines_and_a_count(
    server: Server, send: Callable[..., requests.Response], log: list[str]
) -> None:
    # given
    server.script(server.reply(200, b"{%s}" % b", ".join(b'"c%d": NaN' % number for number in range(100))))
    # when
    send(check_body=check_json)
    # then
    lines = [line for line in log if line.startswith("stream")]
    assert len(lines) == 21
    assert lines[-1] == "stream airings: and 80 other columns"


def test_an_identical_body_is_not_downloaded_again_and_again(
    server: Server, send: Callable[..., requests.Response], waits: list[float]
) -> None:
    # given
    server.answer = lambda _: server.reply(200, b'{"name": "anna@example.com",}')
    # when
    with pytest.raises(VendorError) as caught:
        send(check_body=check_json)
    # then
    assert len(server.calls) == 2
    assert waits == [1]
    assert str(caught.value) == (
        "the response body is not valid JSON at byte 28: trailing comma in object (requested twice, the same body): "
        "report this to the vendor, with the request's time"
    )


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"", "HTTP 200 with an empty body"),
        (b" \n", "HTTP 200 with an empty body"),
        (b"<html>Sorry</html>", "HTTP 200 with an HTML page"),
        (b"Sorry", "the response body is not valid JSON at byte 0: invalid character"),
        (b'{"data": [1, 2', "the response body is not valid JSON (cut off at byte 14)"),
    ],
)
def test_what_the_application_did_not_finish_or_make_is_requested_again(
    server: Server, send: Callable[..., requests.Response], waits: list[float], body: bytes, what: str
) -> None:
    # given: it broke off, or a load balancer answered in its place; both pass
    server.answer = lambda _: server.reply(200, body)
    # when
    with pytest.raises(VendorError) as caught:
        send(check_body=check_json)
    # then
    assert waits == [1, 2, 4, 8, 16]
    assert str(caught.value) == (f"{what} (tried 6 times): try again later; report it to the vendor if it persists")


def test_a_body_that_is_nested_too_deep_is_one_line(server: Server, send: Callable[..., requests.Response]) -> None:
    # given
    server.answer = lambda _: server.reply(200, b"[" * 100_000 + b"]" * 100_000)
    # when
    with pytest.raises(VendorError, match="the response body is not valid JSON: nested too deep"):
        send(check_body=check_json, policy=RetryPolicy(waits=(0.001,)))


def test_a_run_survives_half_an_emoji(acme: AcmeVendor, invoke: Callable[..., Result], log: list[str]) -> None:
    # given
    acme.spots[1] = r'{"id": 2, "name": "Sale \ud83d"}'
    # when
    result = invoke()
    # then
    assert result.exit_code == 0
    records = [json.loads(line) for line in result.output.splitlines() if '"RECORD"' in line]
    assert [one["record"]["name"] for one in records if one["stream"] == "spots"] == ["Spot 1", "Sale \ufffd", "Spot 3"]
    assert "stream spots: the column `name` has half of a surrogate pair, replaced by U+FFFD" in log


def test_msgspec_still_words_its_errors_as_they_are_read() -> None:
    with pytest.raises(msgspec.DecodeError, match=r"^JSON is malformed: invalid character \(byte 1\)$"):
        msgspec.json.decode(b"[x]")
