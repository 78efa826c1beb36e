"""The fault matrix: taps, faults and requests, and the check of each cell.

A cell is a kind of request of a tap, a fault, and its position: the first, the middle or the last request of the kind,
or all from the middle one on. A cell runs the tap from its command line against the vendor's simulator, and compares
the rows that a loader would hold after upserts by key with the simulator's truth. After a failed run, another one
without the fault continues from its last STATE.
"""

from __future__ import annotations

import functools
import json
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from fault_matrix_faults import FAULTS, POSITIONS, Kill, Kind, Position
from fault_matrix_rows import differences, exact, loaded
from fault_matrix_runs import Outcome, Process
from fault_matrix_taps import VENDORS, Target, Vendor
from singer_adtech.testing import select
from typing_extensions import override
from vendor_simulators.faults import Fault
from vendor_simulators.server import serve

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from vendor_simulators.simulator import Simulator

Verdict = Literal["equal", "failed loudly", "silent loss", "unclear", "stuck", "not applicable"]

LONGEST_RUN = 20.0
"""Seconds after which a run counts as stuck."""


class Cell(NamedTuple):
    """One cell, by names."""

    tap: str
    target: str
    fault: str
    position: Position

    @override
    def __str__(self) -> str:
        return ", ".join(self)


@dataclass(frozen=True)
class Result:
    """The result of a cell: a verdict, and the lost rows or the last line."""

    cell: Cell
    verdict: Verdict
    details: str


def cells(
    taps: Iterable[str] = VENDORS, faults: Iterable[str] = FAULTS, positions: Iterable[str] = POSITIONS
) -> list[Cell]:
    """Return the meaningful cells of these taps, faults and positions."""
    wanted = set(positions)
    return [
        Cell(tap, target.name, fault, position)
        for tap in taps
        for target in VENDORS[tap].targets
        for fault in faults
        if FAULTS[fault].needs <= target.holds and not FAULTS[fault].spares & target.holds
        for position in FAULTS[fault].positions
        if position in wanted and not _is_right(fault, position, target)
    ]


def _is_right(fault: str, position: Position, target: Target) -> bool:
    """Return whether the vendor's documents allow this response to every request: no rows, or no such list."""
    if position != "lasting":
        return False
    return (fault in _NO_ROWS and "lines" in target.holds) or (fault == "404" and "parent" in target.holds)


_NO_ROWS = frozenset({"204", "200, empty body", "200, []"})


