"""The speed benchmark: rows are verified, lost rows are noticed, and the page is written from the results."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import duckdb
import pytest
import speed
from speed_report import write
from speed_rows import POOLS
from speed_run import Arrivals, MissingRowsError, check_loaded, get_json, run, served
from speed_works import FIRST_ID, LIMITS, WORKS, earliest

if TYPE_CHECKING:
    from pathlib import Path

LOOP = {"ispot", "ispot-unannounced"}


@pytest.fixture
def peers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The loop's environment without a package index: this one, with another decoder."""
    program = tmp_path / "peers" / "loop" / "bin" / "python"
    program.parent.mkdir(parents=True)
    (tmp_path / "orjson.py").write_text("from msgspec.json import decode as loads, encode as dumps\n")
    program.write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path} exec {sys.executable} "$@"\n')
    program.chmod(0o700)
    monkeypatch.setattr(speed, "ENVIRONMENTS", tmp_path / "peers")
    return tmp_path


@pytest.mark.parametrize("name", [name for name in WORKS if name not in {"ispot-wide", "spotwatch-latency"}])
def test_every_row_arrives(name: str, peers: Path) -> None:
    # Given a work of about 100 rows
    size = WORKS[name].size(100)
    with served(name, size, peers) as url:
        programs = speed.Programs(name, size, url, peers)
        # When our tap and the loop read it, each id is checked off
        ours = programs.read("ours")
        requests = get_json(f"{url}/__counts__")
        if name in LOOP:
            programs.read("loop")
    # Then each run is measured, and the requests are counted
    assert ours.cpu > 0
    # No upper bound: until it starts the program, a child has the memory of the process of the tests.
    assert ours.memory[0] > 20
    assert sum(count for path, count in requests.items() if path != "in flight") >= 2


def test_a_missing_row_is_noticed(peers: Path) -> None:
    # Given a program that is expected to return more rows than the server has
    size = WORKS["ispot"].size(100)
    with served("ispot", size, peers) as url:
        programs = speed.Programs("ispot", size, url, peers)
        # When its output is verified, Then it fails
        with pytest.raises(MissingRowsError, match="101 rows, 100 arrived; 100 RECORDs with 100 ids"):
            run([programs.tap], Arrivals(101))


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ([0, 1, 2], None),
        ([2, 0, 1], None),
        ([0, 2], "3 rows, 2 arrived; 2 RECORDs with 2 ids"),
        ([0, 1, 1, 2], "3 rows, 3 arrived; 4 RECORDs with 4 ids"),
        ([0, 1, 2, 3], "an id that the server did not send: 3"),
    ],
)
def test_ids_are_checked_off(numbers: list[int], message: str | None) -> None:
    # Given the output of a program, in a pipe
    reader, writer = os.pipe()
    for number in numbers:
        os.write(writer, b'{"type": "RECORD", "record": {"id": %d}}\n' % (FIRST_ID + number))
    os.close(writer)
    arrivals = Arrivals(3)
    # When it is read to its end
    found = None
    try:
        arrivals.read(reader)
        arrivals.check()
    except MissingRowsError as error:
        found = str(error)
    finally:
        os.close(reader)
    # Then each id arrived once, or the message has the numbers
    assert found == message


@pytest.mark.parametrize(("rows", "complete"), [(100, True), (99, False), (101, False)])
def test_loaded_rows_are_counted(rows: int, complete: bool, tmp_path: Path) -> None:  # noqa: FBT001 - a parameter
    # Given a database with some rows
    with duckdb.connect(str(tmp_path / "airings.duckdb")) as connection:
        connection.execute(
            "CREATE TABLE audience_airings AS SELECT (range + ?)::VARCHAR AS airing_id FROM range(?)", [FIRST_ID, rows]
        )
    # When it should have 100, Then other numbers fail
    if complete:
        check_loaded("database", tmp_path / "airings.duckdb", "airing_id", 100)
        return
    with pytest.raises(MissingRowsError, match=f"100 rows; loaded, distinct, first and last id: {rows} {rows} "):
        check_loaded("database", tmp_path / "airings.duckdb", "airing_id", 100)


