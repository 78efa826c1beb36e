"""The parts of the framework: journal, limits, tokens, cache, options."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

import pytest
from vendor_simulators.cache import Cache
from vendor_simulators.journal import Journal
from vendor_simulators.limits import Limiter, Rule
from vendor_simulators.messages import Headers, Request
from vendor_simulators.options import build, describe
from vendor_simulators.tokens import Tokens


class Clock:
    """A clock that changes only when it is set."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Return the time that was set."""
        return self.now


def request(path: str = "/x", at: float = 0.0, finished: float = 0.0, **params: str) -> Request:
    return Request("GET", path, path, list(params.items()), Headers(), at=at, finished=finished)


def test_journal_can_be_listed_and_searched() -> None:
    # Given three requests
    journal = Journal()
    entries = [request("/a", page="1"), request("/a", page="2"), request("/b", page="2")]
    for entry in entries:
        journal.add(entry)

    # When it is read as a list and searched, then it has them in order
    assert list(journal) == entries
    assert (journal[0], journal[-1], journal[1:]) == (entries[0], entries[2], entries[1:])
    assert journal.matching("/a") == entries[:2]
    assert journal.matching("/*", page=2) == entries[1:]
    assert journal.matching(method="POST") == []

    # When it is cleared, then it is empty
    journal.clear()
    assert len(journal) == 0


def test_journal_counts_requests_in_flight() -> None:
    # Given requests 0-10, 2-4, 3-5, 4-6 (the second ends as the fourth begins), and one to another path
    journal = Journal()
    for at, finished in ((1, 10), (2, 4), (3, 5), (4, 6)):
        journal.add(request("/a", at, finished))
    journal.add(request("/b", 3, 4))

    # Then at most three requests to /a were in flight
    assert journal.concurrency("/a") == 3
    assert journal.concurrency("/b") == 1
    assert journal.concurrency() == 4
    assert journal.concurrency("/none") == 0


def test_headers_are_case_insensitive_and_keep_repetitions() -> None:
    # Given a field sent twice in different case
    headers = Headers([("Cookie", "a=1"), ("cookie", "b=2"), ("X-One", "1")])

    # When read, then it has both values
    assert headers["COOKIE"] == "a=1, b=2"
    assert headers.all("Cookie") == ["a=1", "b=2"]
    assert "x-one" in headers
    assert dict(headers) == {"cookie": "a=1, b=2", "x-one": "1"}
    with pytest.raises(KeyError):
        _ = headers["absent"]


@pytest.mark.parametrize("value", ["Bearer x", "Basic", "Basic !", "Basic bm9jb2xvbg==", ""])
def test_basic_is_none_when_malformed(value: str) -> None:
    # When the header is not HTTP Basic, then there are no credentials
    entry = request()
    entry.headers = Headers([("Authorization", value)])
    assert entry.basic() is None


def test_limiter_counts_within_windows() -> None:
    # Given two requests in 10 seconds and three in 60
    clock = Clock()
    limiter = Limiter({"a": [Rule(2, 10), Rule(3, 60)]}, clock)

    def ask() -> tuple[int, int, float, bool]:
        standing = limiter.count("a")
        assert standing is not None
        return standing.limit, standing.remaining, standing.reset, standing.allowed

    # When requests are counted, then the usage is that of the tightest window
    assert ask() == (2, 1, 10, True)
    clock.now = 104
    assert ask() == (2, 0, 6, True)
    assert ask() == (2, 0, 6, False)

    # When the short window is over, then the long one applies, and refused requests were not counted
    clock.now = 110
    assert ask() == (3, 0, 50, True)
    assert ask() == (3, 0, 50, False)

    # When both are over, then both start again
    clock.now = 160
    assert ask() == (2, 1, 10, True)
    assert limiter.count("other") is None


