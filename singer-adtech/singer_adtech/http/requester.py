"""The requests of a run: within the budget, authenticated, retried, and with a complete response."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import requests

from singer_adtech.errors import NoConnectionError, VendorError, shorten
from singer_adtech.http.bodies import InvalidBodyError, repair
from singer_adtech.http.connections import ProxyRefusedError, UnknownNameError
from singer_adtech.http.responses import check_status
from singer_adtech.http.retries import (
    RateLimitedError,
    RetryPolicy,
    TransientError,
    asked_wait,
    nothing_left,
    reset_wait,
    retry_after,
)
from singer_adtech.metrics import RequestCounts
from singer_adtech.redaction import REDACTOR

if TYPE_CHECKING:
    from collections.abc import Callable

    from singer_adtech.clock import Clock
    from singer_adtech.http.auth import Authenticator
    from singer_adtech.http.budgets import Budgets
    from singer_adtech.http.session import Session


UNREACHED_TRIES = 3
"""Tries for a host or proxy before the run has reached any: usually a typo. The waits (1 s and 2 s) allow for
a starting network."""

MOST_REPAIRS_NAMED = 20
"""Columns per response named in warnings about repaired characters."""


class Requester:
    """Sends requests for all streams of a run. Its methods may be called from several threads.

    Args:
        api_url: The base address. Budgets count the path below it.
        session: Connections.
        budgets: The vendor's request limits.
        policy: The retry policy.
        clock: The time source.
        user_agent: Sent with each request.
        logger: Logs waits.
        own: Counts of requests without a stream, such as logins.
    """

    def __init__(  # noqa: PLR0913 - the parts of a requester
        self,
        api_url: str,
        *,
        session: Session,
        budgets: Budgets,
        policy: RetryPolicy,
        clock: Clock,
        user_agent: str,
        logger: logging.Logger,
        own: RequestCounts | None = None,
    ) -> None:
        self._base_path = urlsplit(api_url).path.rstrip("/")
        self._session = session
        self._budgets = budgets
        self._policy = policy
        self._clock = clock
        self._user_agent = user_agent
        self._logger = logger
        self.own = own or RequestCounts()
        self.answered = False
        """Whether the vendor has accepted a request of this run."""
        self._reached = False
        self._warned: set[tuple[str, str, str]] = set()
        self._ended = False
        self._logging = threading.Lock()

    def end_log(self, *, ended: bool) -> None:
        """Stop logging at the end of a run, so its error stays the last line, or restart it for the next run.

        Threads that prefetch may still be waiting for the vendor.
        """
        with self._logging:
            self._ended = ended

    def _log(self, level: int, message: str, *args: object) -> None:
        with self._logging:
            if not self._ended:
                self._logger.log(level, message, *args)

    def send(  # noqa: PLR0913 - a request, its checks and its counts
        self,
        request: requests.Request,
        *,
        auth: Authenticator | None,
        check_status: Callable[[requests.Response], None] = check_status,
        check_body: Callable[[requests.Response], None] | None = None,
        label: str,
        counted_as: str | None = None,
        counts: RequestCounts | None = None,
    ) -> requests.Response:
        """Send a request, with retries, until the response is complete.

        Args:
            request: The request, not yet authenticated.
            auth: The authenticator, or None for a login.
            check_status: Raises for a response that is not a success.
            check_body: Raises `TransientError` for an invalid body, so it is requested again, or `InvalidBodyError` if
                its characters may be repaired (see `bodies`).
            label: Name of the request in messages, without secrets.
            counted_as: The path under which budgets count it, if the vendor counts requests of one path separately.
            counts: Counts of the stream. By default, those of the tap.

        Returns:
            A successful response with its body read, decompressed and checked.

        Raises:
            VendorError: The vendor refused, or all retries failed.
        """
        path = counted_as or self._path(request.url)
        spans = [family.longest_span for family in self._budgets.families(path)]
        counts = counts or self.own
        failed_at: float | None = None

        failures = _Failures()

        def attempt() -> requests.Response:
            nonlocal failed_at
            if failed_at is not None:
                counts.retried(self._clock.monotonic() - failed_at)
            try:
                return once()
            finally:
                failed_at = self._clock.monotonic()

        def once() -> requests.Response:
            try:
                response = self._exchange(request, auth, path, label, counts)
            except (UnknownNameError, ProxyRefusedError) as error:
                failures.unreached(error, self._reached)
                raise
            try:
                check_status(response)
                if check_body is not None:
                    self._check_body(response, check_body, label, failures)
            except TransientError as error:
                self._take_advice(error, response, path)
                raise
            self.answered = True
            counts.accept()
            return response

        try:
            return self._policy.run(
                attempt,
                longest_unasked_wait=max(spans) if spans else None,
                announce=lambda what: self._log(logging.WARNING, "%s: %s", label, REDACTOR.scrub(what)),
            )
        except RateLimitedError as error:
            raise self._limited(error, path) from error
        except TransientError as error:
            lost = isinstance(error.__cause__, requests.exceptions.ConnectionError)
            kind = NoConnectionError if lost else VendorError
            raise kind(f"{error} (tried {self._policy.tries} times)", error.remedy) from error
        except MemoryError:
            raise VendorError("not enough memory for the response", self._session.limits.smaller) from None

    def _take_advice(self, error: TransientError, response: requests.Response, path: str) -> None:
        """Record the wait requested by the vendor, and pause the families of a rate-limited request."""
        limited = isinstance(error, RateLimitedError)
        if error.asked_wait is None:
            # Many vendors report the reset in every response, but it only matters for rate limits.
            advice = asked_wait if limited else retry_after
            error.asked_wait = advice(response.headers, self._clock.now())
        if limited and error.asked_wait is not None:
            self._hold(path, error.asked_wait)

    def _limited(self, error: RateLimitedError, path: str) -> VendorError:
        """Return the error for a persistent rate limit."""
        families = self._budgets.families(path)
        names = ", ".join(family.name for family in families) or REDACTOR.scrub(path)
        settings = " or ".join(f"`{family.setting}`" for family in reversed(families) if family.setting)
        lower = f"lower {settings}, or " if settings else ""
        return VendorError(
            f"rate limit of {names}: {error} (tried {self._policy.rate_limit_tries} times)",
            f"{lower}run fewer syncs in parallel, or run later",
        )

    def _check_body(
        self,
        response: requests.Response,
        check_body: Callable[[requests.Response], None],
        label: str,
        failures: _Failures,
    ) -> None:
        """Check a body. If it is invalid, repair characters that JSON does not allow and check it again."""
        try:
            check_body(response)
        except InvalidBodyError as invalid:
            received = response.content
            repaired = repair(received, invalid.columns)
            try:
                if repaired.body is received:
                    raise
                response._content = repaired.body  # noqa: SLF001 - all readers must see the repaired body
                check_body(response)
            except InvalidBodyError as error:
                failures.invalid(error, received)
                raise
            self._warn_of_repairs(repaired.found, label)

    def _warn_of_repairs(self, found: frozenset[tuple[str, str]], label: str) -> None:
        """Warn of repairs, once per stream and column."""
        stream = label.partition(",")[0]
        unknown = sorted((stream, column, kind) for kind, column in found if (stream, column, kind) not in self._warned)
        self._warned.update(unknown)
        for _, column, kind in unknown[:MOST_REPAIRS_NAMED]:
            self._log(logging.WARNING, "%s: the column `%s` has %s", stream, REDACTOR.scrub(shorten(column, 80)), kind)
        if len(unknown) > MOST_REPAIRS_NAMED:
            self._log(logging.WARNING, "%s: and %d other columns", stream, len(unknown) - MOST_REPAIRS_NAMED)

    def _hold(self, path: str, asked: float) -> None:
        """Pause the families of a path for at least the first wait of `RetryPolicy`."""
        at_least = self._policy.rate_limit_waits[0]
        self._budgets.hold(path, min(max(asked, at_least), self._policy.longest_wait))

    def _exchange(
        self, request: requests.Request, auth: Authenticator | None, path: str, label: str, counts: RequestCounts
    ) -> requests.Response:
        """Send a request, and repeat it once with a new credential if the old one has expired."""
        prepared, response = self._send_once(request, auth, path, label, counts)
        if auth is not None and auth.refused(response) and auth.renew(prepared):
            self._log(
                logging.INFO,
                "%s: the credential has expired (HTTP %d): requested again with a new one",
                label,
                response.status_code,
            )
            _, response = self._send_once(request, auth, path, label, counts)
        return response

    def _send_once(
        self, request: requests.Request, auth: Authenticator | None, path: str, label: str, counts: RequestCounts
    ) -> tuple[requests.PreparedRequest, requests.Response]:
        asked = self._clock.monotonic()
        preparing = 0.0

        def prepare() -> requests.PreparedRequest:
            # May include a login, which is counted separately.
            nonlocal preparing
            began = self._clock.monotonic()
            prepared = self._prepare(request, auth)
            preparing += self._clock.monotonic() - began
            return prepared

        with self._budgets.slot(path, prepare, label) as prepared:
            started = self._clock.monotonic()
            counts.sent(budget_wait=started - asked - preparing)
            size = 0
            try:
                response = self._session.send(prepared)
                size = len(response.content)
            except (OSError, ValueError) as error:  # requests' own errors are among them
                raise self._session.explain(error, prepared.url or "") from error
            finally:
                counts.answered(self._clock.monotonic() - started, size)
            self._reached = True
            if nothing_left(response.headers):
                wait = reset_wait(response.headers, self._clock.now())
                if wait is not None:
                    self._hold(path, wait)
        return prepared, response

    def _prepare(self, request: requests.Request, auth: Authenticator | None) -> requests.PreparedRequest:
        prepared = request.prepare()
        prepared.headers.setdefault("User-Agent", self._user_agent)
        prepared.headers.setdefault("Accept-Encoding", "gzip")
        prepared.headers.setdefault("Accept", "application/json")
        return prepared if auth is None else auth(prepared)

    def _path(self, url: str) -> str:
        path = urlsplit(url).path
        return path.removeprefix(self._base_path)


class _Failures:
    """Failures of one request that further tries cannot cure."""

    def __init__(self) -> None:
        self._unreached = 0
        self._invalid: tuple[int, int] | None = None

    def unreached(self, error: TransientError, reached: bool) -> None:  # noqa: FBT001 - the second of two arguments
        """End the tries for an unreachable host.

        Raises:
            NoConnectionError: The run has reached no host, and this was the last try.
        """
        self._unreached += 1
        if not reached and self._unreached >= UNREACHED_TRIES:
            raise NoConnectionError(f"{error} (tried {UNREACHED_TRIES} times)", error.remedy) from error

    def invalid(self, error: InvalidBodyError, body: bytes) -> None:
        """End the tries for an unchanged invalid body.

        Raises:
            VendorError: The body is the same as in the previous try.
        """
        print_of_body = len(body), hash(body)
        if error.made_so and print_of_body == self._invalid:
            raise VendorError(
                f"{error} (requested twice, the same body)", "report this to the vendor, with the request's time"
            ) from error
        self._invalid = print_of_body
