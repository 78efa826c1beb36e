"""Install the Meltano plugins of meltano.yml, if they or their definitions have changed since the last time.

`meltano install` takes its time even when all is there; a stamp of what went into the environments saves it.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STAMP = ROOT / ".meltano" / "installed.sha256"


def main() -> int:
    """Install what has changed; returns Meltano's exit code."""
    definitions = [ROOT / "meltano.yml", ROOT / "pyproject.toml", *sorted(ROOT.glob("*/pyproject.toml"))]
    text = b"".join(path.read_bytes() for path in definitions) + str(ROOT).encode() + sys.version.encode()
    digest = hashlib.sha256(text).hexdigest()
    if STAMP.exists() and STAMP.read_text() == digest:
        return 0
    print("installing Meltano plugins")
    done = subprocess.run(  # noqa: S603 - Meltano of this environment
        [str(Path(sys.executable).with_name("meltano")), "install"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        print(done.stdout, done.stderr, sep="\n", file=sys.stderr)
        return done.returncode
    STAMP.parent.mkdir(exist_ok=True)
    STAMP.write_text(digest)
    return 0


if __name__ == "__main__":
    sys.exit(main())
