"""plinxore-target-s3 with one-line errors, and with failed uploads as errors.

The original hides errors of uploads that are finished by Python's garbage collector. Its tracebacks quote records.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

_LONGEST = 300
# Conversion errors quote the value. It may be personal data.
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|\{.*\}|\[.*\]", re.DOTALL)
_HINTS = {
    "object has no attribute 'items'": "objects and arrays need the mapper json-as-text: see docs/files.md",
    "AWS Error": "check the bucket, its region, its permissions and the keys",
}


def end_the_run(lost: UnraisableHookArgs) -> None:
    """End the process immediately, so that no STATE follows lost rows.

    Args:
        lost: An error that Python cannot raise, such as one in the destructor of a Parquet file.
    """
    sys.stderr.write(
        f"target-s3: an upload failed: {lost.exc_value}: check the bucket, its permissions and space, and run again\n"
    )
    sys.stderr.flush()
    # Not sys.exit: its exception would be dropped as well.
    os._exit(1)


def explain(error: BaseException) -> str:
    """Format an error on one line, without values of records, and with advice.

    Args:
        error: The error that ended the loader.
    """
    text = " ".join(str(error).split())
    hint = next(
        (advice for mark, advice in _HINTS.items() if mark in text), "set TARGET_S3_LOGLEVEL=DEBUG to log the traceback"
    )
    # Errors of the operating system do not quote records.
    shown = text if isinstance(error, OSError) else _QUOTED.sub("...", text)
    return f"target-s3: {type(error).__name__}: {shown[:_LONGEST]}: {hint}"


def debugging() -> bool:
    """Return whether tracebacks are wanted."""
    return (os.environ.get("TARGET_S3_LOGLEVEL") or os.environ.get("LOGLEVEL", "")).upper() == "DEBUG"


def without_records() -> None:
    """Keep tracebacks and values of records out of the log."""
    make = logging.getLogRecordFactory()

    def plain(*arguments: Any, **more: Any) -> logging.LogRecord:
        record = make(*arguments, **more)
        record.exc_info = record.exc_text = record.stack_info = None
        if record.levelno >= logging.ERROR:
            # singer-sdk logs the whole line that it cannot parse.
            text, _, _ = record.getMessage().partition("Unable to parse:")
            record.msg, record.args = _QUOTED.sub("...", text) or "Unable to parse a line of the input", None
        return record

    logging.setLogRecordFactory(plain)


def run(cli: Any) -> NoReturn:
    """Run a loader's command line. Exit with a one-line message on an error.

    Args:
        cli: The loader's command.
    """
    if debugging():
        sys.exit(cli())
    without_records()
    try:
        code = cli()
    except KeyboardInterrupt:
        sys.exit("target-s3: interrupted: run again from the last state")
    except Exception as error:  # noqa: BLE001 - any error ends the run
        line = explain(error)
    else:
        sys.exit(code)
    sys.exit(line)


def main() -> None:
    """Run the loader."""
    try:
        from target_s3.target import Targets3  # noqa: PLC0415 - not installed on newer versions of Python
    except ModuleNotFoundError as error:
        sys.exit(
            f"target-s3: {error}: plinxore-target-s3 0.1.7 needs Python 3.10 to 3.12; run Meltano with one of these"
        )
    sys.unraisablehook = end_the_run
    run(Targets3.cli)
