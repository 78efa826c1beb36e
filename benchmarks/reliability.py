"""Run the fault matrix and write docs/reliability.md: `make reliability`.

With `--tap`, `--target`, `--fault` or `--position`, run only these cells and write no file. Cells are printed, and the
exit code is 1, unless they equal the truth or fail clearly and complete in the next run.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections import Counter
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import TYPE_CHECKING

import fault_matrix
from fault_matrix import Result, cells, check, requests
from fault_matrix_faults import FAULTS, POSITIONS
from fault_matrix_taps import VENDORS

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reliability.md"
GOOD = ("equal", "failed loudly")
TEXT = """\
# Reliability: the fault matrix

Written by `make reliability`: every tap with every fault.

Each cell reads streams of one tap from the vendor's simulator, with a fault in one kind of request: in the first, the
middle or the last one, or in all from the middle one on. The kinds are logins, lists, pages, windows, members of lists,
report queries, polls and results. The tap runs from its command line. Every field of every row that a loader would hold
after upserts by key is compared with the simulator's truth. A failed run has to end with a non-zero exit code and one
clear line that names the tap and the stream; a second run without the fault, from the last STATE, has to complete the
data. A cell with exit code 0 and rows that differ from the truth is a silent loss. Look-backs are 0, so that lost rows
are not read again by chance; `row_count_check` and `on_forbidden` are `fail`.

{summary}

{versions}

## Taps and faults

Cells equal to the truth in the first run, and cells that failed loudly and completed in the next run: `12 + 4`. A dash
means that the fault does not apply.

{table}

## Faults that are left out

- rows missing from a well-formed response of a vendor that reports no total: Magnite, SpringServe's v0, Adspect's
  funnel and lists of addresses;
- rows missing from Adspect's click log: the funnel counts clicks, but the vendor does not document that both counts are
  equal, so `log_count_check` warns and never fails;
- repeated empty bodies, 204 or `[]` from Adspect's report calls: they also mean no rows. The tap warns if an earlier
  run has read the window, or if the funnel counts clicks in it;
- `[]` from lists that are documented as bare arrays (Adspect's addresses, Magnite, SpringServe's v0) and `{{}}` from
  Spotwatch's channels (a map): they mean an empty list;
- repeated 404s for the members of a list (SpringServe) and a stream's addresses (Adspect): by the vendors' documents,
  the parent is gone. The tap warns, and the stream fails if no list is found;
- the well-formed response to another request, if responses do not identify their request: Adspect's lists of addresses,
  iSpot's corrections, Magnite's dimensions;
- clicks that occur twice in a response, because two equal clicks are valid;
- fields added to or changed in iSpot's corrections, because their key is a digest of the whole row.
"""


def summarize(results: Sequence[Result]) -> str:
    """Return the four lines of counts, and a fifth if cells got stuck or failed unclearly."""
    count = Counter(result.verdict for result in results)
    lines = [
        f"- cells run: {len(results):,}",
        f"- cells equal to the truth in the first run: {count['equal']:,}",
        f"- cells that failed loudly and completed in the next run: {count['failed loudly']:,}",
        f"- cells with a silent loss: {count['silent loss']:,}",
    ]
    if others := count["unclear"] + count["stuck"]:
        lines.append(f"- cells that got stuck, or failed without one clear line: {others:,}")
    return "\n".join(lines)


def table(results: Sequence[Result]) -> str:
    """Return the table of faults by taps."""
    taps = list(dict.fromkeys(result.cell.tap for result in results))
    rows = [["fault", *taps], ["---"] * (len(taps) + 1)]
    for fault in FAULTS:
        row = [fault.replace("|", "\\|")]
        for tap in taps:
            count = Counter(one.verdict for one in results if (one.cell.tap, one.cell.fault) == (tap, fault))
            good = f"{count['equal']} + {count['failed loudly']}" if count else "-"
            bad = sum(count.values()) - count["equal"] - count["failed loudly"]
            row.append(f"{good}, **{bad} not**" if bad else good)
        rows.append(row)
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def versions() -> str:
    """Return a line with the date and the versions."""
    today = datetime.now(tz=timezone.utc).date()
    names = ", ".join(f"{name} {version(name)}" for name in ("singer-adtech", *VENDORS, "singer-sdk"))
    return f"Run on {today}, with Python {python_version()}, {names}."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the requested cells."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tap", action="append", choices=VENDORS)
    parser.add_argument("--target", action="append")
    parser.add_argument("--fault", action="append", choices=FAULTS)
    parser.add_argument("--position", action="append", choices=POSITIONS)
    parser.add_argument("--jobs", type=int, default=2, help="cells at a time")
    parser.add_argument("--longest-run", type=float, default=fault_matrix.LONGEST_RUN, help="seconds")
    parser.add_argument("--verbose", action="store_true", help="print every cell")
    given = parser.parse_args(arguments)
    fault_matrix.LONGEST_RUN = given.longest_run
    chosen = cells(given.tap or VENDORS, given.fault or FAULTS, given.position or POSITIONS)
    chosen = [cell for cell in chosen if not given.target or cell.target in given.target]
    began = time.monotonic()
    for tap, target in dict.fromkeys((cell.tap, cell.target) for cell in chosen):
        requests(tap, target)
    results: list[Result] = []
    # Forked processes, not threads: each cell forks again.
    with multiprocessing.get_context("fork").Pool(given.jobs) as pool:
        for result in pool.imap(check, chosen, chunksize=4):
            if result.verdict != "not applicable":
                results.append(result)
            if given.verbose or result.verdict not in (*GOOD, "not applicable"):
                print(f"{result.verdict}: {result.cell}: {result.details}", flush=True)
    print(summarize(results))
    print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)
    if not (given.tap or given.target or given.fault or given.position):
        PAGE.write_text(TEXT.format(summary=summarize(results), versions=versions(), table=table(results)))
    return int(any(result.verdict not in GOOD for result in results))


if __name__ == "__main__":
    sys.exit(main())
