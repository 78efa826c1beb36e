"""Errors of one line."""

from __future__ import annotations

import pytest
from singer_adtech.errors import DataError, SettingError, TapError, VendorError, error_context, shorten
from singer_sdk.exceptions import FatalAPIError


def test_an_error_says_where_what_and_what_to_do_in_one_line() -> None:
    # given
    error = TapError("HTTP 403\nForbidden", "deselect  the stream", stream="airings", window="2024-03-08..2024-03-09")
    # then
    assert str(error) == "stream airings, window 2024-03-08..2024-03-09: HTTP 403 Forbidden: deselect the stream"


def test_what_is_unknown_leaves_no_trace() -> None:
    assert str(TapError("no connection")) == "no connection"


def test_a_refusal_is_fatal_for_singer_sdk_too() -> None:
    assert isinstance(VendorError("HTTP 403"), FatalAPIError)


def test_an_error_gets_the_place_where_it_passes() -> None:
    # when
    with (
        pytest.raises(DataError) as caught,
        error_context(stream="airings"),
        error_context(window="2024-03-08..2024-03-08"),
    ):
        raise DataError("broken")
    # then
    assert str(caught.value) == "stream airings, window 2024-03-08..2024-03-08: broken"


def test_a_place_that_is_known_already_stays() -> None:
    # when
    with pytest.raises(DataError) as caught, error_context(stream="outer", window="2"):
        raise DataError("broken", stream="inner", window="1")
    # then
    assert str(caught.value) == "stream inner, window 1: broken"


def test_other_errors_pass_untouched() -> None:
    # given
    error = KeyError("data")
    # when
    with pytest.raises(KeyError) as caught, error_context(stream="airings"):
        raise error
    # then
    assert caught.value is error
    assert not hasattr(error, "stream")


def test_a_quote_is_one_line_of_bounded_length() -> None:
    assert shorten(" a\n\t b ") == "a b"
    assert shorten("x" * 300) == "x" * 300
    assert shorten("x" * 301) == "x" * 299 + "…"
    assert shorten("abcdef", 4) == "abc…"


@pytest.mark.parametrize(
    ("what", "shown"),
    [
        ("'https://anna:pa55@word@api.example/v1' is not", "'https://[hidden]@api.example/v1' is not"),
        ("'https://api.example/v1?key=pa55word' is not", "'https://api.example/v1?[hidden]' is not"),
        ("http://pa55word@:99999", "http://[hidden]@:99999"),
        ("https://api.example/v1: is 3 // 2 a day? yes", "https://api.example/v1: is 3 // 2 a day? yes"),
    ],
)
def test_an_address_in_a_message_has_no_user_and_no_query(what: str, shown: str) -> None:
    assert str(SettingError(what)) == shown
