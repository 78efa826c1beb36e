"""The tables and the chart of the speed benchmark, from its raw results."""

from __future__ import annotations

import os
import re
from html import escape
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from speed_works import LIMITS, WORKS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Facts = dict[str, Any]
Found = dict[str, Any]

NAMES = {
    "loop": "hand-written loop (requests, orjson)",
    "loop-as-sent": "the same loop without flattening",
    "dlt-arrow": "dlt, Arrow tables by hand",
    "dlt-rest": "dlt, rest_api",
    "airbyte": "Airbyte's low-code CDK",
    "stock": "stock singer-sdk tap",
}
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"
MEGABYTES = 200


def machine() -> str:
    """Return the number of cores and the model of the processor."""
    cpuinfo = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(), re.MULTILINE) if cpuinfo.exists() else None
    return f"{os.cpu_count()} cores" + (f", {found[1]}" if found else "")


def title_of(work: str) -> str:
    """Return the description of a work."""
    if work in WORKS:
        return f"{WORKS[work].tap}, {WORKS[work].title}"
    if work in LIMITS:
        return f"tap-{LIMITS[work].vendor}, {LIMITS[work].title}"
    return {"demo": "`make demo` after set-up"}.get(work, f"tap-ispot, {work.replace('duckdb', 'into DuckDB')}")


def name_of(found: Found) -> str:
    """Return the description of a program."""
    work, program = found["work"], found["program"]
    if program in NAMES:
        into = " into DuckDB" if work.startswith("duckdb") else ""
        return NAMES[program] + into
    tap = WORKS[work].tap if work in WORKS else "tap-ispot"
    if work.startswith("duckdb"):
        return f"**{tap} and target-duckdb-arrow**"
    return f"**{tap}**" if program == "ours" else f"**{tap}**, {program}"


class Results:
    """The results, by work and program.

    Args:
        facts: The raw results.
    """

    def __init__(self, facts: Facts) -> None:
        self.all: list[Found] = facts["results"]

    def of(self, work: str, program: str = "ours") -> Found | None:
        """Return the result of a program; None if it was not measured."""
        return next((one for one in self.all if (one["work"], one["program"]) == (work, program)), None)

    def ratio(self, one: Found, other: Found, figure: str = "cpu") -> float:
        """Return the median of the ratios within one round."""
        pairs = zip(one["samples"], other["samples"], strict=True)
        ratio: float = median(first[figure] / second[figure] for first, second in pairs)
        return ratio

    def reference(self, work: str) -> Found | None:
        """Return the program that the others of a work are compared with."""
        return self.of(work, "loop") or self.of(work, "stock")


def _median(found: Found, figure: str) -> float:
    figures: list[float] = [sample[figure] for sample in found["samples"]]
    return median(figures)


def programs_table(results: Results) -> str:
    """Return the table of all programs that read or load the same rows."""
    lines = [
        "| work | program | CPU µs per record | CPU, times the reference | records/s | peak MB | CPU s, min to max |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    before = ""
    for found in results.all:
        work, rows = found["work"], found["rows"]
        reference = results.reference(work)
        if reference is None:
            continue
        cpu = sorted(sample["cpu"] for sample in found["samples"])
        memory = [median(figures) for figures in zip(*(sample["memory"] for sample in found["samples"]), strict=True)]
        cells = [
            f"{title_of(work)}, {rows:,} rows" if work != before else "",
            name_of(found),
            f"{median(cpu) / rows * 1e6:,.1f}",
            "1" if found is reference else f"{results.ratio(found, reference):.2f}",
            f"{rows / _median(found, 'wall'):,.0f}",
            " + ".join(f"{figure:,.0f}" for figure in memory),
            f"{cpu[0]:.1f} to {cpu[-1]:.1f}",
        ]
        before = work
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) if len(lines) > 2 else ""  # noqa: PLR2004 - the header


Target = tuple[str, str, str, bool]
"""Work, target, measured value, and whether the target is reached."""


def targets(results: Results) -> Iterator[Target]:
    """Compare the results with the targets; targets without results are left out."""
    for work, most in (("ispot", 1.0), ("ispot-unannounced", 1.5), ("ispot-wide", 1.0)):
        yield from _loop(results, work, most)
    for work in WORKS:
        if work == "ispot" or not work.startswith("ispot"):
            yield from _stock(results, work, 8 if work == "ispot" else 5)
    one, four = (results.of("spotwatch-latency", f"{number} in flight") for number in (1, 4))
    if one and four:
        ratio = results.ratio(four, one, "wall")
        text = "4 requests in flight: wall at most 0.3 times that of one at a time"
        yield title_of("spotwatch-latency"), text, f"{ratio:.2f} times", ratio <= 0.3  # noqa: PLR2004 - the target
    yield from _limits(results)
    yield from _memory(results)
    for work in ("duckdb, first load", "duckdb, upsert"):
        yield from _loop(results, work, 1.5)
        if (ours := results.of(work)) and (dlt := results.of(work, "dlt-arrow")):
            ratio = results.ratio(dlt, ours, "wall")
            yield title_of(work), "more records/s than dlt with Arrow", f"{ratio:.2f} times", ratio > 1
    if demo := results.of("demo"):
        wall = _median(demo, "wall")
        yield title_of("demo"), "at most 45 s", f"{wall:.0f} s", wall <= 45  # noqa: PLR2004 - the target


def _loop(results: Results, work: str, most: float) -> Iterator[Target]:
    if (ours := results.of(work)) and (loop := results.of(work, "loop")):
        ratio = results.ratio(ours, loop)
        yield title_of(work), f"CPU at most {most:.1f} times the loop's", f"{ratio:.2f} times", ratio <= most


