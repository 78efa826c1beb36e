"""Settings of this tap alone: bad values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ispot_fixtures import RunTap
    from vendor_simulators.ispot import ISpotSimulator


GOOD = {"client_id": "abcd", "client_secret": "efgh", "start_date": "2024-03-08"}


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("airing_types", ["X"], "setting `airing_types[0]`: 'X' is not allowed: one of N, R, L, SC, NS"),
        ("national_only", "perhaps", "setting `national_only`: 'perhaps' is not allowed: a boolean"),
        ("brand_ids", [1, "two"], "setting `brand_ids[1]`: 'two' is not allowed: an integer of at least 1"),
        (
            "airing_includes",
            [],
            "setting `airing_includes`: [] is not allowed: a list, not empty, each item a string that is not empty",
        ),
        (
            "catalog_includes",
            {"shows": "genre"},
            "setting `catalog_includes.shows`: 'genre' is not allowed: give a list of names",
        ),
        (
            "spot_types",
            ["Commercial"],
            "setting `spot_types[0]`: 'Commercial' is not allowed: an integer of at least 1",
        ),
        ("airing_sort", 5, "setting `airing_sort`: 5 is not allowed: a string that is not empty"),
    ],
)
def test_a_bad_value_is_refused_in_one_line_before_the_first_request(
    run_tap: RunTap, ispot: ISpotSimulator, setting: str, value: Any, said: str
) -> None:
    # Given good settings but for one
    settings = {**GOOD, "api_url": ispot.api_url, setting: value}
    # When
    run = run_tap(settings, fails=True)
    # Then
    assert run.error.removesuffix(" such as `genre`; an empty list adds none") == said
    assert "\n" not in run.error
    assert len(ispot.journal) == 0
    assert run.output == ""


def test_includes_of_an_unknown_list_are_refused(run_tap: RunTap) -> None:
    run = run_tap({**GOOD, "catalog_includes": {"spots": ["brand"]}}, fails=True)
    assert run.error.startswith(
        "setting `catalog_includes`: 'spots' is not allowed: give lists for brands, industries,"
    )
    assert run.error.endswith("; for spots, set `spot_includes`")


def test_a_version_of_another_form_is_refused(run_tap: RunTap) -> None:
    run = run_tap({**GOOD, "api_version": "2024-3-1"}, fails=True)
    assert run.error.startswith("setting `api_version`: '2024-3-1' is not allowed: ")
