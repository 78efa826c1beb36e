"""plinxore-target-s3, ended by an upload that fails: it lets Python's garbage collector finish uploads, in silence."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sys import UnraisableHookArgs


def end_the_run(lost: UnraisableHookArgs) -> None:
    """End the process at once, so that no STATE follows rows that are nowhere.

    Args:
        lost: An error that Python could raise nowhere, such as one in the end of a Parquet file.
    """
    sys.stderr.write(
        f"target-s3: an upload failed: {lost.exc_value}: look at the bucket, its rights and its space, and run again\n"
    )
    sys.stderr.flush()
    # Not sys.exit: an exception here would be dropped like the one before it.
    os._exit(1)


def main() -> None:
    """Run the loader."""
    try:
        from target_s3.target import Targets3  # noqa: PLC0415 - absent where Python is too new for it
    except ModuleNotFoundError as error:
        sys.exit(f"target-s3: {error}: plinxore-target-s3 0.1.7 is for Python 3.10 to 3.12; run Meltano with one")
    sys.unraisablehook = end_the_run
    Targets3.cli()