def test_tokens_are_valid_until_they_expire_or_are_revoked() -> None:
    # Given two tokens with a lifetime of 60 seconds, issued 30 seconds apart
    clock = Clock()
    tokens = Tokens(7, 60, clock)
    first = tokens.issue()
    clock.now = 130
    second = tokens.issue()

    # When time passes, then each expires at its own time
    assert first != second
    assert tokens.issued == [first, second]
    clock.now = 159.9
    assert tokens.valid(first)
    clock.now = 160
    assert (tokens.valid(first), tokens.valid(second), tokens.valid("other")) == (False, True, False)

    # When revoked or expired, then they are invalid immediately
    tokens.revoke(second)
    assert not tokens.valid(second)
    third = tokens.issue()
    tokens.expire()
    assert not tokens.valid(third)


def test_cache_evicts_the_least_recently_used_value() -> None:
    # Given room for 10 letters
    made: list[str] = []
    cache: Cache[str] = Cache(10, len)

    def make(key: str) -> str:
        made.append(key)
        return key * 4

    def get(key: str) -> str:
        return cache.get(key, lambda: make(key))

    # When a third value of four letters is added after the first was used again
    for key in "abac":
        assert get(key) == key * 4

    # Then only the second is evicted
    assert made == ["a", "b", "c"]
    for key in "acb":
        get(key)
    assert made == ["a", "b", "c", "b"]


@dataclass(frozen=True)
class Options:
    """Options of all types."""

    shape: Literal["one", "two"] = "one"
    number: Literal[1, 0] = 1
    on: bool = True
    size: int | None = None
    share: float = 0.5
    days: tuple[date, ...] = ()
    rights: tuple[Literal["a", "b"], ...] = ("a",)


def test_options_are_read_from_text_and_from_values() -> None:
    # Given the same options in the form of the command line and of a test
    text = {"shape": "two", "number": "0", "on": "no", "size": "5", "share": "1", "days": "2024-03-10", "rights": ""}
    values = {
        "shape": "two",
        "number": 0,
        "on": False,
        "size": 5,
        "share": 1,
        "days": [date(2024, 3, 10)],
        "rights": (),
    }

    # When read, then they are equal
    expected = Options("two", 0, on=False, size=5, share=1.0, days=(date(2024, 3, 10),), rights=())
    assert build(Options, text) == expected
    assert build(Options, values) == expected
    assert build(Options, {"size": "none"}) == build(Options, {"size": None}) == build(Options, {}) == Options()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"shap": "one"}, "unknown option shap; known options: days, number, on, rights, shape, share, size"),
        ({"shape": "three"}, r"option shape: 'three' is not allowed; allowed: one \| two"),
        ({"number": True}, r"option number: True is not allowed; allowed: 1 \| 0"),
        ({"on": "maybe"}, r"option on: 'maybe' is not allowed; allowed: true \| false"),
        ({"on": 1}, "option on: 1 is not allowed"),
        ({"size": "many"}, "option size: 'many' is not allowed; allowed: whole number"),
        ({"size": True}, "option size: True is not allowed"),
        ({"days": "2024-03-10,soon"}, "option days: 'soon' is not allowed; allowed: YYYY-MM-DD"),
        ({"rights": ["c"]}, r"option rights: 'c' is not allowed; allowed: a \| b"),
        ({"rights": 5}, "option rights: 5 is not allowed; allowed: comma-separated list of"),
    ],
)
def test_invalid_options_are_refused_with_the_allowed_values(values: dict[str, object], message: str) -> None:
    # When an option is invalid, then the error lists the allowed values
    with pytest.raises(ValueError, match=message):
        build(Options, values)


def test_options_describe_themselves() -> None:
    # Then each option has its name, allowed values and default
    assert describe(Options) == [
        ("shape", "one | two", "one"),
        ("number", "1 | 0", "1"),
        ("on", "true | false", "true"),
        ("size", "whole number | none", "none"),
        ("share", "number", "0.5"),
        ("days", "comma-separated list of YYYY-MM-DD", ""),
        ("rights", "comma-separated list of a | b", "a"),
    ]

    # And the defaults read as text are the defaults
    assert build(Options, {name: default for name, _, default in describe(Options)}) == Options()
