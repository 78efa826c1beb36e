"""singer-sdk's standard tests for targets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.testing import get_target_test_class
from target_duckdb_arrow.target import TargetDuckDBArrow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIG: dict[str, Any] = {}

StandardTests = get_target_test_class(TargetDuckDBArrow, config=CONFIG)


class TestTargetDuckDBArrow(StandardTests):  # type: ignore[misc, valid-type]  # a class made at run time
    """The standard tests, each with a separate file."""

    @pytest.fixture(autouse=True)
    def _file(self, tmp_path: Path) -> Iterator[None]:
        CONFIG["filepath"] = str(tmp_path / "standard.duckdb")
        yield
        CONFIG.clear()
