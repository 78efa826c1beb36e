"""The live check of a vendor: `python -m singer_adtech.doctor tap-x --config config.json`.

A connection test proves credentials. This program reads a small sample of each selected stream several times, with
differences that must not matter, and reports the assumptions of the tap that are wrong for the account.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import importlib
import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from typing_extensions import override

from singer_adtech.doctor.examination import Examination
from singer_adtech.doctor.readings import Readings
from singer_adtech.doctor.report import report
from singer_adtech.runs.command import line
from singer_adtech.runs.environment import read_environment, variable_prefix
from singer_adtech.runs.inputs import check_catalog, read_json, read_settings
from singer_adtech.start import SIGNAL_BASE
from singer_adtech.tap import AdTechTap

if TYPE_CHECKING:
    from collections.abc import Sequence

USAGE = 2
"""Exit code for a wrong command line, or settings that are not allowed."""


class _Parser(argparse.ArgumentParser):
    """A parser with one line for an error."""

    @override
    def error(self, message: str) -> NoReturn:
        self.exit(USAGE, f"{self.prog}: {message}\n")


def _parser() -> _Parser:
    parser = _Parser(
        prog="singer_adtech.doctor",
        description="Compare what a vendor does with what a tap assumes, and print a report without rows and secrets.",
    )
    parser.add_argument("tap", help="name of an installed tap, such as tap-x")
    parser.add_argument(
        "--config", action="append", default=[], help="settings file of the tap, or ENV for environment variables"
    )
    parser.add_argument("--catalog", help="catalog file, for the selection of streams and columns")
    parser.add_argument("--streams", default="", help="comma-separated streams to check; default: those selected")
    parser.add_argument(
        "--date", type=dt.date.fromisoformat, help="last of the two days that are read; default: three days ago"
    )
    parser.add_argument("--max-rows", type=_positive, default=20_000, help="most rows of one reading (20000)")
    parser.add_argument("--max-requests", type=_positive, default=1000, help="most requests of all readings (1000)")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def find_tap(name: str) -> type[AdTechTap]:
    """Return the class of an installed tap.

    Raises:
        LookupError: There is none.
    """
    try:
        module = importlib.import_module(f"{name.replace('-', '_')}.tap")
    except ImportError:
        raise LookupError(f"{name} is not installed in this environment, or not made with singer-adtech") from None
    for one in vars(module).values():
        if isinstance(one, type) and issubclass(one, AdTechTap) and getattr(one, "name", None) == name:
            return one
    raise LookupError(f"{name} is not made with singer-adtech")


def _settings(tap_class: type[AdTechTap], given: Sequence[str]) -> dict[str, Any]:
    settings = {name: value for path in given if path != "ENV" for name, value in read_settings(path).items()}
    if "ENV" in given:
        schema = tap_class.config_jsonschema
        settings.update(read_environment(schema, variable_prefix(tap_class.name), os.environ))
    return settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program.

    Args:
        arguments: The command line; by default that of the process.

    Returns:
        0 if nothing failed, 1 if a check failed, 2 for a wrong command line or settings, 128 + n after signal n.
    """
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        tap_class = find_tap(given.tap)
        readings = Readings(
            tap_class,
            _settings(tap_class, given.config),
            catalog=check_catalog(read_json(given.catalog, "--catalog")) if given.catalog else None,
            last=given.date,
            max_rows=given.max_rows,
            max_requests=given.max_requests,
            announce=partial(print, f"{parser.prog}:", file=sys.stderr),
        )
        examination = Examination(readings, [name for name in given.streams.split(",") if name])
    except Exception as error:  # noqa: BLE001 - one line, as for a run
        text = str(error) if isinstance(error, (LookupError, ValueError)) else line(error)
        parser.error(" ".join(text.split()))
    return check(examination)


def check(examination: Examination) -> int:
    """Run an examination and print its report; return the exit code."""
    stopped, code = "", 0
    try:
        examination.run()
    except KeyboardInterrupt:
        stopped, code = "stopped by the user", SIGNAL_BASE + 2
    except SystemExit as stop:
        # The tap handles signals.
        code = stop.code if isinstance(stop.code, int) else 1
        stopped = f"stopped by signal {code - SIGNAL_BASE}"
    finally:
        with contextlib.suppress(KeyboardInterrupt, SystemExit):
            examination.readings.close()
    if examination.readings.ledger.exhausted:
        stopped = stopped or "--max-requests is reached"
    sys.stdout.write(report(examination, stopped=stopped))
    sys.stdout.flush()
    return code or int(examination.failed > 0)


if __name__ == "__main__":
    sys.exit(main())
