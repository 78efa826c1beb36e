"""Base class of taps."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import Tap
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities
from singer_sdk.plugin_base import JSONSchemaValidator
from singer_sdk.tap_base import CliTestOptionValue
from typing_extensions import override

from singer_adtech.connection import ConnectedTap
from singer_adtech.dates import check_dates
from singer_adtech.errors import SettingError
from singer_adtech.http.addresses import check_api_url
from singer_adtech.logs import hide_sdk_notes
from singer_adtech.metrics import hidden_points
from singer_adtech.records.writer import MessageWriter
from singer_adtech.redaction import REDACTOR
from singer_adtech.runs.command import CommandLineTap
from singer_adtech.runs.environment import read_file_texts, unknown_lines, variable_prefix
from singer_adtech.runs.inputs import unwrap_state
from singer_adtech.runs.resuming import check_resuming, check_selection
from singer_adtech.runs.streams_run import StreamsRun, selected_streams
from singer_adtech.settings import find_problems
from singer_adtech.start import SIGNAL_BASE
from singer_adtech.streams.base import AdTechStream

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    import click
    from singer_sdk.streams import Stream

    from singer_adtech.http.requester import Requester
    from singer_adtech.metrics import Status
    from singer_adtech.sdk.tap import RunKind


class AdTechTap(CommandLineTap, ConnectedTap):
    """A tap whose streams share a session, an authenticator and budgets.

    Subclasses declare settings in `config_jsonschema`, further checks in `check_settings`, request limits in
    `families`, retries in `retry_policy`, and credentials in `make_authenticator`.
    """

    message_writer_class = MessageWriter
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        # Without BATCH, because its files would bypass selection and stream maps (singer-sdk 0.54).
        capability
        for capability in Tap.capabilities
        if capability is not PluginCapabilities.BATCH
    ]

    connection_test: ClassVar[tuple[str, ...] | None] = None
    """Streams read by a connection test; None for the default."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        REDACTOR.install()
        self.logger.addFilter(hide_sdk_notes)
        self._closing = False
        self.streams_run: StreamsRun | None = None
        self._given_state: dict[str, Any] = {}
        self._warned_of_names = False
        try:
            super().__init__(*args, **kwargs)
        except BaseException:
            # Discovery may have sent requests already.
            with self.run_context("discovery"):
                raise

    def check_settings(self) -> None:
        """Check settings beyond JSON Schema.

        Raises:
            SettingError: A setting is invalid. The message names it, its value (never a secret) and allowed values.
        """

    def close(self) -> None:
        """End the session with the vendor, for example by logging out.

        Called once at the end of a run, test or discovery, even after an error or a signal. Running jobs are already
        cancelled. It may be called before the first request and must be quick. Its errors are ignored.
        """

    def reopen(self) -> None:
        """Prepare for another run with the same object. Called at the start of a run, test or discovery."""

    @override
    @contextlib.contextmanager
    def run_context(self, kind: RunKind) -> Iterator[None]:
        with contextlib.ExitStack() as around:
            if kind == "sync":
                around.enter_context(self.run_metrics.whole_run(self._statuses))
            elif kind == "test":
                around.enter_context(hidden_points())
            around.enter_context(self._opened())
            if kind == "sync":
                around.enter_context(self.progress.running())
            yield

    @contextlib.contextmanager
    def _opened(self) -> Iterator[None]:
        """Open the connection and always close it at the end."""
        self.reopen()
        self._end_log_of_requests(ended=False)
        try:
            yield
        finally:
            # Ctrl-C arrives twice, from the terminal and from Meltano; the second must not interrupt closing.
            self._closing = True
            try:
                self.close()
            except Exception as error:  # noqa: BLE001 - the user needs the error that ended the run
                self.logger.info("The connection could not be closed: %s", error)
            finally:
                self._closing = False
                self._end_log_of_requests(ended=True)

    def _end_log_of_requests(self, *, ended: bool) -> None:
        # Missing if the run ends before the first request.
        requester: Requester | None = self.__dict__.get("requester")
        if requester is not None:
            requester.end_log(ended=ended)

    @override
    def check_inputs(self) -> None:
        check_selection(self)
        check_resuming(self, self._given_state)

    @override
    def read_streams(self, streams: Sequence[Stream]) -> None:
        read = streams if self.testing else selected_streams(self)
        self.streams_run = StreamsRun(self, read, testing=self.testing)
        self.streams_run.read()

    def _statuses(self) -> Collection[Status]:
        return () if self.streams_run is None else self.streams_run.statuses.values()

    @override
    def tested_streams(self, streams: Sequence[Stream]) -> Sequence[Stream]:
        return streams if self.connection_test is None else [self.streams[name] for name in self.connection_test]

    @override
    def continues_without(self, stream: Stream, error: Exception) -> bool:
        run = self.streams_run
        return run is not None and isinstance(stream, AdTechStream) and run.goes_on(stream, error)

    @override
    def load_state(self, state: dict[str, Any]) -> None:
        self._given_state = unwrap_state(state)
        super().load_state(self._given_state)

    @override
    def settings_problems(self, settings: dict[str, Any]) -> list[str]:
        schema = self.config_jsonschema
        self.append_builtin_config(schema)
        properties = schema.get("properties", {})
        problems = read_file_texts(settings, schema)
        REDACTOR.add(*(_text(settings.get(name)) for name, declared in properties.items() if declared.get("secret")))
        prefix = variable_prefix(self.name)
        problems += find_problems(JSONSchemaValidator(schema), settings, properties, prefix)
        if not problems:
            try:
                check_api_url(settings)
                if "start_date" in settings:
                    check_dates(settings, self.day_zone, self.run_start, as_written=self.dates_as_written)
                self.check_settings()
                # Checked before the first request.
                _ = self.shared_folder
            except SettingError as error:
                problems.append(str(error))
        return problems

    @override
    def settings_checked(self) -> None:
        if not self._warned_of_names:
            self._warned_of_names = True
            for one in unknown_lines(self.config_jsonschema, variable_prefix(self.name), self.config, os.environ):
                self.logger.warning("%s", one)

    @override
    def stop(self, signum: int) -> None:
        """End the run with the signal's exit code.

        STATE is not written here, because it was written after each completely read window.
        """
        if self._closing:
            return
        code = SIGNAL_BASE + signum
        writer = self.message_writer
        if isinstance(writer, MessageWriter) and writer.writing and writer.stop_after_writing is None:
            writer.stop_after_writing = code
            return
        sys.exit(code)

    @override
    @classmethod
    def cb_test(cls, ctx: click.Context, param: click.Option, value: str) -> None:
        """Test the streams selected by default.

        singer-sdk would test all streams and fail for products missing from the account.
        """
        if value != CliTestOptionValue.All.value:
            super().cb_test(ctx, param, value)
            return
        config = ctx.params["config"]
        tap = cls(config=config.config, parse_env_config=config.parse_env, validate_config=True)
        tap.run_sync_dry_run(
            1, tap.tested_streams([stream for stream in tap.streams.values() if stream.selected_by_default])
        )
        ctx.exit()


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