@pytest.mark.usefixtures("peers")
def test_a_lost_row_fails_the_benchmark(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    # Given a tap that loses a row
    def lost(*_: Any) -> None:
        raise MissingRowsError("100 rows, 99 arrived; 99 RECORDs with 99 ids")

    monkeypatch.setattr(speed.Benchmark, "read", lost)
    without = [argument for peer in speed.PEERS for argument in ("--without", peer)]
    # When the benchmark runs
    code = speed.main(["--rows", "100", "--only", "ispot", *without])
    # Then it fails with one line
    assert code == 1
    assert capsys.readouterr().err == "ispot: 100 rows, 99 arrived; 99 RECORDs with 99 ids\n"


def test_a_peer_that_cannot_be_installed_is_left_out(
    peers: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Given requirements that do not exist on this machine
    monkeypatch.setattr(speed, "FOLDER", peers)
    (peers / "peers" / "airbyte.txt").write_text(f"made-up @ file://{peers}/made-up.whl\n")
    # When the peer is installed
    left_out = speed.install(["airbyte"])
    # Then it is left out, with a reason in one line
    assert list(left_out) == ["airbyte"]
    assert left_out["airbyte"]
    assert capsys.readouterr().out.splitlines()[1:] == [
        f"left out, because airbyte.txt cannot be installed: {left_out['airbyte']}"
    ]


@pytest.mark.parametrize(("name", "size", "leaves"), [("ispot", 1_060, 41), ("ispot-unannounced", 1_270, 53)])
def test_airings_have_the_size_of_the_target(name: str, size: int, leaves: int) -> None:
    # Given the rows of a work, When their sizes are measured
    rows = POOLS[name]()
    # Then they are as described
    assert sum(map(len, rows)) / len(rows) == pytest.approx(size, rel=0.02)
    assert max(_leaves(json.loads(row)) for row in rows) == leaves


def test_wide_airings_have_the_size_of_the_sample() -> None:
    rows = POOLS["ispot-wide"]()
    assert sum(map(len, rows)) / len(rows) == pytest.approx(4_130, rel=0.02)


def _leaves(value: Any) -> int:
    return sum(map(_leaves, value.values())) if isinstance(value, dict) else 1


def test_sizes_are_whole_pages() -> None:
    # Given the works, When a run of any size is planned, Then its days have full pages, and it has about as many rows
    for work in WORKS.values():
        for wanted in (10, 1_000, 50_000, work.rows, 10 * work.rows):
            size = work.size(wanted)
            assert size.rows % size.rows_per_day == size.rows_per_day % size.page == 0
            assert size.rows == pytest.approx(wanted, rel=0.5)
        assert work.size(work.rows).rows == work.rows
        # And a larger run has more days, not larger ones
        assert work.size(10 * work.rows).rows_per_day == work.size(work.rows).rows_per_day


def test_limits_dictate_the_earliest_time() -> None:
    # Given 25 requests per 10 s and 75 per minute
    limits = LIMITS["limits-ispot"].limits
    # When requests are as early as possible, Then the last one starts at
    assert [earliest(number, limits) for number in (0, 1, 25, 26, 75, 76, 101)] == [0, 0, 0, 10, 20, 60, 70]


def test_the_page_is_written_from_the_results(tmp_path: Path) -> None:
    # Given a page with text, and results of two rounds
    page = tmp_path / "performance.md"
    page.write_text("# Text\n\n<!-- results: begin -->\nold\n<!-- results: end -->\n\nmore text\n")
    samples = {"loop": [1.0, 3.0], "stock": [9.0, 24.0], "ours": [1.1, 3.0]}
    results: list[dict[str, Any]] = [
        {
            "work": "ispot",
            "program": program,
            "rows": 100_000,
            "samples": [{"cpu": cpu, "wall": 2 * cpu, "memory": [100.0]} for cpu in seconds],
            "requests": {},
            "dictated": None,
        }
        for program, seconds in samples.items()
    ]
    facts = {
        "date": "2026-11-29",
        "python": "3.11.7",
        "machine": "2 cores",
        "minutes": 1,
        "rounds": 2,
        "left_out": {"airbyte": "not found"},
        "results": results,
    }
    # When the page is written
    write(facts, tmp_path)
    # Then it has the medians and the ratios within a round, and its text
    text = page.read_text()
    work = "tap-ispot, nested airings of 1.1 kB"
    assert text.startswith("# Text\n\n<!-- results: begin -->\n")
    assert text.endswith("<!-- results: end -->\n\nmore text\n")
    assert f"| {work} | CPU at most 1.0 times the loop's | 1.05 times | **no** |" in text
    assert f"| {work} | at least 8 times less CPU than the stock tap | 8.1 times | yes |" in text
    assert "|  | **tap-ispot** | 20.5 | 1.05 | 24,390 | 100 | 1.1 to 3.0 |" in text
    assert f"- {work}: hand-written loop (requests, orjson) uses less CPU (0.98 times ours)" in text
    assert "Airbyte's low-code CDK was left out: not found." in text
    # And a chart with a bar for each program
    chart = ET.parse(tmp_path / "performance.svg").getroot()  # noqa: S314 - written here
    assert len(chart.findall("{http://www.w3.org/2000/svg}rect")) == 3
