"""The base class of a tap: settings checked before the first request, one requester for the whole run."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import sys
from abc import abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import Tap
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities
from singer_sdk.plugin_base import JSONSchemaValidator
from singer_sdk.tap_base import CliTestOptionValue
from typing_extensions import override

from singer_adtech.clock import Clock
from singer_adtech.dates import check_dates, date_range
from singer_adtech.errors import SettingError
from singer_adtech.http.addresses import check_api_url
from singer_adtech.http.allowed_requests import READ_ANYTHING
from singer_adtech.http.budgets import Budgets, Family
from singer_adtech.http.downloads import BodyLimits
from singer_adtech.http.requester import Requester
from singer_adtech.http.responses import check_json, check_status
from singer_adtech.http.retries import RetryPolicy
from singer_adtech.http.session import Session
from singer_adtech.records.writer import MessageWriter
from singer_adtech.redaction import REDACTOR
from singer_adtech.runs.command import CommandLineTap
from singer_adtech.runs.environment import read_file_texts, unknown_lines
from singer_adtech.runs.inputs import unwrap_state
from singer_adtech.runs.metrics import RunMetrics
from singer_adtech.runs.resuming import check_resuming, check_selection
from singer_adtech.runs.status_line import Progress
from singer_adtech.runs.streams_run import StreamsRun, selected_streams
from singer_adtech.sdk.mapping import MappedTap
from singer_adtech.settings import find_problems, zone
from singer_adtech.start import SIGNAL_BASE

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Collection, Iterable, Iterator
    from contextlib import AbstractContextManager
    from types import FrameType
    from zoneinfo import ZoneInfo

    import click
    import requests
    from singer_sdk.streams import Stream

    from singer_adtech.http.allowed_requests import Rule
    from singer_adtech.http.auth import Authenticator
    from singer_adtech.http.shared_budgets import SharedFolder
    from singer_adtech.runs.metrics import RequestCounts, Status


class AdTechTap(CommandLineTap, MappedTap):
    """A tap whose streams share a session, an authenticator and budgets.

    A tap gives its settings in `config_jsonschema`, what JSON Schema cannot say of them in `check_settings`, its
    request limits in `families`, its patience in `retry_policy`, and its credentials in `make_authenticator`.
    """

    message_writer_class = MessageWriter
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        # BATCH files would bypass selection and stream maps (singer-sdk 0.54), so the capability is not offered.
        capability
        for capability in Tap.capabilities
        if capability is not PluginCapabilities.BATCH
    ]

    families: ClassVar[tuple[Family, ...]] = ()
    """The vendor's request limits."""

    retry_policy: ClassVar[RetryPolicy] = RetryPolicy()
    """When requests are repeated."""

    allowed_requests: ClassVar[tuple[Rule, ...]] = READ_ANYTHING
    """The methods and paths below `api_url` that the tap may send; whatever else is asked for is refused unsent."""

    unlimited_requests: ClassVar[tuple[str, ...]] = ()
    """Paths, with `*` for anything, for which the vendor documents no limit; every other one is in a family."""

    follow_redirects: ClassVar[bool] = True
    """Whether a redirect within the vendor's host is followed."""

    clock: ClassVar[Clock] = Clock()
    """Where time comes from."""

    connection_test: ClassVar[tuple[str, ...] | None] = None
    """Names of the streams that a connection test reads; None for those that it would read anyway."""

    dates_as_written: ClassVar[bool] = False
    """Whether an instant in `start_date` or `end_date` means the day that is written, whatever its offset."""

    account: str | None = None
    """Which account the vendor's answers are of, an id or a hash; set by streams or the login. See `signatures`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        REDACTOR.install()
        self._closing = False
        self.streams_run: StreamsRun | None = None
        self._given_state: dict[str, Any] = {}
        self._warned_of_names = False
        try:
            super().__init__(*args, **kwargs)
        except BaseException:
            # Discovery, which a run begins with, may have asked the vendor something.
            with self._run():
                raise

    @abstractmethod
    def make_authenticator(self) -> Authenticator:
        """Make the authenticator that all streams of the run share."""

    def check_settings(self) -> None:
        """Refuse settings that JSON Schema cannot judge.

        Raises:
            SettingError: With one line that names the setting, the value (never a secret) and what is allowed.
        """

    def close(self) -> None:
        """Take leave of the vendor, such as by logging out: called once when a run, a test or a discovery ends.

        It is called however that ends (an error and a signal too), after running jobs were cancelled, and may be called
        before anything was asked for. It must be quick; its errors are ignored.
        """

    def reopen(self) -> None:
        """Make ready for another run of the same object: called when a run, a test or a discovery begins."""

    @contextlib.contextmanager
    def _run(self) -> Iterator[None]:
        """Close at the end, whatever the end is."""
        self.reopen()
        self._end_log_of_requests(ended=False)
        try:
            yield
        finally:
            # Ctrl-C reaches a tap twice, from the terminal and from Meltano: the second must not cut this short.
            self._closing = True
            try:
                self.close()
            except Exception as error:  # noqa: BLE001 - what ended the run is what the user shall read
                self.logger.info("The connection could not be closed: %s", error)
            finally:
                self._closing = False
                self._end_log_of_requests(ended=True)

    def _end_log_of_requests(self, *, ended: bool) -> None:
        # Not made for this: a run may end before anything is requested.
        requester: Requester | None = self.__dict__.get("requester")
        if requester is not None:
            requester.end_log(ended=ended)

    @override  # type: ignore[misc]  # final in singer-sdk, where the first stream that fails ends the run
    def sync_all(self) -> None:
        with self.run_metrics.whole_run(self._statuses), self._run(), self.progress.running():
            self._reset_state_progress_markers()
            self._set_compatible_replication_methods()
            if self.state:
                self.state_writer.write_state(self.state)
            self.streams_run = StreamsRun(self, selected_streams(self))
            self.streams_run.read()

    def _statuses(self) -> Collection[Status]:
        return () if self.streams_run is None else self.streams_run.statuses.values()

    @override  # type: ignore[misc]  # as above
    def run_sync_dry_run(self, dry_run_record_limit: int | None = 1, streams: Iterable[Stream] | None = None) -> bool:
        tested = list(self.streams.values() if streams is None else streams)
        for stream in tested:
            stream.ABORT_AT_RECORD_COUNT = dry_run_record_limit
            stream.selected = True
        with self._run():
            self.streams_run = StreamsRun(self, tested, testing=True)
            self.streams_run.read()
        return True

    @override  # type: ignore[misc]  # as above
    def run_connection_test(self) -> bool:
        return self.run_sync_dry_run(1, self._tested(list(self.streams.values())))

    def _tested(self, streams: list[Stream]) -> list[Stream]:
        """Return the streams that a connection test reads, of those that it would read anyway."""
        return streams if self.connection_test is None else [self.streams[name] for name in self.connection_test]

    @override  # type: ignore[misc]  # final in singer-sdk, which has no hook at the end of a run
    def write_schemas(self) -> None:
        with self._run():
            super().write_schemas()
            self.flush()

    @override
    def run_discovery(self) -> str:
        with self._run():
            return super().run_discovery()

    @property
    def api_url(self) -> str:
        """The vendor's base address, without a slash at its end."""
        url: str = self.config["api_url"]
        return url.rstrip("/")

    @cached_property
    def run_start(self) -> dt.datetime:
        """When the run began, in UTC; all streams of a run mean the same by "now"."""
        return self.clock.now()

    @property
    def day_zone(self) -> ZoneInfo | dt.timezone:
        """The zone whose days are read: that of the setting `time_zone`; UTC without one.

        Raises:
            SettingError: There is no such zone.
        """
        name: str | None = self.config.get("time_zone")
        return zone(name) if name else dt.timezone.utc

    def day_range(self, day_zone: ZoneInfo | dt.timezone | None = None) -> tuple[dt.date, dt.date]:
        """Return the first and the last day that the settings ask for.

        Args:
            day_zone: The zone whose days are meant, if it is not `day_zone`.
        """
        return date_range(self.config, day_zone or self.day_zone, self.run_start, as_written=self.dates_as_written)

    @cached_property
    def authenticator(self) -> Authenticator:
        """The authenticator of this run."""
        return self.make_authenticator()

    @cached_property
    def session(self) -> Session:
        """The connections of this run."""
        return Session(
            self.api_url,
            connections=self.config.get("parallel_requests", 1) + 1,
            timeout=self.config["request_timeout"],
            follow_redirects=self.follow_redirects,
            allowed=self.request_rules(),
            limits=BodyLimits.of(self.config, self.config_jsonschema["properties"]),
        )

    def request_rules(self) -> tuple[Rule, ...]:
        """Return the methods and paths of this run; `allowed_requests`, unless settings have a say."""
        return self.allowed_requests

    def request_limits(self) -> tuple[Family, ...]:
        """Return the request limits of this run; `families`, unless settings have a say."""
        return self.families

    @cached_property
    def shared_folder(self) -> SharedFolder | None:
        """Where runs of this tap meet that keep the vendor's limits together; None if each keeps them alone.

        Raises:
            SettingError: The setting `budget_folder` names a folder that cannot be used.
        """
        folder: str | None = self.config.get("budget_folder")
        if folder is None:
            return None
        # Not at the top: whoever does not set it shall not pay for the import of the library that locks files.
        from singer_adtech.http.shared_budgets import SharedFolder  # noqa: PLC0415 - as said above

        return SharedFolder(folder, tap=self.name, api_url=self.api_url)

    @cached_property
    def budgets(self) -> Budgets:
        """How many requests may start and be in flight."""
        if self.shared_folder is None:
            return Budgets(self.request_limits(), self.clock, self.logger)
        from singer_adtech.http.shared_budgets import SharedBudgets  # noqa: PLC0415 - as for the folder

        return SharedBudgets(
            self.request_limits(),
            self.clock,
            folder=self.shared_folder,
            in_flight=self.config.get("parallel_requests", 1),
            logger=self.logger,
        )

    def alone(
        self, what: str, logger: logging.Logger | logging.LoggerAdapter[logging.Logger]
    ) -> AbstractContextManager[None]:
        """Be the only run with something at work that the vendor does for one at a time.

        Args:
            what: One lower-case word for it, such as `report`.
            logger: Told once if another run is at it.

        Returns:
            A context that waits until it is this run's turn; one that does nothing where runs share no folder.
        """
        return contextlib.nullcontext() if self.shared_folder is None else self.shared_folder.alone(what, logger)

    @cached_property
    def progress(self) -> Progress:
        """What shows how far this run is."""
        return Progress(self.name, self.clock, self.logger)

    @cached_property
    def run_metrics(self) -> RunMetrics:
        """The numbers of this run."""
        return RunMetrics(self.clock, self.progress.update)

    @cached_property
    def requester(self) -> Requester:
        """What sends the requests of this run."""
        return Requester(
            self.api_url,
            session=self.session,
            budgets=self.budgets,
            policy=self.retry_policy,
            clock=self.clock,
            user_agent=self.config.get("user_agent") or f"{self.name}/{self.plugin_version}",
            logger=self.logger,
            own=self.run_metrics.own,
        )

    def send(
        self,
        request: requests.Request,
        *,
        label: str,
        check_status: Callable[[requests.Response], None] = check_status,
        check_body: Callable[[requests.Response], None] | None = check_json,
        counts: RequestCounts | None = None,
    ) -> requests.Response:
        """Send an authenticated request that is not a page of a stream, such as a job or metadata.

        Args:
            request: The request, without credentials.
            label: Name of the request in log lines and errors.
            check_status: Raises for a response that is not a success.
            check_body: Raises for a response whose body is not complete; None for a response without a body.
            counts: Counts of the stream that needs the response; by default those of the tap.

        Returns:
            A successful, complete response.

        Raises:
            VendorError: The vendor refused the request, or all retries failed.
        """
        return self.requester.send(
            request,
            auth=self.authenticator,
            check_status=check_status,
            check_body=check_body,
            label=label,
            counts=counts,
        )

    @property
    def states_written(self) -> int:
        """STATE messages written so far."""
        return getattr(self.message_writer, "states_written", 0)

    def flush(self) -> None:
        """Write the records that the message writer has gathered."""
        if isinstance(self.message_writer, MessageWriter):
            self.message_writer.flush()

    @override
    def load_state(self, state: dict[str, Any]) -> None:
        self._given_state = unwrap_state(state)
        super().load_state(self._given_state)

    @override
    def _reset_state_progress_markers(self) -> None:
        # singer-sdk's own preparation of the state, before anything is asked for or written.
        check_selection(self)
        check_resuming(self, self._given_state)
        super()._reset_state_progress_markers()

    @override
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Judge the settings; singer-sdk's own messages would quote secrets and take several lines."""
        schema = self.config_jsonschema
        self.append_builtin_config(schema)
        properties = schema.get("properties", {})
        problems = read_file_texts(self._config, schema)
        REDACTOR.add(
            *(_text(self._config.get(name)) for name, declared in properties.items() if declared.get("secret"))
        )
        problems += find_problems(JSONSchemaValidator(schema), self._config, properties)
        if not problems:
            try:
                check_api_url(self._config)
                if "start_date" in self._config:
                    check_dates(self._config, self.day_zone, self.run_start, as_written=self.dates_as_written)
                self.check_settings()
                # Made and tried before the first request.
                _ = self.shared_folder
            except SettingError as error:
                problems.append(str(error))
        if problems and raise_errors:
            raise ConfigValidationError("Config validation failed", errors=problems)
        if raise_errors and not self._warned_of_names:
            self._warned_of_names = True
            for one in unknown_lines(schema, self._env_var_prefix, self._config, os.environ):
                self.logger.warning("%s", one)
        return problems

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """Stop at a signal with its exit code; singer-sdk would exit with 0, as if all had been read.

        No STATE is written here: each window read whole has had its own.
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
        """Test what a user would read: the streams that are on by default.

        singer-sdk would test all, and so fail for every product that an account did not buy.
        """
        if value != CliTestOptionValue.All.value:
            super().cb_test(ctx, param, value)
            return
        config = ctx.params["config"]
        tap = cls(config=config.config, parse_env_config=config.parse_env, validate_config=True)
        tap.run_sync_dry_run(1, tap._tested([stream for stream in tap.streams.values() if stream.selected_by_default]))
        ctx.exit()


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
