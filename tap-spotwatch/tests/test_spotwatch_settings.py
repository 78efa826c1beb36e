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
        for name, good in (("regions", "de"), ("channels", "vox"))
        for bad in ("at,fr", "", " ")
    ],
    ("channels", [1], "setting `channels[0]`: 1 is not allowed: a string"),
]


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
