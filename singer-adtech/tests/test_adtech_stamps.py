"""Instants in a vendor's own spelling."""

from __future__ import annotations

import datetime as dt

import pytest
from singer_adtech.progress.stamps import Stamp, StampBookmark


@pytest.mark.parametrize(
    ("text", "rfc3339", "instant"),
    [
        ("2021-03-19T14:30:06.675Z", "2021-03-19T14:30:06.675Z", "2021-03-19T14:30:06.675000+00:00"),
        ("2021-03-19T14:30:06", "2021-03-19T14:30:06Z", "2021-03-19T14:30:06+00:00"),
        ("2021-03-19 14:30:06.6", "2021-03-19T14:30:06.6Z", "2021-03-19T14:30:06.600000+00:00"),
        ("2021-03-19 14:30:06 UTC", "2021-03-19T14:30:06Z", "2021-03-19T14:30:06+00:00"),
        ("2021-03-19T14:30:06,5+0200", "2021-03-19T14:30:06.5+02:00", "2021-03-19T12:30:06.500000+00:00"),
        ("2021-03-19T14:30-05:30", "2021-03-19T14:30:00-05:30", "2021-03-19T20:00:00+00:00"),
        ("2021-03-19", "2021-03-19T00:00:00Z", "2021-03-19T00:00:00+00:00"),
        ("2021-03-19T14:30:06.123456789Z", "2021-03-19T14:30:06.123456789Z", "2021-03-19T14:30:06.123456+00:00"),
    ],
)
def test_a_text_becomes_rfc_3339_and_an_instant(text: str, rfc3339: str, instant: str) -> None:
    stamp = Stamp(text)

    assert (stamp.rfc3339, stamp.instant.isoformat(), str(stamp)) == (rfc3339, instant, text)


@pytest.mark.parametrize("text", ["", "yesterday", "2021-13-19T00:00:00Z", "2021-03-19T25:00:00Z", "2021-03-19T1:2:3Z"])
def test_what_is_no_instant_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"date-time|must be in"):
        Stamp(text)


def test_instants_are_compared_by_what_they_mean_to_the_last_digit() -> None:
    # Given instants in several spellings, in their order
    ordered = [
        Stamp("2021-03-19T16:30:06+02:00"),
        Stamp("2021-03-19T14:30:06.000000001Z"),
        Stamp("2021-03-19 14:30:06.05"),
        Stamp("2021-03-19T14:30:06.5Z"),
        Stamp("2021-03-19T10:30:07-04:00"),
    ]
    # When they are sorted / then their order stands, whatever their text
    assert sorted(ordered[place] for place in (3, 0, 4, 1, 2)) == ordered
    assert Stamp("2021-03-19T14:30:06.500Z") == Stamp("2021-03-19 16:30:06.5+0200")
    assert len({Stamp("2021-03-19T14:30:06.500Z"), Stamp("2021-03-19 16:30:06.5+0200")}) == 1
    assert Stamp("2021-03-19") != "2021-03-19"


@pytest.mark.parametrize(
    ("text", "earlier"),
    [
        ("2021-03-19T14:30:06.675Z", "2021-03-19T14:20:06.675Z"),
        ("2021-03-19 00:05:06", "2021-03-18 23:55:06"),
        ("2021-03-19T00:05:06+02:00", "2021-03-18T23:55:06+02:00"),
        ("2021-03-19", "2021-03-18T23:50:00"),
        ("2021-03-19T14:30Z", "2021-03-19T14:20:00Z"),
    ],
)
def test_an_earlier_instant_keeps_the_spelling(text: str, earlier: str) -> None:
    assert Stamp(text).earlier(dt.timedelta(minutes=10)).text == earlier


def test_a_bookmark_is_the_text_of_the_row() -> None:
    kind = StampBookmark()

    assert kind.write(kind.read("2021-03-19 14:30:06.675")) == "2021-03-19 14:30:06.675"
