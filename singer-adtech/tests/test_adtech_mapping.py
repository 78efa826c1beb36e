"""Stream maps and flattening that cannot be: what all taps make of more of them, `tests/test_taps_inputs.py` tries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from singer_adtech.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (
            {"stream_maps": {"airings": {"a": "b("}}},
            "setting `stream_maps`: Failed to parse expression b(.: correct it",
        ),
        (
            {"stream_maps": {"airings": {"a": "1 +"}}},
            "setting `stream_maps`: Failed to parse expression 1 +.: correct it",
        ),
    ],
)
def test_a_mapping_that_cannot_be_is_one_line_with_its_setting(
    run_tap: Callable[..., Any], settings: dict[str, Any], line: str
) -> None:
    # when
    error = run_tap("airings", **settings).error
    # then
    assert isinstance(error, SettingError)
    assert str(error) == line
