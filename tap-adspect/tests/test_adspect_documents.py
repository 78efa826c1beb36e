"""What README.md says beyond the generated tables."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from tap_adspect.filters import FILTERS
from tap_adspect.reports import DIMENSIONS, METRICS
from tap_adspect.tap import TapAdspect

HERE = Path(__file__).resolve().parent.parent
README = (HERE / "README.md").read_text(encoding="utf-8")


def test_the_readme_lists_every_name_of_a_report() -> None:
    rows = dict(re.findall(r"^\| `(dimensions|metrics|filters)` \| (.*) \|$", README, re.MULTILINE))
    assert rows["dimensions"].endswith(": " + ", ".join(DIMENSIONS))
    assert rows["metrics"].startswith(", ".join(METRICS) + ".")
    assert ", ".join(FILTERS) in rows["filters"]


def test_the_reports_of_the_readme_are_good_ones() -> None:
    [example] = re.findall(r"```yaml\n    config:\n(.*?)```", README, re.DOTALL)
    tap = TapAdspect(config=yaml.safe_load(example), validate_config=False)
    assert {"funnel_daily", "quality_by_sub_id", "revenue_by_month"} < set(tap.streams)
