"""A loop by hand: requests and orjson, nested rows flattened, RECORD lines on stdout or rows into DuckDB.

As a competent engineer writes it in an afternoon: no retries, limits, totals, bookmarks or checks. Numbers that the
vendor sends as text stay text on stdout.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import requests

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

NUMBERS_AS_TEXT = ("airing_pod", "airing_pod_order", "airing_spend_estimated", "airing_media_value")


def flatten(row: dict[str, Any], prefix: str, flat: dict[str, Any]) -> dict[str, Any]:
    """Join nested names by underscores, without the wrappers `{"data": ...}`."""
    for name, value in row.items():
        if isinstance(value, dict):
            inner = value.get("data", value)
            if inner:
                flatten(inner, prefix + name + "_", flat)
        else:
            flat[prefix + name] = value
    return flat


def pages(config: dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
    """Read all pages; rows are as sent."""
    session = requests.Session()
    token = session.post(f"{config['api_url']}/oauth2/token", data=config["login"], timeout=300).json()["access_token"]
    session.headers["Authorization"] = f"Bearer {token}"
    number, last = 1, 1
    while number <= last:
        response = session.get(
            f"{config['api_url']}/metrics/audience/airings",
            params={
                "filter[start_date]": config["start_date"],
                "filter[end_date]": config["end_date"],
                "page[size]": config["page_size"],
                "page[number]": number,
            },
            timeout=300,
        )
        response.raise_for_status()
        body = orjson.loads(response.content)
        last = body["meta"]["pagination"]["total_pages"]
        number += 1
        yield body["data"]


def write_lines(config: dict[str, Any]) -> None:
    """Write Singer messages."""
    out = sys.stdout.buffer
    schema = {"type": "SCHEMA", "stream": "airings", "schema": config["schema"], "key_properties": ["airing_id"]}
    out.write(orjson.dumps(schema) + b"\n")
    for rows in pages(config):
        for row in rows:
            record = row if "as_sent" in config else flatten(row, "", {})
            out.write(orjson.dumps({"type": "RECORD", "stream": "airings", "record": record}) + b"\n")
    out.flush()


def tables(config: dict[str, Any]) -> Iterator[pa.Table]:
    """Return one Arrow table per page; numbers sent as text are converted by Arrow."""
    import pyarrow as pa  # noqa: PLC0415 - not needed for lines
    import pyarrow.compute as pc  # noqa: PLC0415

    kinds = {"integer": pa.int64(), "number": pa.float64()}
    columns = {
        name: kinds.get(declared["type"][0], pa.string())
        for name, declared in config["schema"]["properties"].items()
        if name != "_extra"
    }
    sent = pa.schema({**columns, **dict.fromkeys(NUMBERS_AS_TEXT, pa.string())})
    for rows in pages(config):
        table = pa.Table.from_pylist([flatten(row, "", {}) for row in rows], schema=sent)
        for name in NUMBERS_AS_TEXT:
            text = table[name]
            values = pc.if_else(pc.equal(text, ""), None, text).cast(columns[name])
            table = table.set_column(table.schema.get_field_index(name), name, values)
        yield table


def load(config: dict[str, Any]) -> None:
    """Load into DuckDB, one page at a time, replacing rows with the same id."""
    import duckdb  # noqa: PLC0415 - not needed for lines

    with duckdb.connect(config["database"]) as connection:
        for page in tables(config):
            connection.register("page", page)
            connection.execute("CREATE TABLE IF NOT EXISTS audience_airings AS SELECT * FROM page LIMIT 0")
            connection.execute("CREATE UNIQUE INDEX IF NOT EXISTS airing ON audience_airings (airing_id)")
            connection.execute("INSERT OR REPLACE INTO audience_airings SELECT * FROM page")
            connection.unregister("page")


if __name__ == "__main__":
    given = json.loads(Path(sys.argv[1]).read_text())
    load(given) if "database" in given else write_lines(given)
