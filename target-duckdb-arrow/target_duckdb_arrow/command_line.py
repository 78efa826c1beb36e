"""The command line: settings, signals, and one line with a non-zero exit code for every error."""

from __future__ import annotations

import gc
import logging
import os
import sys
from typing import IO, TYPE_CHECKING, ClassVar, NoReturn

from singer_sdk import Target
from singer_sdk.exceptions import ConfigValidationError, SingerSDKError
from singer_sdk.plugin_base import _ConfigInput
from typing_extensions import override

from target_duckdb_arrow.errors import LoadError, SettingError, one_line
from target_duckdb_arrow.settings import ENVIRONMENT, read_files

if TYPE_CHECKING:
    from types import FrameType

    import click

_GC_THRESHOLDS = (100_000, 50, 100)
_SIGNAL_EXIT = 128  # what shells add to the number of the signal that ended a program


class CommandLineTarget(Target):
    """A target whose command line ends with one line, whatever happens."""

    _stop_code: ClassVar[int | None] = None

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        # The SDK would drain and exit with 0, from inside whatever was going on: a batch would be written twice, or
        # half a table put in the place of a whole one. What is committed has had its STATE; the rest comes again.
        self.logger.error("Stopped by signal %d: run again from the last state", signum)
        code = _SIGNAL_EXIT + signum
        type(self)._stop_code = code  # noqa: SLF001 - its own class, whose `invoke` has no instance
        sys.exit(code)

    @classmethod
    @override
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> _ConfigInput:
        """Read the settings' files; end with one line where one cannot be read."""
        try:
            settings = read_files(path for path in value if path != ENVIRONMENT)
        except SettingError as error:
            cls._end(str(error), error)
        return _ConfigInput(config=settings, parse_env=ENVIRONMENT in value)

    @classmethod
    @override
    def invoke(  # type: ignore[override]  # as the SDK's own Target does
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: _ConfigInput | None = None,
        file_input: IO[str] | None = None,
    ) -> None:
        """Run; end with one line and exit code 1 on every error."""
        # Parsed records are many and hold no cycles; looking for them costs a quarter of the run.
        gc.set_threshold(*_GC_THRESHOLDS)
        try:
            super().invoke(about=about, about_format=about_format, config=config, file_input=file_input)
        except ConfigValidationError as error:
            cls._end(f"Settings: {'; '.join(error.errors)}. See {cls.name} --about.", error)
        except (LoadError, SingerSDKError, OSError) as error:
            cls._end(f"{one_line(error)}.", error)
        except MemoryError as error:
            cls._end("Out of memory. Set max_batch_bytes lower, and run again from the last state.", error)
        except RecursionError as error:
            cls._end("A message or a setting is nested too deeply. Check the tap.", error)
        except Exception as error:  # noqa: BLE001 - its text may quote a record, and its traceback is kept for DEBUG
            cls._end(
                f"Unexpected {type(error).__name__}. This is a fault of {cls.name}: with {cls._env_var_prefix}LOGLEVEL="
                "DEBUG it logs where.",
                error,
            )

    @classmethod
    def _end(cls, line: str, error: Exception) -> NoReturn:
        if cls._stop_code is not None:
            # DuckDB makes an error of its own of the exit which a signal asked for while it was at work.
            sys.exit(cls._stop_code)
        debugging = cls.logger.isEnabledFor(logging.DEBUG)
        cls.logger.error(" ".join(line.split()), exc_info=error if debugging else None)
        sys.exit(1)


def write_line(line: str) -> None:
    """Write a line to standard output, immediately.

    Raises:
        LoadError: Nobody reads it.
    """
    try:
        if sys.stdout is None:
            raise ValueError("closed")  # noqa: TRY301 - as Python itself raises for a closed file
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    except (BrokenPipeError, ValueError) as error:
        _leave_standard_output()
        raise LoadError(
            "Standard output is closed: the state cannot be written. The rows are loaded; run again from the last "
            "state that was written.",
        ) from error


def _leave_standard_output() -> None:
    """Keep Python from reporting, at its exit, that standard output cannot be flushed."""
    if sys.stdout is not None and not sys.stdout.closed:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
