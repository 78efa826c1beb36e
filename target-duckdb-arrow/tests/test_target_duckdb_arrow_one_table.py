"""Parallel loaders that create and change one table."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb


def test_parallel_loaders_of_one_new_table_lose_nothing(tmp_path: Path) -> None:
    # given four loads of one new table: each needs more digits than the one before, and one has another column
    target = Path(sys.executable).with_name("target-duckdb-arrow")
    settings = {"filepath": str(tmp_path / "warehouse.duckdb"), "batch_size_rows": 100}
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    truth: dict[int, tuple[Decimal, str | None]] = {}
    loaders = []
    for number in range(4):
        properties: dict[str, Any] = {"id": {"type": "integer"}, "amount": {"type": "number"}}
        if number == 3:
            properties["note"] = {"type": ["string", "null"]}
        schema = {"type": "SCHEMA", "stream": "facts", "schema": {"properties": properties}, "key_properties": ["id"]}
        lines = [json.dumps(schema)]
        for row in range(1000):
            key, note = 10_000 * number + row % 900, "read again" if number == 3 else None
            amount = f"{row}.{'7' * (number * 4 + 1)}"
            truth[key] = Decimal(amount), note
            more = f', "note": "{note}"' if note else ""
            lines.append(
                f'{{"type": "RECORD", "stream": "facts", "record": {{"id": {key}, "amount": {amount}{more}}}}}'
            )
            if row % 100 == 99:
                lines.append(json.dumps({"type": "STATE", "value": {"bookmarks": {"facts": row}}}))
        (tmp_path / f"{number}.jsonl").write_text("\n".join(lines))
    # when they are loaded in parallel
    for number in range(4):
        with (tmp_path / f"{number}.jsonl").open() as records:
            loaders.append(
                subprocess.Popen(
                    [str(target), "--config", str(tmp_path / "settings.json")],
                    stdin=records,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
    ended = [(*loader.communicate(timeout=120), loader.returncode) for loader in loaders]
    # then each has committed its last state, and every row is loaded once and exactly
    assert [code for *_, code in ended] == [0] * 4, ended
    assert [json.loads(states.splitlines()[-1]) for states, *_ in ended] == [{"bookmarks": {"facts": 999}}] * 4
    with duckdb.connect(str(tmp_path / "warehouse.duckdb"), read_only=True) as connection:
        rows = connection.execute("select id, amount, note from facts").fetchall()
    assert len(rows) == len(truth) == 3600
    assert {key: (amount, note) for key, amount, note in rows} == truth
