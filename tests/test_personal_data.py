"""IP addresses are hashed before they reach a warehouse, by the mapper or the tap's stream maps."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import psutil  # type: ignore[import-untyped] # Meltano brings it, without types
import pytest
import yaml
from vendor_simulators.adspect import AdspectSimulator

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.meltano

ROOT = Path(__file__).resolve().parent.parent
FIRST, LAST = dt.date(2025, 3, 28), dt.date(2025, 4, 1)
SALT = "made up, and of more than sixteen characters"
KEYS = {"stream_ip_lists": ("stream_id", "list_type", "entry"), "account_ip_lists": ("list_type", "entry")}
REFUSED = "config['salt'][15:] or HASH_SALT_is_missing_or_shorter_than_16_characters"


@pytest.fixture
def vendor(simulate: Callable[[AdspectSimulator], AdspectSimulator]) -> AdspectSimulator:
    return simulate(AdspectSimulator(seed=7, first_day=FIRST, days=5, rows_per_day=60, streams=12, undeclared=True))


class Project:
    """A copy of this project, so that tests can run the same tap in parallel."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.warehouse = folder / "warehouse.duckdb"
        self.definition: dict[str, Any] = yaml.safe_load((ROOT / "meltano.yml").read_text())
        (folder / "plugins").symlink_to(ROOT / "plugins")
        (folder / ".meltano").mkdir()
        for kind in ("extractors", "loaders", "mappers"):
            (folder / ".meltano" / kind).symlink_to(ROOT / ".meltano" / kind)

    @property
    def mapping(self) -> dict[str, Any]:
        """The configuration of the mapping `hash-personal-data`."""
        mappings = [one for mapper in self.definition["plugins"]["mappers"] for one in mapper["mappings"]]
        (found,) = [one["config"] for one in mappings if one["name"] == "hash-personal-data"]
        assert isinstance(found, dict)
        return found

    def configure_tap(self) -> None:
        """Move the mapping's configuration to the tap, as in docs/personal-data.md."""
        (tap,) = [one for one in self.definition["plugins"]["extractors"] if one["name"] == "tap-adspect"]
        tap["config"] = {**tap.get("config", {}), **self.mapping}

    def run(self, vendor: AdspectSimulator, *blocks: str, salt: str | None = SALT) -> subprocess.CompletedProcess[str]:
        """Run `meltano run` with all streams that have addresses."""
        (self.folder / "meltano.yml").write_text(yaml.safe_dump(self.definition))
        settings = {
            **vendor.settings(),
            "end_date": LAST,
            "log_lookback_hours": 48,
            "log_window_minutes": 1440,
            "_select": json.dumps([f"{stream}.*" for stream in ("click_log", *KEYS, "saved_queries")]),
        }
        environment = {
            **{name: value for name, value in os.environ.items() if name != "HASH_SALT"},
            **({} if salt is None else {"HASH_SALT": salt}),
            "TARGET_DUCKDB_FILEPATH": str(self.warehouse),
            **{f"TAP_ADSPECT_{name.upper()}": str(value) for name, value in settings.items()},
        }
        return subprocess.run(
            [str(Path(sys.executable).with_name("meltano")), "--environment=demo", "run", "--no-install", *blocks],
            cwd=self.folder,
            env=environment,
            check=False,
            capture_output=True,
            text=True,
            timeout=300,
        )


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def wait_for_the_loader(warehouse: Path) -> None:
    """Wait for the loader to end; Meltano does not if a mapper fails."""
    deadline = time.monotonic() + 120
    while any(_loads_into(process, warehouse) for process in psutil.process_iter()):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _loads_into(process: psutil.Process, warehouse: Path) -> bool:
    try:
        return bool(process.environ().get("TARGET_DUCKDB_FILEPATH") == str(warehouse))
    except psutil.Error:  # ended, or owned by another user
        return False


def hashed(text: str) -> str:
    return hashlib.sha256(f"{SALT}{text}".encode()).hexdigest()


