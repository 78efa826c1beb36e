"""Settings of this tap alone: bad values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from singer_adtech.testing import TapRunner
    from vendor_simulators.spotwatch import SpotwatchSimulator


BAD: list[tuple[str, Any, str]] = [
    (
        "api_key",
        "two\nlines-of-it",
        (
            "setting `api_key`: the value is not allowed: use the key as issued: printable ASCII without leading or "
            "trailing spaces"
        ),
    ),
    *[
        (
            "end_date",
            end,
            (
                f"setting `end_date`: {end!r} is before `start_date` '2024-06-08': give a later day, or leave it "
                "out to read up to today"
            ),
        )
        for end in ("2024-06-07", "2024-06-07T23:59:59Z", "2024-06-08T01:00:00+02:00")
    ],
    *[
        (name, [good, bad], f"setting `{name}`: {bad!r} is not allowed: use one name per entry, without commas")
        for name, good in (
            ("regions", "de"),
            ("channels", "vox"),
            ("ads_brand", "emma"),
            ("broadcasts_ad_category", "x"),
        )
        for bad in ("at,fr", "", " ")
    ],
    (
        "blocks_by",
        "finish",
        "setting `blocks_by`: 'finish' is not allowed: one of updated, start, both",
    ),
    ("ads_ids", ["x"], "setting `ads_ids[0]`: 'x' is not allowed: an integer of at least 1"),
    ("ads_duration_from", -1, "setting `ads_duration_from`: -1 is not allowed: an integer from 0 to 86400"),
    (
        "ads_created_from",
        "01.06.2024",
        (
            "setting `ads_created_from`: '01.06.2024' is not allowed: give an ISO 8601 date such as 2024-03-01, a "
            "date-time such as 2024-03-01T06:00:00-05:00, or `today`, `yesterday`, `3 days ago`"
        ),
    ),
    ("channels", [1], "setting `channels[0]`: 1 is not allowed: a string"),
]


@pytest.mark.parametrize(
    ("first", "last", "values"),
    [
        ("ads_created_from", "ads_created_to", ("2024-06-02", "2024-06-01T23:00:00Z")),
        ("ads_duration_from", "ads_duration_to", (20, 19)),
    ],
)
def test_an_empty_range_is_refused(
    run_tap: TapRunner, spotwatch: SpotwatchSimulator, first: str, last: str, values: tuple[Any, Any]
) -> None:
    run = run_tap({**spotwatch.settings(), first: values[0], last: values[1]}, fails=True)
    assert run.error == (
        f"setting `{last}`: {values[1]!r} is less than `{first}` {values[0]!r}: change one of them, or omit it"
    )
    assert list(spotwatch.journal) == []


@pytest.mark.parametrize(("setting", "value", "said"), BAD, ids=lambda value: str(value)[:30])
def test_a_bad_value_gets_one_line_and_no_request(
    run_tap: TapRunner, spotwatch: SpotwatchSimulator, setting: str, value: Any, said: str
) -> None:
    # given
    settings = {**spotwatch.settings(), setting: value}
    # when
    run = run_tap(settings, fails=True)
    # then
    assert run.error == said
    assert list(spotwatch.journal) == []
    assert run.messages == []
