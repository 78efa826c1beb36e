"""The command line of a tap: whatever ends a run badly is said in one last line."""

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
from singer_sdk.helpers._classproperty import classproperty
from singer_sdk.plugin_base import SingerCommand, _ConfigInput
from typing_extensions import override

from singer_adtech.errors import TapError, shorten
from singer_adtech.runs.environment import read_environment
from singer_adtech.runs.inputs import check_catalog, parse_option, read_settings, unwrap_state
from singer_adtech.start import SIGNAL_BASE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from singer_adtech.runs.inputs import Parsed

_WORDS: Mapping[type[Exception], str] = {
    MemoryError: "not enough memory: request less at a time (lower `page_size` or the length of windows)",
    RecursionError: "a value is nested too deep to be read",
}


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


class CommandLineTap(Tap):
    """singer-sdk's tap with files that are judged when they are read, and one line for whatever goes wrong."""

    @override
    @classproperty
    def _env_var_config(cls) -> dict[str, Any]:  # noqa: N805
        # singer-sdk's reader lets a `.env` that lies above its own folder win over exported variables.
        cls.append_builtin_config(cls.config_jsonschema)
        return read_environment(cls.config_jsonschema, cls._env_var_prefix, os.environ)

    @override
    @classmethod
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> _ConfigInput:
        files = [path for path in value if path != "ENV"]
        merged = {name: setting for path in files for name, setting in read_settings(path).items()}
        return _ConfigInput(config=merged, parse_env=len(files) < len(value))

    @override
    @classmethod
    def invoke(  # type: ignore[override]
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: _ConfigInput | None = None,
        state: Parsed | None = None,
        catalog: Parsed | None = None,
    ) -> None:
        """Run the tap as its command line says.

        Args:
            about: Whether to print what the tap is, and nothing else.
            about_format: In which form.
            config: Settings, from files or the environment.
            state: The file of the option `--state`.
            catalog: The file of the option `--catalog`.
        """
        super(Tap, cls).invoke(about=about, about_format=about_format)
        cls.print_version(print_fn=cls.logger.info)
        config = config or _ConfigInput()
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