def loaded(warehouse: Path, stream: str, *key: str) -> list[dict[str, Any]]:
    """Return a table's rows sorted by key, with instants and JSON in the vendor's form."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        rows: list[dict[str, Any]] = connection.table(f"tap_adspect.{stream}").to_arrow_table().to_pylist()
    for row in rows:
        for name in {"languages", "tags"} & row.keys():
            row[name] = (
                None if row[name] is None else json.loads(row[name]) if isinstance(row[name], str) else row[name]
            )
        if "timestamp" in row:
            row["timestamp"] = row["timestamp"].astimezone(dt.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return sorted(rows, key=lambda row: tuple(row[name] for name in key))


def hashed_clicks(vendor: AdspectSimulator) -> list[dict[str, Any]]:
    """Return the expected click log in the warehouse."""
    rows = vendor.truth("click_log", first_day=FIRST, last_day=LAST)
    for row in rows:
        row["_row_key"] = hashed(row["_row_key"])
        row["ip_address"] = row["ip_address"] and hashed(row["ip_address"])
        row["click_id"] = row["click_id"] and hashed(row["click_id"])
        del row["_extra"]
    return sorted(rows, key=lambda row: str(row["_row_key"]))


def hashed_list(vendor: AdspectSimulator, stream: str) -> list[dict[str, Any]]:
    """Return the expected list of addresses in the warehouse."""
    rows = [{**row, "entry": hashed(row["entry"])} for row in vendor.truth(stream)]
    return sorted(rows, key=lambda row: tuple(row[name] for name in KEYS[stream]))


def secrets(vendor: AdspectSimulator) -> set[str]:
    """Return the personal data: addresses, click ids, and the tap's keys, which could reveal addresses."""
    rows = vendor.truth("click_log", first_day=FIRST, last_day=LAST)
    names = ("ip_address", "click_id", "_row_key")
    found = {str(row[name]) for row in rows for name in names if row[name]}
    # The lists also have network numbers (`AS65536`, `1.10`), which are not personal.
    listed = {str(row["entry"]) for stream in KEYS for row in vendor.truth(stream)}
    return found | {text for text in listed if ":" in text or text.count(".") >= 3}


def leaked(warehouse: Path, texts: set[str]) -> list[str]:
    """Return the texts that are in the tables or in the bytes of the file."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        names = connection.execute(
            "select table_schema, table_name from information_schema.tables order by all"
        ).fetchall()
        everything = "\n".join(
            str(row) for schema, name in names for row in connection.table(f'"{schema}"."{name}"').fetchall()
        )
    raw = warehouse.read_bytes()
    return sorted(text for text in texts if text in everything or text.encode() in raw)


@pytest.mark.parametrize("where", ["mapper", "tap"])
def test_two_runs_load_only_hashes_and_every_row_once(project: Project, vendor: AdspectSimulator, where: str) -> None:
    # given the project's stream maps in the mapper or the tap, when Meltano runs before and after a restatement
    blocks = ["tap-adspect", "target-duckdb"]
    if where == "mapper":
        blocks.insert(1, "hash-personal-data")
    else:
        project.configure_tap()
    first = project.run(vendor, *blocks)
    assert first.returncode == 0, first.stdout + first.stderr
    assert loaded(project.warehouse, "click_log", "_row_key") == hashed_clicks(vendor)
    vendor.restate(seed=1, days=2)
    second = project.run(vendor, *blocks)

    # then the log equals the truth with hashes for personal data, each row once
    assert second.returncode == 0, second.stdout + second.stderr
    rows = loaded(project.warehouse, "click_log", "_row_key")
    assert rows == hashed_clicks(vendor)
    assert len({row["_row_key"] for row in rows}) == len(rows)
    for stream, key in KEYS.items():
        lists = [{name: row[name] for name in key} for row in loaded(project.warehouse, stream, *key)]
        assert lists == hashed_list(vendor, stream)
    queries = loaded(project.warehouse, "saved_queries", "query_id")
    assert [row["query_id"] for row in queries] == [row["query_id"] for row in vendor.truth("saved_queries")]
    assert "ip_address" not in queries[0]
    # and equal addresses have equal hashes, different ones different hashes
    true = vendor.truth("click_log", first_day=FIRST, last_day=LAST)
    assert len({row["ip_address"] for row in rows}) == len({row["ip_address"] for row in true}) > 1
    # and the file has no personal data
    assert len(secrets(vendor)) > len(rows)
    assert leaked(project.warehouse, secrets(vendor)) == []


def test_without_the_mapping_the_search_finds_addresses(project: Project, vendor: AdspectSimulator) -> None:
    # proves that the search of the previous test works
    run = project.run(vendor, "tap-adspect", "target-duckdb", salt=None)

    assert run.returncode == 0, run.stdout + run.stderr
    assert set(leaked(project.warehouse, secrets(vendor))) == secrets(vendor)


@pytest.mark.parametrize(("where", "salt"), [("mapper", None), ("mapper", "fifteen letters"), ("tap", None)])
def test_a_missing_salt_ends_the_run_before_a_row_is_loaded(
    project: Project, vendor: AdspectSimulator, where: str, salt: str | None
) -> None:
    # given a missing or short salt
    blocks = ["tap-adspect", "target-duckdb"]
    if where == "mapper":
        blocks.insert(1, "hash-personal-data")
    else:
        project.configure_tap()

    # when Meltano runs
    run = project.run(vendor, *blocks, salt=salt)

    # then it fails with the reason, and no row is loaded
    assert run.returncode != 0
    assert REFUSED in run.stdout + run.stderr
    wait_for_the_loader(project.warehouse)
    if project.warehouse.exists():
        with duckdb.connect(str(project.warehouse), read_only=True) as connection:
            tables = [
                name for (name,) in connection.execute("select table_name from information_schema.tables").fetchall()
            ]
        for table in {"click_log", *KEYS} & set(tables):
            assert loaded(project.warehouse, table) == []
        assert leaked(project.warehouse, secrets(vendor)) == []
