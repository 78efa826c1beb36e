"""The part of a tap shared by its streams: settings, clock, session, authenticator, budgets and metrics."""

from __future__ import annotations

import contextlib
import datetime as dt
from abc import abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, cast

from typing_extensions import override

from singer_adtech.clock import Clock
from singer_adtech.dates import date_range
from singer_adtech.http.allowed_requests import READ_ANYTHING
from singer_adtech.http.budgets import Budgets, Family
from singer_adtech.http.downloads import BodyLimits
from singer_adtech.http.requester import Requester
from singer_adtech.http.responses import check_json, check_status
from singer_adtech.http.retries import RetryPolicy
from singer_adtech.http.session import Session
from singer_adtech.metrics import RequestCounts, RunMetrics
from singer_adtech.records.writer import MessageWriter
from singer_adtech.sdk.tap import HookedTap
from singer_adtech.settings import zone
from singer_adtech.status_line import Progress

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from zoneinfo import ZoneInfo

    import requests
    from singer_sdk.streams import Stream

    from singer_adtech.http.allowed_requests import Rule
    from singer_adtech.http.auth import Authenticator
    from singer_adtech.http.shared_budgets import SharedFolder


class ConnectedTap(HookedTap):
    """A tap whose streams share a session, an authenticator and budgets."""

    families: ClassVar[tuple[Family, ...]] = ()
    """The vendor's request limits."""

    retry_policy: ClassVar[RetryPolicy] = RetryPolicy()
    """When requests are retried."""

    allowed_requests: ClassVar[tuple[Rule, ...]] = READ_ANYTHING
    """Methods and paths below `api_url` that the tap may request. Others are refused before they are sent."""

    unlimited_requests: ClassVar[tuple[str, ...]] = ()
    """Paths without a documented limit, with `*` as a wildcard. Every other path belongs to a family."""

    follow_redirects: ClassVar[bool] = True
    """Whether redirects within the vendor's host are followed."""

    clock: ClassVar[Clock] = Clock()
    """The clock of the run."""

    session_class: ClassVar[type[Session]] = Session
    """The class of the connections."""

    dates_as_written: ClassVar[bool] = False
    """Whether an instant in `start_date` or `end_date` means its date as written, regardless of its offset."""

    account: str | None = None
    """Id or hash of the account, set by streams or the login. See `progress.signatures`."""

    @abstractmethod
    def make_authenticator(self) -> Authenticator:
        """Create the authenticator of the run."""

    @property
    def api_url(self) -> str:
        """The vendor's base address, without a trailing slash."""
        url: str = self.config["api_url"]
        return url.rstrip("/")

    @cached_property
    def run_start(self) -> dt.datetime:
        """The start of the run in UTC, used as "now" by all streams."""
        return self.clock.now()

    @property
    def day_zone(self) -> ZoneInfo | dt.timezone:
        """The time zone of the requested days: the setting `time_zone`, or UTC.

        Raises:
            SettingError: The time zone does not exist.
        """
        name: str | None = self.config.get("time_zone")
        return zone(name) if name else dt.timezone.utc

    def day_range(self, day_zone: ZoneInfo | dt.timezone | None = None) -> tuple[dt.date, dt.date]:
        """Return the first and last day to read, according to the settings.

        Args:
            day_zone: Their time zone; `self.day_zone` by default.
        """
        return date_range(self.config, day_zone or self.day_zone, self.run_start, as_written=self.dates_as_written)

    @cached_property
    def authenticator(self) -> Authenticator:
        """The authenticator of this run."""
        return self.make_authenticator()

    @cached_property
    def session(self) -> Session:
        """The connections of this run."""
        return self.session_class(
            self.api_url,
            connections=self.config.get("parallel_requests", 1) + 1,
            timeout=self.config["request_timeout"],
            follow_redirects=self.follow_redirects,
            allowed=self.request_rules(),
            limits=BodyLimits.of(self.config, self.config_jsonschema["properties"]),
        )

    def request_rules(self) -> tuple[Rule, ...]:
        """Return the allowed methods and paths, `allowed_requests` by default."""
        return self.allowed_requests

    def request_limits(self) -> tuple[Family, ...]:
        """Return the request limits, `families` by default."""
        return self.families

    @cached_property
    def shared_folder(self) -> SharedFolder | None:
        """The folder through which runs share the vendor's limits, if any.

        Raises:
            SettingError: The folder in `budget_folder` is not usable.
        """
        folder: str | None = self.config.get("budget_folder")
        if folder is None:
            return None
        # Imported only if needed, because it imports a file-locking library.
        from singer_adtech.http.shared_budgets import SharedFolder  # noqa: PLC0415 - see above

        return SharedFolder(folder, tap=self.name, api_url=self.api_url)

    @cached_property
    def budgets(self) -> Budgets:
        """The request budgets of this run."""
        if self.shared_folder is None:
            return Budgets(self.request_limits(), self.clock, self.logger)
        from singer_adtech.http.shared_budgets import SharedBudgets  # noqa: PLC0415 - see `shared_folder`

        return SharedBudgets(
            self.request_limits(),
            self.clock,
            folder=self.shared_folder,
            in_flight=self.config.get("parallel_requests", 1),
            logger=self.logger,
        )

    def exclusive(
        self, what: str, logger: logging.Logger | logging.LoggerAdapter[logging.Logger]
    ) -> AbstractContextManager[None]:
        """Hold a resource that the vendor allows to only one run at a time.

        Args:
            what: One lower-case word for the resource, such as `report`.
            logger: Logs one line if another run is using it.

        Returns:
            A context manager that waits for other runs, or does nothing if runs do not share a folder.
        """
        return contextlib.nullcontext() if self.shared_folder is None else self.shared_folder.alone(what, logger)

    @cached_property
    def progress(self) -> Progress:
        """The progress display of this run."""
        return Progress(self.name, self.clock, self.logger)

    @cached_property
    def run_metrics(self) -> RunMetrics:
        """The metrics of this run."""
        return RunMetrics(self.clock, self.progress.update)

    @cached_property
    def requester(self) -> Requester:
        """The requester of this run."""
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
            request: The request without credentials.
            label: Name of the request in log lines and errors.
            check_status: Raises unless the response is a success.
            check_body: Raises if the response body is incomplete; None for responses without a body.
            counts: Counts of the requesting stream; the tap's own by default.

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
    @override
    def states_written(self) -> int:
        return getattr(self.message_writer, "states_written", 0)

    @override
    def compiled_writer(self, stream: str, version: int | None) -> Callable[[Any], None]:
        return cast("MessageWriter", self.message_writer).compiled_writer(stream, version)

    @override
    def flush(self) -> None:
        if isinstance(self.message_writer, MessageWriter):
            self.message_writer.flush()

    def continues_without(self, stream: Stream, error: Exception) -> bool:  # noqa: ARG002 - used by overrides
        """Record the failure of a derived stream and return whether to keep reading its parent."""
        return False
