"""plinxore-target-s3, with errors of one line, and ended by an upload that fails.

That loader lets Python's garbage collector finish uploads, in silence, and ends with tracebacks that quote records.
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
# Errors of conversions quote the value that they fail on, which may be personal data.
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|\{.*\}|\[.*\]", re.DOTALL)
_HINTS = {
    "object has no attribute 'items'": "objects and arrays need the mapper json-as-text: see docs/files.md",
    "AWS Error": "look at the bucket, its region, its rights and the keys",
}


def end_the_run(lost: UnraisableHookArgs) -> None:
    """End the process immediately, so that no STATE follows rows that are nowhere.

    Args:
        lost: An error that Python could raise nowhere, such as one in the end of a Parquet file.
    """
    sys.stderr.write(
        f"target-s3: an upload failed: {lost.exc_value}: look at the bucket, its rights and its space, and run again\n"
    )
    sys.stderr.flush()
    # Not sys.exit: an exception here would be dropped like the one before it.
    os._exit(1)


def explain(error: BaseException) -> str:
    """Write an error on one line, without values of records, and with what to do where it is known.

    Args:
        error: Whatever ended the loader.
    """
    text = " ".join(str(error).split())
    hint = next(
        (advice for mark, advice in _HINTS.items() if mark in text), "with TARGET_S3_LOGLEVEL=DEBUG it logs where"
    )
    # An error of the system, or of a setting, concerns no record.
    shown = text if isinstance(error, OSError) else _QUOTED.sub("...", text)
    return f"target-s3: {type(error).__name__}: {shown[:_LONGEST]}: {hint}"


def debugging() -> bool:
    """Tell whether tracebacks are asked for."""
    return (os.environ.get("TARGET_S3_LOGLEVEL") or os.environ.get("LOGLEVEL", "")).upper() == "DEBUG"


def without_records() -> None:
    """Keep loggers from adding tracebacks and values of records to errors."""
    make = logging.getLogRecordFactory()

    def plain(*arguments: Any, **more: Any) -> logging.LogRecord:
        record = make(*arguments, **more)
        record.exc_info = record.exc_text = record.stack_info = None
        if record.levelno >= logging.ERROR:
            # singer-sdk shows the whole line that it cannot parse.
            text, _, _ = record.getMessage().partition("Unable to parse:")
            record.msg, record.args = _QUOTED.sub("...", text) or "Unable to parse a line of the input", None
        return record

    logging.setLogRecordFactory(plain)


def run(cli: Any) -> NoReturn:
    """Run a loader's command line, and end with one line where it fails.

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
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the end of the run
        line = explain(error)
    else:
        sys.exit(code)
    sys.exit(line)


def main() -> None:
    """Run the loader."""
    try:
        from target_s3.target import Targets3  # noqa: PLC0415 - absent where Python is too new for it
    except ModuleNotFoundError as error:
        sys.exit(f"target-s3: {error}: plinxore-target-s3 0.1.7 is for Python 3.10 to 3.12; run Meltano with one")
    sys.unraisablehook = end_the_run
    run(Targets3.cli)
