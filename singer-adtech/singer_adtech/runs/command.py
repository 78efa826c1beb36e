"""The command line of a tap. An error of a run is reported in one final line."""

from __future__ import annotations

import gc
import logging
import os
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click
from singer_sdk import Tap
from singer_sdk.exceptions import ConfigValidationError, MapExpressionError, StreamMapConfigError
from singer_sdk.plugin_base import SingerCommand
from typing_extensions import override

from singer_adtech.errors import TapError, shorten
from singer_adtech.runs.environment import read_environment, variable_prefix
from singer_adtech.runs.inputs import check_catalog, parse_option, read_settings, unwrap_state
from singer_adtech.sdk.tap import ConfigInput, HookedTap
from singer_adtech.start import SIGNAL_BASE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from singer_adtech.runs.inputs import Parsed

_WORDS: Mapping[type[Exception], str] = {
    MemoryError: "not enough memory: request less at a time (lower `page_size` or the length of windows)",
    RecursionError: "a value is nested too deep to be read",
}


class TapCommand(SingerCommand):
    """singer-sdk's command with one line and exit code 1 for any error.

    At level DEBUG, a traceback is logged first.
    """

    @override
    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        # `--config`, `--discover` and `--test` run while arguments are parsed.
        with self._one_line():
            return super().make_context(*args, **kwargs)

    @override
    def invoke(self, ctx: click.Context) -> Any:
        logging.captureWarnings(capture=True)
        with self._one_line():
            # Skips singer-sdk's own command, whose last line on invalid settings does not name them.
            return super(SingerCommand, self).invoke(ctx)

    @contextmanager
    def _one_line(self) -> Iterator[None]:
        try:
            yield
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except SystemExit as stop:
            # Logged here, because the signal may arrive in the middle of a line.
            if isinstance(stop.code, int) and stop.code > SIGNAL_BASE:
                number = stop.code - SIGNAL_BASE
                close_what_it_holds(stop)
                self.logger.critical(
                    "%s: stopped by signal %d: run it again to continue from the last STATE", self.name, number
                )
            raise
        except Exception as error:
            if self.logger.isEnabledFor(logging.DEBUG):
                self.logger.debug("Where it happened", exc_info=error)
            close_what_it_holds(error)
            self.logger.critical("%s: %s", self.name, line(error))
            raise click.exceptions.Exit(1) from None


def close_what_it_holds(error: BaseException) -> None:
    """Close the generators in an error's frames now: they log metrics, which must not be the last line."""
    link: BaseException | None = error
    while link is not None:
        traceback.clear_frames(link.__traceback__)
        link = link.__cause__ or link.__context__
    # A context manager may have created a cycle of the error and its frames.
    gc.collect()


def line(error: Exception) -> str:
    """Return the line for the error that ended a run.

    Args:
        error: Any exception.

    Returns:
        The message of errors written for the user; the type and message of others.
    """
    if isinstance(error, TapError):
        return str(error)
    if isinstance(error, ConfigValidationError):
        return "; ".join(str(one) for one in error.errors) or str(error)
    if isinstance(error, (MapExpressionError, StreamMapConfigError)):
        return f"setting `stream_maps`: {shorten(str(error))}: correct it"
    if isinstance(error, FileNotFoundError):
        return f"no such file: {error.filename}" if error.filename else str(error)
    if isinstance(error, OSError):
        name = f" ({error.filename})" if error.filename else ""
        return f"{error.strerror or error}{name}"
    return (
        _WORDS.get(type(error))
        or f"unexpected {type(error).__name__}: {shorten(str(error))}: set the log level to debug to see where"
    )


class CommandLineTap(HookedTap):
    """A tap that checks its options on reading and reports any error in one line."""

    @override
    def environment_settings(self) -> dict[str, Any]:
        schema = self.config_jsonschema
        self.append_builtin_config(schema)
        return read_environment(schema, variable_prefix(self.name), os.environ)

    @override
    @classmethod
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> ConfigInput:
        files = [path for path in value if path != "ENV"]
        merged = {name: setting for path in files for name, setting in read_settings(path).items()}
        return ConfigInput(config=merged, parse_env=len(files) < len(value))

    @override
    @classmethod
    def invoke(  # type: ignore[override]
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: ConfigInput | None = None,
        state: Parsed | None = None,
        catalog: Parsed | None = None,
    ) -> None:
        """Run the tap.

        Args:
            about: Whether to print only the tap's description.
            about_format: Its format.
            config: Settings from files or the environment.
            state: The file passed as `--state`.
            catalog: The file passed as `--catalog`.
        """
        super(Tap, cls).invoke(about=about, about_format=about_format)
        cls.print_version(print_fn=cls.logger.info)
        config = config or ConfigInput()
        tap = cls(
            config=config.config,
            state=None if state is None else unwrap_state(state.value),
            catalog=None if catalog is None else check_catalog(catalog.value),
            parse_env_config=config.parse_env,
            validate_config=True,
        )
        tap.sync_all()

    @override
    @classmethod
    def get_singer_command(cls) -> click.Command:
        command = super().get_singer_command()
        for param in command.params:
            if param.name in {"state", "catalog"}:
                param.type = click.STRING
                param.callback = parse_option
        return TapCommand(
            name=command.name,
            callback=command.callback,
            context_settings=command.context_settings,
            params=command.params,
            help=command.help,
            logger=cls.logger,
        )
