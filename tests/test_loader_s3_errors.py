"""target-s3-strict: errors of the loader are one line and do not quote the record."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "target-s3-strict"

# A loader that logs a traceback and fails, like singer-sdk for a refused record.
LOADER = """
import logging, target_s3_strict
logging.basicConfig(level="INFO", format="%(message)s")
def cli():
    try:
        {raises}
    except Exception:
        logging.exception("a record failed")
        raise
target_s3_strict.run(cli)
"""
MAPPER = "objects and arrays need the mapper json-as-text: see docs/files.md"
RIGHTS = "check the bucket, its region, its permissions and the keys"
HINT = "set TARGET_S3_LOGLEVEL=DEBUG to log the traceback"


def ended(raises: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", LOADER.format(raises=raises)],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(PACKAGE), "LOGLEVEL": "", **environment},
    )


@pytest.mark.parametrize(
    ("raises", "line"),
    [
        (
            "None.items()",
            f"AttributeError: ... object has no attribute ...: {MAPPER}",
        ),
        (
            "raise ValueError(\"Could not convert 'ann@example.com'\\nwith type str\")",
            f"ValueError: Could not convert ... with type str: {HINT}",
        ),
        ("raise TypeError({'name': 'ann@example.com'})", f"TypeError: ...: {HINT}"),
        (
            "raise OSError('AWS Error ACCESS_DENIED during CreateMultipartUpload')",
            f"OSError: AWS Error ACCESS_DENIED during CreateMultipartUpload: {RIGHTS}",
        ),
        ("raise KeyboardInterrupt", "interrupted: run again from the last state"),
    ],
    ids=["objects", "conversion", "record", "rights", "interrupt"],
)
def test_an_error_of_the_loader_is_one_line(raises: str, line: str) -> None:
    run = ended(raises)
    assert run.returncode == 1
    assert [logged for logged in run.stderr.splitlines() if logged != "a record failed"] == [f"target-s3: {line}"]


def test_logged_errors_do_not_quote_a_record() -> None:
    logged = """logging.error("Unable to parse:%s", "ann"); logging.error("no number: 'ann'")"""
    assert ended(f"{logged}; raise ValueError").stderr.splitlines()[:2] == [
        "Unable to parse a line of the input",
        "no number: ...",
    ]


def test_the_traceback_is_kept_for_the_log_level_debug() -> None:
    assert "Traceback" in ended("raise ValueError", TARGET_S3_LOGLEVEL="DEBUG").stderr


def test_the_loaders_own_exit_code_is_kept() -> None:
    assert ended("raise SystemExit(3)").returncode == 3
    assert ended("return").returncode == 0
