"""The README's tap runs as it stands, and its small examples are true."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from singer_adtech.progress.windows import day_windows
from singer_adtech.records.shapes import flatten
from singer_adtech.records.values import to_number

if TYPE_CHECKING:
    from local_server import Call, Reply, Server

README = (Path(__file__).parent.parent / "README.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_example_is_a_tap(server: Server, tmp_path: Path) -> None:
    # given: two days of two pages each
    def answer(call: Call) -> Reply:
        day, number = call.query["start"], int(call.query["page"])
        row = {"airing": {"data": {"id": f"{day}/{number}", "day": day, "spend": "0.10", "new": number}}}
        return server.json({"data": [row], "meta": {"pages": 2}})

    server.answer = answer
    program, config = tmp_path / "tap_acme.py", tmp_path / "config.json"
    program.write_text(EXAMPLES[0])
    settings = {
        "api_key": "the-key",
        "api_url": f"{server.url}/v1",
        "start_date": "2024-03-09",
        "end_date": "2024-03-10",
    }
    config.write_text(json.dumps(settings))
    # when
    done = subprocess.run(
        [sys.executable, program, "--config", config], capture_output=True, text=True, check=False, env={**os.environ}
    )
    # then
    assert done.returncode == 0, done.stderr
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    assert [message["type"] for message in messages] == [
        "SCHEMA", "RECORD", "RECORD", "STATE", "RECORD", "RECORD", "STATE",
    ]  # fmt: skip
    assert messages[1]["record"] == {
        "airing_id": "2024-03-09/1", "airing_day": "2024-03-09", "airing_spend": 0.1, "_extra": {"airing_new": 1},
    }  # fmt: skip
    assert '"airing_spend":0.10,' in done.stdout
    assert messages[-1]["value"]["bookmarks"]["airings"]["replication_key_value"] == "2024-03-11"
    assert {call.headers["Api-Key"] for call in server.calls} == {"the-key"}
    assert "the-key" not in done.stderr


def test_the_small_examples_are_true() -> None:
    # given
    windows = [str(window) for window in day_windows(dt.date(2024, 2, 27), dt.date(2024, 3, 2), 3)]
    flat = flatten({"airing": {"data": {"id": "1", "spend": "845199.10"}}})
    # then
    assert f"# [{', '.join(windows)}]" in README
    assert f"# {json.dumps(flat)}; as a record: {to_number(flat['airing_spend'])!r}".replace("'", '"') in README
    assert to_number(flat["airing_spend"]) == Decimal("845199.10")


def test_the_readme_names_every_room() -> None:
    # given
    folder = Path(__file__).parent.parent / "singer_adtech"
    table = README.partition("| room | concern |")[2].partition("\n\n")[0]
    # then
    names = {path.stem for path in folder.iterdir()} - {"__init__", "__pycache__", "py"}
    assert set(re.findall(r"`(\w+)`", table)) == names
