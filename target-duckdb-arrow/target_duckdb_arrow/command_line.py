"""The command line: settings, signals, and a one-line message with a non-zero exit code for every error."""

from __future__ import annotations

import gc
import logging
import os
import sys
from typing import IO, TYPE_CHECKING, ClassVar, NoReturn

from singer_sdk.exceptions import ConfigValidationError, SingerSDKError
from singer_sdk.logging import StructuredFormatter
from singer_sdk.metrics import get_metrics_logger
from typing_extensions import override

from target_duckdb_arrow.errors import LoadError, SettingError, one_line
from target_duckdb_arrow.sdk import ConfigInput, SDKTarget
from target_duckdb_arrow.settings import ENVIRONMENT, VARIABLE_PREFIX, read_files, unknown_settings

if TYPE_CHECKING:
    import click

_GC_THRESHOLDS = (100_000, 50, 100)
_SIGNAL_EXIT = 128  # shells add it to the number of the signal that ended a program


class CommandLineTarget(SDKTarget):
    """A target that reports every error in one line."""

    _stop_code: ClassVar[int | None] = None

    @override
    def stop(self, number: int) -> NoReturn:
        # The STATE of committed rows has been printed. The others are sent again by the next run.
        self.logger.error("Stopped by signal %d: run again from the last state", number)
        code = _SIGNAL_EXIT + number
        type(self)._stop_code = code  # noqa: SLF001 - its own class: `invoke` has no instance
        sys.exit(code)

    def exit_if_stopped(self) -> None:
        """Exit if a stop signal was received. Called before every commit and every STATE.

        Python drops the exception of a signal handler that runs inside a destructor or a callback of a weak reference
        (importlib uses these), and C extensions may drop it during a lazy import.
        """
        if self._stop_code is not None:
            sys.exit(self._stop_code)

    @classmethod
    @override
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> ConfigInput:
        """Read the files of settings. Exit with a one-line message if one cannot be read."""
        try:
            settings = read_files(path for path in value if path != ENVIRONMENT)
        except SettingError as error:
            cls._end(str(error), error)
        return ConfigInput(config=settings, parse_env=ENVIRONMENT in value)

    @classmethod
    @override
    def invoke(  # type: ignore[override]  # like the SDK's own Target
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: ConfigInput | None = None,
        file_input: IO[str] | None = None,
    ) -> None:
        """Run. Exit with a one-line message and code 1 on every error."""
        # There are many parsed records, without cycles. Looking for cycles takes a quarter of the run time.
        gc.set_threshold(*_GC_THRESHOLDS)
        for logger in (cls.logger, get_metrics_logger()):
            logger.addFilter(_is_for_the_user)
        try:
            super().invoke(about=about, about_format=about_format, config=config, file_input=file_input)
        except ConfigValidationError as error:
            if config:
                # A misspelt required setting is missing.
                prefix = VARIABLE_PREFIX if config.parse_env else None
                for warning in unknown_settings(config.config or {}, cls.config_jsonschema["properties"], prefix):
                    cls.logger.warning("%s", warning)
            cls._end(f"Settings: {'; '.join(error.errors)}. See {cls.name} --about.", error)
        except (LoadError, SingerSDKError, OSError) as error:
            cls._end(f"{one_line(error)}.", error)
        except MemoryError as error:
            cls._end("Out of memory. Lower max_batch_bytes and run again from the last state.", error)
        except RecursionError as error:
            cls._end("A message or a setting is nested too deeply. Check the tap.", error)
        except Exception as error:  # noqa: BLE001 - its text may quote a record, and DEBUG logs it
            cls._end(
                f"Unexpected {type(error).__name__}, a bug in {cls.name}. Set {VARIABLE_PREFIX}LOGLEVEL=DEBUG to log "
                "the traceback.",
                error,
            )

    @classmethod
    def _end(cls, line: str, error: Exception) -> NoReturn:
        if cls._stop_code is not None:
            # DuckDB replaces the exit of a signal handler with another error.
            sys.exit(cls._stop_code)
        debugging = cls.logger.isEnabledFor(logging.DEBUG)
        cls.logger.error(" ".join(line.split()), exc_info=error if debugging else None)
        sys.exit(1)


def _is_for_the_user(record: logging.LogRecord) -> bool:
    """Hide the SDK's lines about environment variables, and its metrics from Meltano, which omits their streams."""
    if record.levelno > logging.INFO:
        return True
    if "env var" in str(record.msg):
        return False
    structured = any(isinstance(handler.formatter, StructuredFormatter) for handler in logging.getLogger().handlers)
    return not (structured and str(record.msg).startswith("METRIC"))


def write_line(line: str) -> None:
    """Write a line to standard output and flush it.

    Raises:
        LoadError: Standard output is closed.
    """
    try:
        if sys.stdout is None:
            raise ValueError("closed")  # noqa: TRY301 - the error of a closed file
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    except (BrokenPipeError, ValueError) as error:
        _leave_standard_output()
        raise LoadError(
            "Standard output is closed, so the state cannot be written. The rows are loaded. Run again from the last "
            "written state.",
        ) from error


def _leave_standard_output() -> None:
    """Keep Python from reporting at exit that standard output cannot be flushed."""
    if sys.stdout is not None and not sys.stdout.closed:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