def _stock(results: Results, work: str, least: int) -> Iterator[Target]:
    if (ours := results.of(work)) and (stock := results.of(work, "stock")):
        ratio = results.ratio(stock, ours)
        yield (
            title_of(work),
            f"at least {least} times less CPU than the stock tap",
            f"{ratio:.1f} times",
            ratio >= least,
        )


def _limits(results: Results) -> Iterator[Target]:
    for work in LIMITS:
        found = results.of(work)
        if found and found["dictated"]:
            wall, dictated = _median(found, "wall"), found["dictated"]
            refused = found["requests"]["429"] + found["requests"]["violations"]
            number = found["requests"][LIMITS[work].path]
            text = (
                f"{wall / dictated:.2f} times the {dictated:.0f} s of {number} requests, {refused} refused or too early"
            )
            reached = wall <= 1.05 * dictated and not refused
            yield title_of(work), "wall at most 1.05 times what the limits dictate, no 429", text, reached


def _memory(results: Results) -> Iterator[Target]:
    few, many = results.of("memory"), results.of("memory, ten times the rows")
    if few and many:
        sizes = [found["samples"][0]["memory"][0] for found in (few, many)]
        reached = sizes[1] <= 1.1 * sizes[0] and max(sizes) <= MEGABYTES
        text = f"{sizes[0]:.0f} MB and {sizes[1]:.0f} MB"
        rows = f"memory at {few['rows']:,} and {many['rows']:,} rows"
        yield f"tap-ispot, {rows}", f"equal within 10 %, at most {MEGABYTES} MB", text, reached


def targets_table(results: Results) -> str:
    """Return the table of targets."""
    lines = ["| work | target | measured | reached |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {work} | {text} | {value} | {'yes' if ok else '**no**'} |" for work, text, value, ok in targets(results)
    ]
    return "\n".join(lines) if len(lines) > 2 else ""  # noqa: PLR2004 - the header


def ahead(results: Results) -> list[str]:
    """Return a line for each figure in which a peer is better than our tap."""
    figures: tuple[tuple[str, Callable[[Found], float], str], ...] = (
        ("uses less CPU", lambda found: _median(found, "cpu"), "{:.2f} times ours"),
        ("is faster", lambda found: _median(found, "wall"), "{:.2f} times our time"),
        ("uses less memory", lambda found: sum(found["samples"][0]["memory"]), "{:.2f} times ours"),
    )
    lines = []
    for found in results.all:
        ours = results.of(found["work"])
        if found["program"] in NAMES and ours is not None:
            better = [
                f"{text} ({form.format(figure(found) / figure(ours))})"
                for text, figure, form in figures
                if figure(found) < figure(ours)
            ]
            if better:
                lines.append(f"- {title_of(found['work'])}: {name_of(found)} {', '.join(better)}.")
    return lines


def tables(facts: Facts) -> str:
    """Return the generated part of the page."""
    results = Results(facts)
    run = f"{facts['machine']}, Python {facts['python']}: {facts['rounds']} rounds, {facts['minutes']} minutes"
    parts = [
        f"Run on {facts['date']}, {run}.",
        "### Targets",
        targets_table(results),
        "### Programs",
        programs_table(results),
        "### Where another program is ahead",
        "\n".join(ahead(results)) or "Nowhere in this run.",
        *(f"{NAMES[peer]} was left out: {reason}." for peer, reason in facts["left_out"].items()),
    ]
    return "\n\n".join(part for part in parts if part)


def write(facts: Facts, folder: Path) -> None:
    """Write the page and the chart. The text around the results is kept."""
    page, chart_path = folder / "performance.md", folder / "performance.svg"
    text = page.read_text() if page.exists() else f"{BEGIN}\n{END}\n"
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    page.write_text(f"{before}{BEGIN}\n\n{tables(facts)}\n\n{END}{after}")
    chart_path.write_text(chart(Results(facts)))


WIDTH, LABEL, BAR, GAP = 900, 340, 18, 6
STYLE = """\
text { font: 13px system-ui, sans-serif; fill: #24292f }
.title { font-weight: 600 }
.peer { fill: #8c959f }
.ours { fill: #0969da }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .peer { fill: #6e7681 }
  .ours { fill: #58a6ff }
}"""


def chart(results: Results) -> str:
    """Return bars of the CPU per record, a group for each work."""
    shapes: list[str] = []
    groups: Mapping[str, list[Found]] = {
        found["work"]: [one for one in results.all if one["work"] == found["work"]]
        for found in results.all
        if results.reference(found["work"])
    }
    top = 24
    shapes.append(f'<text class="title" x="0" y="{top - 6}">CPU per record in µs; shorter is better</text>')
    for work, programs in groups.items():
        top += 22
        shapes.append(f'<text class="title" x="0" y="{top}">{escape(title_of(work))}</text>')
        top += GAP
        costs = [_median(found, "cpu") / found["rows"] * 1e6 for found in programs]
        for found, cost in zip(programs, costs, strict=True):
            length = max(cost / max(costs) * (WIDTH - LABEL - 70), 1)
            kind = "ours" if found["program"] == "ours" else "peer"
            middle = top + BAR - 5
            shapes += [
                f'<text x="12" y="{middle}">{escape(name_of(found).replace("*", ""))}</text>',
                f'<rect class="{kind}" x="{LABEL}" y="{top}" width="{length:.1f}" height="{BAR}" rx="2"/>',
                f'<text x="{LABEL + length + 6:.1f}" y="{middle}">{cost:,.1f}</text>',
            ]
            top += BAR + GAP
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top + 8}" role="img">'
    return "\n".join([head, f"<style>{STYLE}</style>", *shapes, "</svg>", ""])
