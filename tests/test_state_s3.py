"""Meltano's state in a bucket: a run on another machine continues from it."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pyarrow import fs
from stand_ins import s3
from vendor_simulators.adspect import AdspectSimulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.extended

FIRST, LAST = dt.date(2025, 3, 28), dt.date(2025, 4, 1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[s3.S3]:
    folder = tmp_path / "s3"
    folder.mkdir()
    with s3.server(folder, bucket="state-of-taps") as running:
        yield running


@pytest.fixture
def vendor(simulate: Callable[[AdspectSimulator], AdspectSimulator]) -> AdspectSimulator:
    return simulate(AdspectSimulator(seed=7, first_day=FIRST, days=5, rows_per_day=40, streams=5))


def run(folder: Path, project: Path, vendor: AdspectSimulator, store: s3.S3) -> subprocess.CompletedProcess[str]:
    """Run the tap with a new system database, like a container."""
    folder.mkdir()
    settings = {**vendor.settings(), "end_date": LAST, "lookback_days": 1, "window_days": 1}
    return subprocess.run(
        [
            str(Path(sys.executable).with_name("meltano")),
            "--environment=demo",
            "el",
            "tap-adspect",
            "target-jsonl",
            "--state-id=adspect-in-s3",
        ],
        cwd=project,
        env={
            **os.environ,
            "MELTANO_DATABASE_URI": f"sqlite:///{folder / 'meltano.db'}",
            "MELTANO_STATE_BACKEND_URI": f"s3://{store.bucket}/meltano",
            "MELTANO_STATE_BACKEND_S3_AWS_ACCESS_KEY_ID": store.access_key,
            "MELTANO_STATE_BACKEND_S3_AWS_SECRET_ACCESS_KEY": store.secret_key,
            "MELTANO_STATE_BACKEND_S3_ENDPOINT_URL": store.endpoint,
            "TARGET_JSONL_DESTINATION_PATH": str(folder),
            "TAP_ADSPECT__SELECT": json.dumps(["funnel_daily.*"]),
            **{f"TAP_ADSPECT_{name.upper()}": str(value) for name, value in settings.items()},
        },
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )


def requested_days(vendor: AdspectSimulator) -> list[str]:
    """Return the first day of each requested window, and clear the journal."""
    requests = vendor.journal.matching(path="/v1/reports/funnel")
    days = [dt.datetime.fromtimestamp(int(one.param("date_from") or 0), dt.timezone.utc).date() for one in requests]
    vendor.journal.clear()
    return [day.isoformat() for day in days]


def test_the_second_run_continues_from_the_state_in_the_bucket(
    vendor: AdspectSimulator, store: s3.S3, tmp_path: Path, project: Path
) -> None:
    # given a bucket without state, when Meltano runs
    first = run(tmp_path / "first", project, vendor, store)

    # then all days are read, and the state is an object of the bucket
    assert first.returncode == 0, first.stdout + first.stderr
    assert requested_days(vendor) == ["2025-03-28", "2025-03-29", "2025-03-30", "2025-03-31", "2025-04-01"]
    files = fs.S3FileSystem(
        access_key=store.access_key, secret_key=store.secret_key, endpoint_override=store.endpoint, region=store.region
    )
    found = files.get_file_info(fs.FileSelector(store.bucket, recursive=True))
    assert [info.path for info in found if info.type == fs.FileType.File] == [
        "state-of-taps/meltano/adspect-in-s3/state.json"
    ]
    with files.open_input_stream("state-of-taps/meltano/adspect-in-s3/state.json") as stream:
        state = json.loads(stream.read())
    bookmark = state["completed"]["singer_state"]["bookmarks"]["funnel_daily"]
    assert bookmark["replication_key_value"] == "2025-04-01"

    # when it runs again with another system database
    second = run(tmp_path / "second", project, vendor, store)

    # then only the look-back is read
    assert second.returncode == 0, second.stdout + second.stderr
    assert requested_days(vendor) == ["2025-03-31", "2025-04-01"]


def test_a_state_that_cannot_be_read_ends_the_run(
    vendor: AdspectSimulator, store: s3.S3, tmp_path: Path, project: Path
) -> None:
    # given a bucket that refuses reads, when Meltano runs
    with store.refusing("(GET|HEAD) .*adspect-in-s3"):
        refused = run(tmp_path / "first", project, vendor, store)

    # then it does not start over as if without a state
    assert refused.returncode != 0
    assert requested_days(vendor) == []
    assert not (tmp_path / "first" / "funnel_daily.jsonl").exists()
