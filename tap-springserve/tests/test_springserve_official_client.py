"""The vendor's client, run against the simulator, reads the same rows as the tap."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vendor_simulators.springserve import SpringServeSimulator
from vendor_simulators.springserve.data import MEMBERS

if TYPE_CHECKING:
    from singer_adtech.testing import TapRunner
    from vendor_simulators.pytest_plugin import Simulate

PROGRAM = Path(__file__).with_name("official_client.py")
RENAMED = {"app_bundles": "app_bundle_lists", "app_names": "app_name_lists", "segment_lists": "segments"}
"""Streams of the client's collections with other names."""
REPORT = {
    "start_date": "2026-02-01",
    "end_date": "2026-02-03",
    "interval": "day",
    "timezone": "UTC",
    "dimensions": ["supply_tag_id"],
    "metrics": ["impressions", "revenue"],
}


def official(simulator: SpringServeSimulator, home: Path) -> dict[str, Any]:
    """Read with the vendor's client, in a separate process with an empty home folder."""
    (home / ".link").mkdir()
    # Its helper requires a settings file, although the program sets all of them.
    (home / ".link" / "link.config").write_text('{"springserve_v1": {}}', encoding="utf-8")
    command = [sys.executable, str(PROGRAM), f"{simulator.api_url}/v0", simulator.email, simulator.password]
    finished = subprocess.run(
        [*command, json.dumps(REPORT)],
        check=True,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        env={**os.environ, "HOME": str(home), "LNK_DIR": str(home / ".link"), "NO_PROXY": "127.0.0.1"},
    )
    answer: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1], parse_float=Decimal)
    return answer


def test_the_vendors_client_reads_the_same_tags_and_report_rows(
    run_tap: TapRunner, simulate: Simulate, tmp_path: Path
) -> None:
    # Given an account of 130 tags, and a report of several pages
    simulator = simulate(
        SpringServeSimulator(first_day=date(2026, 2, 1), days=3, rows_per_day=130, report_rows=150, numbers="number")
    )
    # When the vendor's client and the tap read it
    theirs = official(simulator, tmp_path)
    report = {"name": "mine", "dimensions": REPORT["dimensions"], "metrics": REPORT["metrics"]}
    settings = {**simulator.settings(), "end_date": "2026-02-03", "resource_version": "v0", "reports": [report]}
    ours = run_tap(settings, "supply_tags", "mine")
    # Then both have the same tags, all pages of them
    tags = {tag["id"]: tag for tag in theirs["tags"]}
    records = {record["id"]: record for record in ours.records("supply_tags")}
    assert len(theirs["tags"]) == len(tags) == 130
    assert tags.keys() == records.keys()
    for name in ("name", "rate", "payment_terms", "pod", "day_parting", "updated_at"):
        for number, tag in tags.items():
            kept = records[number]["_extra"] or {}
            sent = str(tag[name]) if name == "payment_terms" and tag[name] is not None else tag[name]
            assert sent == kept.get(name, records[number][name]), (number, name)
    # And the same rows of the report
    assert theirs["pages"] == 3
    expected = [
        (row["date"][:10], row["supply_tag_id"], row["supply_tag_name"], row["impressions"], row["revenue"])
        for row in theirs["rows"]
    ]
    emitted = [
        (row["date"], row["supply_tag_id"], row["supply_tag_name"], row["impressions"], row["revenue"])
        for row in ours.records("mine")
    ]
    assert sorted(emitted) == sorted(expected)
    assert len(expected) == len(simulator.truth("mine", report=report))
    # And the same lists and members
    for name, ids in {**theirs["lists"], "clearline_deals": theirs["deals"]}.items():
        stream = RENAMED.get(name, name)
        assert sorted(ids) == [record["id"] for record in simulator.truth(stream)], name
    for name, rows in theirs["members"].items():
        stream = next(one for one in MEMBERS if one == name or MEMBERS[one][0] == RENAMED.get(name, name))
        column = "id" if "id" in rows[0] else next(iter(rows[0]))
        assert sorted(row[column] for row in rows) == sorted(one[column] for one in simulator.truth(stream)), name
    assert simulator.violations == []
