"""target-s3 with moto's server: the Parquet files, and known faults of the loader.

docs/loaders.md lists the faults of this third-party loader. A test fails when one of them is fixed.
"""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pytest
from pyarrow import fs
from pyarrow import parquet as pq
from stand_ins import s3
from vendor_simulators.adspect import AdspectSimulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [
    pytest.mark.extended,
    pytest.mark.skipif(sys.version_info >= (3, 13), reason="plinxore-target-s3 is not published for Python 3.13"),
]

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = ROOT / ".meltano" / "loaders" / "target-s3" / "venv" / "bin"
FIRST, LAST = dt.date(2025, 3, 28), dt.date(2025, 4, 1)
KEYS = {
    "streams": ("stream_id",),
    "account": ("account_id",),
    "funnel_daily": ("date", "stream_id"),
    "click_log": ("_row_key",),
    "collections": ("collection", "value"),
}
# Without it the loader writes numbers as doubles. `quality` remains one: no decimal represents a third exactly.
EXACT = {"type": ["number", "null"], "multipleOf": 0.000001}
SCHEMA = {
    "account": {"balance": EXACT},
    "click_log": {"cost": EXACT},
    "funnel_daily": dict.fromkeys(("expenses", "revenue", "profit"), EXACT),
}
# The query of docs/loaders.md.
NEWEST = """
    select * exclude (filename, file_row_number) from read_parquet('{files}', union_by_name = true, filename = true,
        file_row_number = true)
    qualify row_number() over (partition by {key} order by _sdc_sequence desc, filename desc, file_row_number desc) = 1
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[s3.S3]:
    with s3.server(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture
def store(server: s3.S3, request: pytest.FixtureRequest) -> s3.S3:
    """Create a bucket for this test."""
    return server.with_bucket(f"bucket-{hashlib.sha256(request.node.name.encode()).hexdigest()[:16]}")


@pytest.fixture
def vendor(simulate: Callable[[AdspectSimulator], AdspectSimulator]) -> AdspectSimulator:
    return simulate(
        AdspectSimulator(seed=7, first_day=FIRST, days=5, rows_per_day=60, streams=12, undeclared=True, extremes=True)
    )


def start(project: Path, vendor: AdspectSimulator, store: s3.S3, *blocks: str) -> subprocess.Popen[str]:
    """Start `meltano run` with the streams of `KEYS`."""
    settings = {
        **vendor.settings(),
        "end_date": LAST,
        "lookback_days": 2,
        "window_days": 1,
        "log_lookback_hours": 48,
        "log_window_minutes": 1440,
        "_select": json.dumps([f"{stream}.*" for stream in KEYS]),
        "_schema": json.dumps(SCHEMA),
    }
    return subprocess.Popen(
        [str(Path(sys.executable).with_name("meltano")), "--environment=demo", "run", "--no-install", *blocks],
        cwd=project,
        env={
            **os.environ,
            "TARGET_S3_BUCKET": store.bucket,
            "TARGET_S3_ENDPOINT": store.endpoint,
            "TARGET_S3_ACCESS_KEY_ID": store.access_key,
            "TARGET_S3_SECRET_ACCESS_KEY": store.secret_key,
            **{f"TAP_ADSPECT_{name.upper()}": str(value) for name, value in settings.items()},
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    """Wait for a run that must succeed, and return its output."""
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    return output


def file_system(store: s3.S3) -> fs.S3FileSystem:
    return fs.S3FileSystem(
        access_key=store.access_key, secret_key=store.secret_key, endpoint_override=store.endpoint, region=store.region
    )


def objects(store: s3.S3, folder: str) -> list[str]:
    """Return the sorted paths of the objects in a folder of the bucket."""
    chosen = fs.FileSelector(f"{store.bucket}/{folder}", recursive=True, allow_not_found=True)
    return sorted(info.path for info in file_system(store).get_file_info(chosen) if info.type == fs.FileType.File)


def fetched(store: s3.S3, stream: str, folder: Path) -> str:
    """Download a stream's objects and return their glob pattern; DuckDB needs an extension to read S3."""
    place = folder / f"fetched-{time.monotonic_ns()}"
    fs.copy_files(f"{store.bucket}/tap_adspect/{stream}", str(place), file_system(store), fs.LocalFileSystem())
    return f"{place}/**/*.parquet"


def newest(store: s3.S3, stream: str, folder: Path) -> list[dict[str, Any]]:
    """Return the newest version of each row, by key, without the loader's own columns."""
    query = NEWEST.format(files=fetched(store, stream, folder), key=", ".join(KEYS[stream]))
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        rows: list[dict[str, Any]] = connection.sql(query).to_arrow_table().to_pylist()
    plain = [{name: value for name, value in row.items() if not name.startswith("_sdc_")} for row in rows]
    return sorted(plain, key=lambda row: tuple(str(row[name]) for name in KEYS[stream]))


def true_rows(vendor: AdspectSimulator, stream: str) -> list[dict[str, Any]]:
    """Return the truth in the form of the files."""
    rows = vendor.truth(stream, first_day=FIRST, last_day=LAST)
    return [{name: stored(name, value) for name, value in row.items()} for row in rows]


