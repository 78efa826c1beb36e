"""Settings for every test of the repository."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

# Test files of a folder share modules.
ROOT = Path(__file__).parent
sys.path[:0] = [str(path) for path in (*sorted(ROOT.glob("*/tests")), ROOT / "tests")]


def pytest_collection_finish() -> None:
    """Exclude modules and collected tests from garbage collection.

    A tap collects garbage for each stream that fails: among the objects of 7,000 tests, that takes half a second.
    """
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """Include them again: libraries report objects that are left at exit."""
    gc.unfreeze()
