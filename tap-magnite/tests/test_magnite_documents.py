"""What README.md says beyond the generated tables."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
README = (HERE / "README.md").read_text(encoding="utf-8")
