"""The fault matrix: a short run passes, losses are detected, and docs/reliability.md is well formed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fault_matrix_rows import differences, loaded
from fault_matrix_runs import Outcome
from fault_matrix_taps import VENDORS

ROOT = Path(__file__).resolve().parent.parent
TAPS = sorted(VENDORS)
FAULTS = (
    "500",
    "429, Retry-After: 0",
    "200, empty body",
    "half a JSON body",
    "half of the rows",
    "response to the previous request",
    "half of an emoji",
    "killed",
)
SUMMARY = (
    "cells run",
    "cells equal to the truth in the first run",
    "cells that failed loudly and completed in the next run",
    "cells with a silent loss",
)


def matrix(*arguments: str) -> tuple[int, dict[str, int], str]:
    """Run cells in a process without threads, and return the exit code, the summary and the output."""
    run = subprocess.run(
        [sys.executable, "benchmarks/reliability.py", "--jobs", "1", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    return run.returncode, summary(run.stdout), run.stdout + run.stderr


def summary(text: str) -> dict[str, int]:
    """Return the summary's numbers by label."""
    found = re.findall(r"^- (cells [a-z ,]+): ([\d,]+)$", text, re.MULTILINE)
    return {words: int(figure.replace(",", "")) for words, figure in found}


@pytest.mark.extended
@pytest.mark.parametrize("tap", TAPS)
def test_no_fault_loses_a_row_silently(tap: str) -> None:
    # Given faults of each kind in the middle request of each kind
    faults = [argument for fault in FAULTS for argument in ("--fault", fault)]
    # When the matrix is run
    code, figures, output = matrix("--tap", tap, "--position", "middle", *faults)
    # Then each cell equals the truth, or fails with one line and is completed by the next run
    assert code == 0, output
    run, equal, failed, lost = (figures[words] for words in SUMMARY)
    assert (run, lost) == (equal + failed, 0)
    assert equal > 0
    assert failed > 0


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ([{"id": 1, "name": "a"}, {"id": 2, "name": "b"}], []),
        ([{"id": 2, "name": "x"}, {"id": 1, "name": "a"}, {"id": 2, "name": "b"}], []),
        ([{"id": 1, "name": "a"}], ["brands: of 2 rows 1 missing"]),
        (
            [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}, {"id": 3, "name": "c"}],
            ["brands: of 2 rows 1 that are not the vendor's"],
        ),
        ([{"id": 1, "name": "a"}, {"id": 2, "name": "x"}], ["brands: of 2 rows 1 values wrong ['name']"]),
        (None, ["brands: all 2 rows missing"]),
    ],
)
def test_the_check_finds_lost_and_wrong_rows(rows: list[dict[str, Any]] | None, found: list[str]) -> None:
    truth = {"brands": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]}
    schema = {"type": "SCHEMA", "stream": "brands", "key_properties": ["id"]}
    records = [{"type": "RECORD", "stream": "brands", "record": row} for row in rows or []]
    outcome = Outcome(0, [] if rows is None else [schema, *records], [])

    assert differences(loaded(outcome), truth) == found


def test_the_page_of_the_whole_matrix_is_well_formed() -> None:
    # Given the generated page
    page = (ROOT / "docs" / "reliability.md").read_text()
    # Then it has its command, a summary, a row for each fault and a column for each tap
    assert "`make reliability`" in page
    run, equal, failed, lost = (summary(page)[words] for words in SUMMARY)
    assert (run, lost) == (equal + failed, 0)
    assert re.search(r"^Run on \d{4}-\d\d-\d\d, with Python [\d.]+, ", page, re.MULTILINE)
    head, _, *rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| ")]
    assert head == ["fault", *TAPS]
    cells = [cell for row in rows for cell in row[1:]]
    assert {len(row) for row in rows} == {len(head)}
    assert sum(int(figure) for cell in cells if cell != "-" for figure in cell.split(" + ")) == run
