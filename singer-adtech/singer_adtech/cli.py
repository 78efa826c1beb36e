"""The command line of a tap: whatever ends a run badly is said in one last line."""

from __future__ import annotations

import gc
import logging
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.plugin_base import SingerCommand
from typing_extensions import override

from singer_adtech.errors import TapError, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_WORDS: Mapping[type[Exception], str] = {
    MemoryError: "there is not enough memory: ask for less at once (lower `page_size` or the length of windows)",
    RecursionError: "a value is nested too deep to be read",
}

SIGNAL_BASE = 128
"""What shells add to the number of the signal that ended a program."""


class TapCommand(SingerCommand):
    """singer-sdk's command with one clear line and exit code 1 for whatever goes wrong.

    A traceback comes before it only if the log level is DEBUG.
    """

    @override
    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        # `--config`, `--discover` and `--test` do their work while arguments are read.
        with self._one_line():
            return super().make_context(*args, **kwargs)

    @override
    def invoke(self, ctx: click.Context) -> Any:
        logging.captureWarnings(capture=True)
        with self._one_line():
            # Past singer-sdk's own command: of bad settings it would say last that there are some, and not which.
            return super(SingerCommand, self).invoke(ctx)

    @contextmanager
    def _one_line(self) -> Iterator[None]:
        try:
            yield
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except SystemExit as stop:
            # Said here and not where the signal arrives, which may be in the middle of a line, and is not the end.
            if isinstance(stop.code, int) and stop.code > SIGNAL_BASE:
                number = stop.code - SIGNAL_BASE
                close_what_it_holds(stop)
                self.logger.critical(
                    "%s: stopped by signal %d: run it again to go on from the last STATE", self.name, number
                )
            raise
        except Exception as error:
            if self.logger.isEnabledFor(logging.DEBUG):
                self.logger.debug("Where it happened", exc_info=error)
            close_what_it_holds(error)
            self.logger.critical("%s: %s", self.name, line(error))
            raise click.exceptions.Exit(1) from None


def close_what_it_holds(error: BaseException) -> None:
    """End the generators that an error's frames hold; they log their metrics then, which must not come last."""
    link: BaseException | None = error
    while link is not None:
        traceback.clear_frames(link.__traceback__)
        link = link.__cause__ or link.__context__
    # A context manager on the way may have made a cycle of the error and its frames.
    gc.collect()


def line(error: Exception) -> str:
    """Say in one line what ended the run.

    Args:
        error: Any exception.

    Returns:
        The error's own words where it was made for the user, else its kind and words.
    """
    if isinstance(error, TapError):
        return str(error)
    if isinstance(error, ConfigValidationError):
        return "; ".join(str(one) for one in error.errors) or str(error)
    # simplejson, which singer-sdk reads files with, has an error of its own by the same name.
    if type(error).__name__ == "JSONDecodeError":
        return f"a file given on the command line is not JSON: {error}"
    if isinstance(error, FileNotFoundError):
        return f"no such file: {error.filename}" if error.filename else str(error)
    if isinstance(error, OSError):
        name = f" ({error.filename})" if error.filename else ""
        return f"{error.strerror or error}{name}"
    return (
        _WORDS.get(type(error))
        or f"unexpected {type(error).__name__}: {quoted(str(error))}: set the log level to debug to see where"
    )