def check(cell: Cell) -> Result:
    """Run a cell. This process forks, so it must not have other threads."""
    vendor = VENDORS[cell.tap]
    target = next(one for one in vendor.targets if one.name == cell.target)
    kind = FAULTS[cell.fault]
    count = requests(cell.tap, cell.target)
    nth = {"first": 1, "last": count}.get(cell.position, (count + 1) // 2)
    times = None if cell.position == "lasting" else 1
    make = Kill if cell.fault == "killed" else Fault
    fault = make(path=target.path, method=target.method, nth=nth, times=times, **kind.fault)
    if cell.position in ("middle", "last") and nth in _earlier(cell.position, count):
        return Result(cell, "not applicable", f"{count} requests only")
    simulator = vendor.simulator()
    with tempfile.TemporaryDirectory() as folder:
        first, second = (Process(vendor.tap, vendor.now, Path(folder), name) for name in ("first", "second"))
        if isinstance(fault, Kill):
            fault.pid = first.pid
        simulator.faults.add(fault)
        with serve(simulator):
            run = functools.partial(_run, vendor, target, simulator, Path(folder), kind.settings)
            outcome = run(first, None)
            simulator.faults.clear()
            if outcome.code == 0:
                second.dismiss()
                again = None
            else:
                again = run(second, outcome.state)
            expected = {name: _truth(vendor, simulator, name) for name in target.streams}
    return _judge(cell, fault, kind, expected, outcome, again)


@functools.cache
def requests(tap: str, target: str) -> int:
    """Count the requests of a kind in a run without faults.

    Raises:
        AssertionError: That run does not equal the truth.
    """
    vendor = VENDORS[tap]
    chosen = next(one for one in vendor.targets if one.name == target)
    simulator = vendor.simulator()
    with tempfile.TemporaryDirectory() as folder:
        process = Process(vendor.tap, vendor.now, Path(folder), "healthy")
        with serve(simulator):
            outcome = _run(vendor, chosen, simulator, Path(folder), {}, process, None)
            expected = {name: _truth(vendor, simulator, name) for name in chosen.streams}
    problems = differences(loaded(outcome), expected)
    assert outcome.code == 0 and not problems, (tap, target, problems, outcome.log[-3:])  # noqa: S101, PT018
    return len(simulator.journal.matching(chosen.path, chosen.method))


def _earlier(position: Position, count: int) -> set[int]:
    """Return the requests of earlier positions."""
    return {1} if position == "middle" else {1, (count + 1) // 2}


def _run(  # noqa: PLR0913, PLR0917 - the parts of a run
    vendor: Vendor,
    target: Target,
    simulator: Simulator,
    folder: Path,
    settings: Mapping[str, Any],
    process: Process,
    state: Mapping[str, Any] | None,
) -> Outcome:
    known = vendor.tap.config_jsonschema["properties"]
    strict = {name: "fail" for name in ("row_count_check", "on_forbidden") if name in known}
    config = {
        **simulator.settings(),
        "end_date": simulator.last_day.isoformat(),
        **strict,
        **vendor.settings,
        **settings,
    }
    files = {"config": config, "catalog": _catalog(vendor.tap, target.streams), "state": state}
    arguments = []
    for name, content in files.items():
        if content is not None:
            (folder / name).write_text(json.dumps(content))
            arguments += [f"--{name}", str(folder / name)]
    return process.run(*arguments, seconds=LONGEST_RUN)


@functools.cache
def _catalog(tap: Any, streams: tuple[str, ...]) -> dict[str, Any]:
    return select(tap, *streams)


def _truth(vendor: Vendor, simulator: Simulator, stream: str) -> Any:
    return exact(simulator.truth(stream, last_day=simulator.last_day, **vendor.truth.get(stream, {})))


def _judge(  # noqa: PLR0911, PLR0913, PLR0917 - one return per verdict
    cell: Cell,
    fault: Fault,
    kind: Kind,
    truth: Mapping[str, Sequence[dict[str, Any]]],
    first: Outcome,
    again: Outcome | None,
) -> Result:
    if fault.fired == 0 or ("rows" in kind.needs and fault.changed == 0):
        return Result(cell, "not applicable", "no response to alter")
    last = first.log[-1][1] if first.log else "nothing on stderr"
    if first.code is None:
        return Result(cell, "stuck", f"still running after {LONGEST_RUN:g} s: {last}")
    if again is None:
        problems = differences(loaded(first), truth, kind.tolerates, fault.changed)
        if not problems and kind.tolerates and not any(level == "WARNING" for level, _ in first.log):
            problems = ["altered without a warning"]
        return Result(cell, "silent loss" if problems else "equal", "; ".join(problems))
    if again.code != 0:
        message = again.log[-1][1] if again.log else "nothing on stderr"
        return Result(cell, "stuck", f"after {last!r} the next run ends with {again.code}: {message}")
    # Rows of the failed run may be altered; the next run need not read them again.
    problems = differences(loaded(first, again), truth, kind.tolerates, fault.changed)
    if problems:
        return Result(cell, "silent loss", f"after {last!r} and the next run: {'; '.join(problems)}")
    if cell.fault != "killed" and (unclear := _unclear(cell, first)):
        return Result(cell, "unclear", f"{unclear}: {last}")
    return Result(cell, "failed loudly", last)


def _unclear(cell: Cell, outcome: Outcome) -> str:
    """Return what is unclear about the last lines of a run; empty if they are clear."""
    critical = [text for level, text in outcome.log if level == "CRITICAL"]
    streams = next(one for one in VENDORS[cell.tap].targets if one.name == cell.target).streams
    if not critical or outcome.log[-1][0] != "CRITICAL":
        return "the last line is not CRITICAL"
    if len(critical) > 1:
        return f"{len(critical)} CRITICAL lines"
    if re.search(r": unexpected [A-Z]\w+: ", critical[0]):
        return "an unexpected error"
    if not critical[0].startswith(f"{cell.tap}: "):
        return "the tap is not named"
    if not any(f"stream {name}" in critical[0] for name in streams):
        return "the stream is not named"
    return ""