def stored(name: str, value: Any) -> Any:
    """Convert a vendor's value to the form of the files: instants, days, and objects as text."""
    if name == "timestamp":
        return dt.datetime.fromisoformat(value.replace("Z", "+00:00"))
    if name == "date":
        return dt.date.fromisoformat(value)
    return value


def unlike(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    """Return the columns that differ between a row of the files and the truth; objects are text in the files."""
    found: dict[str, Any] = dict.fromkeys(ours.keys() ^ theirs.keys(), "missing")
    for name in ours.keys() & theirs.keys():
        value = json.loads(ours[name], parse_float=Decimal) if isinstance(theirs[name], (dict, list)) else ours[name]
        right = float(theirs[name]) if name == "quality" and theirs[name] is not None else theirs[name]
        if value != right:
            found[name] = (value, right)
    return found


def differing(store: s3.S3, vendor: AdspectSimulator, folder: Path) -> dict[str, Any]:
    """Return the differences between the newest versions and the truth by stream."""
    found: dict[str, Any] = {}
    for stream in KEYS:
        rows, truth = newest(store, stream, folder), true_rows(vendor, stream)
        if len(rows) != len(truth):
            found[stream] = (len(rows), len(truth))
        elif wrong := [columns for pair in zip(rows, truth, strict=True) if (columns := unlike(*pair))]:
            found[stream] = wrong[0]
    return found


def test_two_runs_are_appended_and_the_newest_versions_equal_the_truth(
    project: Path, vendor: AdspectSimulator, store: s3.S3, tmp_path: Path
) -> None:
    # given a vendor, when Meltano runs the tap with objects as text
    finish(start(project, vendor, store, "tap-adspect", "json-as-text", "target-s3"))

    # then each stream has a file in the tap's folder, by day
    paths = objects(store, "tap_adspect")
    assert [path.split("/")[2] for path in paths] == sorted(KEYS)
    assert all(path.startswith(f"{store.bucket}/tap_adspect/{path.split('/')[2]}/20") for path in paths)
    # and the rows equal the truth, decimals to the last digit
    assert differing(store, vendor, tmp_path) == {}
    schema = pq.read_schema(next(path for path in paths if "/click_log/" in path), filesystem=file_system(store))
    assert schema.field("cost").type == pa.decimal128(38, 6)
    assert schema.field("timestamp").type == pa.timestamp("ms", tz="utc")
    assert schema.field("languages").type == pa.string()
    assert Decimal("123456789012345678.25") in [row["cost"] for row in newest(store, "click_log", tmp_path)]

    # given restated and late rows, when it runs again
    before = len(newest(store, "click_log", tmp_path))
    vendor.restate(seed=1, days=2)
    finish(start(project, vendor, store, "tap-adspect", "json-as-text", "target-s3"))

    # then more files repeat the rows of the look-back, and the newest versions equal the truth
    assert set(paths) < set(objects(store, "tap_adspect"))
    with duckdb.connect() as connection:
        found = connection.execute(
            f"select count(*), count(distinct _row_key) from '{fetched(store, 'click_log', tmp_path)}'"  # noqa: S608 - own
        ).fetchone()
    assert found is not None
    assert found[0] > found[1] == len(true_rows(vendor, "click_log")) > before
    assert differing(store, vendor, tmp_path) == {}
    assert vendor.violations == []


def test_killed_and_started_again_nothing_is_lost(
    project: Path, vendor: AdspectSimulator, store: s3.S3, tmp_path: Path
) -> None:
    # given a run whose processes are all killed after the first files
    process = start(project, vendor, store, "tap-adspect", "json-as-text", "target-s3")
    deadline = time.monotonic() + 200
    try:
        while not objects(store, "tap_adspect"):
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    left = objects(store, "tap_adspect")

    # when it is started again
    finish(start(project, vendor, store, "--force", "tap-adspect", "json-as-text", "target-s3"))

    # then the files of the killed run are intact, and the newest versions equal the truth
    assert set(left) < set(objects(store, "tap_adspect"))
    assert differing(store, vendor, tmp_path) == {}


def loaded(store: s3.S3, folder: Path, properties: dict[str, Any], record: str, **settings: Any) -> Loaded:
    """Load one record, given as JSON, and a STATE, without Meltano."""
    cloud = {
        "aws_access_key_id": store.access_key,
        "aws_secret_access_key": store.secret_key,
        "aws_region": store.region,
        "aws_bucket": store.bucket,
        "aws_endpoint_override": store.endpoint,
    }
    program = settings.pop("program", "target-s3-strict")
    config = folder / "config.json"
    given = {
        "format": {"format_type": settings.pop("format_type", "parquet")},
        "cloud_provider": {"cloud_provider_type": "aws", "aws": cloud},
        "prefix": "tap_x",
        "datetime_error_treatment": "error",
        **settings,
    }
    config.write_text(json.dumps(given))
    schema = {"type": "SCHEMA", "stream": "s", "schema": {"properties": properties}, "key_properties": []}
    messages = [
        json.dumps(schema),
        f'{{"type": "RECORD", "stream": "s", "record": {record}}}',
        json.dumps({"type": "STATE", "value": {"bookmark": 1}}),
    ]
    return Loaded(
        subprocess.run(
            [str(PROGRAMS / program), "--config", str(config)],
            input="\n".join(messages),
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        ),
        store,
    )


class Loaded:
    """Result of a run of the loader."""

    def __init__(self, run: subprocess.CompletedProcess[str], store: s3.S3) -> None:
        self.failed = run.returncode != 0
        self.state = run.stdout.strip()
        self.log = run.stderr
        self.paths = objects(store, "tap_x")
        self.store = store

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows of all Parquet files."""
        tables = [pq.read_table(path, filesystem=file_system(self.store)) for path in self.paths]
        return [row for table in tables for row in table.to_pylist()]


@pytest.mark.parametrize("refused", ["PUT .*partNumber=", "POST .*uploadId="])
def test_a_failed_upload_fails_the_run_without_a_state(store: s3.S3, tmp_path: Path, refused: str) -> None:
    # given a store that accepts an upload and then refuses its parts or its completion
    with store.refusing(refused):
        # when a row is written
        run = loaded(store, tmp_path, {"id": {"type": "integer"}}, '{"id": 1}')

    # then
    assert (run.failed, run.state, run.paths) == (True, "", [])
    assert "target-s3: an upload failed: " in run.log


def test_the_unmodified_loader_loses_the_upload_with_exit_code_0(store: s3.S3, tmp_path: Path) -> None:
    # given the same store
    with store.refusing("PUT .*partNumber="):
        # when the unmodified loader runs
        run = loaded(store, tmp_path, {"id": {"type": "integer"}}, '{"id": 1}', program="target-s3")

    # then it succeeds and writes the STATE
    assert (run.failed, run.state, run.paths) == (False, '{"bookmark": 1}', [])
    assert "Exception ignored in: <function ParquetWriter.__del__" in run.log


def test_objects_without_the_mapping_end_the_run(store: s3.S3, tmp_path: Path) -> None:
    # Every stream has such an object: `_extra`.
    run = loaded(store, tmp_path, {"_extra": {"type": ["object", "null"]}}, '{"_extra": {"a": 1}}')

    assert (run.failed, run.state, run.paths) == (True, "", [])
    assert run.log.splitlines()[-1].endswith("objects and arrays need the mapper json-as-text: see docs/files.md")
    assert "Traceback" not in run.log


def test_the_loaders_own_flattening_loses_objects(store: s3.S3, tmp_path: Path) -> None:
    run = loaded(
        store,
        tmp_path,
        {"id": {"type": "integer"}, "_extra": {"type": ["object", "null"]}},
        '{"id": 1, "_extra": {"a": 1}}',
        flattening_enabled=True,
        flattening_max_depth=1,
    )

    assert not run.failed
    assert run.rows == [{"id": 1, "_extra": None}]


def test_numbers_are_doubles_and_instants_lose_fractions_of_a_second(store: s3.S3, tmp_path: Path) -> None:
    properties = {
        "plain": {"type": "number"},
        "exact": {"type": "number", "multipleOf": 0.01},
        "at": {"type": "string", "format": "date-time"},
    }
    record = '{"plain": 123456789012345678.25, "exact": 123456789012345678.25, "at": "2025-01-01T00:00:00.999+01:00"}'
    run = loaded(store, tmp_path, properties, record)

    assert not run.failed
    assert run.rows == [
        {
            "plain": 123456789012345680.0,
            "exact": Decimal("123456789012345678.25"),
            "at": dt.datetime(2024, 12, 31, 23, 0, tzinfo=dt.timezone.utc),
        }
    ]


def test_a_number_finer_than_its_column_ends_the_run(store: s3.S3, tmp_path: Path) -> None:
    run = loaded(store, tmp_path, {"cost": {"type": "number", "multipleOf": 0.01}}, '{"cost": 0.125}')

    assert (run.failed, run.state, run.paths) == (True, "", [])
    assert "not a multiple of 0.01" in run.log


def test_lines_keep_digits_offsets_and_objects(store: s3.S3, tmp_path: Path) -> None:
    properties = {
        "at": {"type": "string", "format": "date-time"},
        "cost": {"type": "number"},
        "_extra": {"type": ["object", "null"]},
    }
    record = '{"at": "2025-01-01T00:00:00.999+01:00", "cost": 123456789012345678.25, "_extra": {"a": [1, null]}}'
    run = loaded(store, tmp_path, properties, record, format_type="jsonl")

    assert not run.failed
    (path,) = run.paths
    assert path.endswith(".jsonl.gz")
    with file_system(store).open_input_stream(path, compression=None) as stream:
        line = json.loads(gzip.decompress(stream.read()), parse_float=str)
    assert line == {
        "at": "2025-01-01T00:00:00.999000+01:00",
        "cost": "123456789012345678.25",
        "_extra": {"a": [1, None]},
    }
