"""Settings of this tap alone: bad values."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
from tap_adspect.filters import FILTERS

if TYPE_CHECKING:
    from singer_adtech.testing import TapRunner
    from vendor_simulators.adspect import AdspectSimulator


GOOD: dict[str, Any] = {"api_key": "SEbMw152aoe2ArffS7yjEJzJ_MFnd33e", "start_date": "2025-03-28"}


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("ip_addresses", "hash", "setting `ip_salt` is missing: `ip_addresses: hash` needs it"),
        ("ip_salt", "fifteen letters", "setting `ip_salt`: the value is not allowed: at least 16 characters"),
        (
            "log_filters",
            {"query_id": "x"},
            "setting `log_filters` has 'query_id': allowed are " + ", ".join(FILTERS),
        ),
        (
            "log_filters",
            {"os": [True]},
            "setting `log_filters`: the filter `os` [True] is not allowed: give a text, an integer or a list",
        ),
        ("stream_ids", ["a", ""], "setting `stream_ids[1]`: '' is not allowed: a string that is not empty"),
    ],
)
def test_a_bad_value_is_refused_in_one_line_before_the_first_request(
    run_tap: TapRunner, adspect: AdspectSimulator, setting: str, value: Any, said: str
) -> None:
    settings = {**GOOD, "api_url": adspect.api_url, setting: value}
    run = run_tap({name: one for name, one in settings.items() if one is not None}, fails=True)
    assert run.error == said
    assert len(adspect.journal) == 0
    assert run.output == ""


def test_more_than_a_hundred_streams_are_refused(run_tap: TapRunner) -> None:
    run = run_tap({**GOOD, "stream_ids": [str(number) for number in range(101)]}, fails=True)
    assert run.error.startswith("setting `stream_ids`: ['0', '1', ")
    assert run.error.endswith(" is not allowed: a list, of at most 100, each item a string that is not empty")


@pytest.mark.parametrize(
    "key",
    [
        base64.b64encode(b"SEbMw152aoe2ArffS7yjEJzJ_MFnd33e:").decode(),
        base64.b64encode(b"k:").decode(),
        "Basic " + base64.b64encode(b"some key:").decode(),
        base64.b64encode(b"some key:").decode() + "\n",
    ],
)
def test_the_ready_made_header_value_is_refused(run_tap: TapRunner, adspect: AdspectSimulator, key: str) -> None:
    run = run_tap({**adspect.settings(), "api_key": key}, fails=True)
    assert run.error == "setting `api_key`: this is the Authorization header; use the raw API key"
    assert len(adspect.journal) == 0


@pytest.mark.parametrize(
    "key",
    [
        "SEbMw152aoe2ArffS7yjEJzJ_MFnd33e",
        base64.b64encode(b"no colon").decode(),
        base64.b64encode(b"\xff\xfe:").decode(),
        base64.b64encode(b"a\x00:").decode(),
        "abcd",
    ],
)
def test_a_raw_key_is_taken_whatever_it_looks_like(run_tap: TapRunner, key: str) -> None:
    # When nothing is selected, which is judged after the settings
    run = run_tap({**GOOD, "api_key": key, "reports": []}, "nothing", fails=True)
    assert run.error.startswith("no stream is selected")
