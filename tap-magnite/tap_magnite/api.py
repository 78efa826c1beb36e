"""The API for streams, jobs and reports: requests with the run's session, and the lists of query fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import requests
from singer_adtech.http.session import Session

from tap_magnite.metadata import Metadata
from tap_magnite.responses import check_body, check_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from singer_adtech.metrics import RequestCounts
    from singer_adtech.tap import AdTechTap

    from tap_magnite.auth import SessionAuthenticator

_SHORT_TIMEOUT = 10.0
"""Seconds that a run waits for a response while it stops."""


class MagniteApi:
    """Authenticated requests of one run.

    Args:
        tap: Provides settings, requester and authenticator.
    """

    def __init__(self, tap: AdTechTap) -> None:
        self._tap = tap
        self.metadata = Metadata(self.send, tap.config.get("query_sources_path"))
        """Query sources and their fields, shared by discovery and streams."""

    def send(  # noqa: PLR0913 - the parts of a request, its checks and its labels
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        check_status: Callable[[requests.Response], None] = check_response,
        label: str,
        counts: RequestCounts | None = None,
    ) -> requests.Response:
        """Send a request and return its response, complete and checked.

        Args:
            method: The HTTP method.
            path: The path below the base address.
            json: The body.
            check_status: Raises for an unsuccessful response.
            label: The name of the request in log lines.
            counts: The request counts of the stream; None in discovery.

        Raises:
            VendorError: The vendor refused the request, or the retries failed.
        """
        return self._tap.send(
            requests.Request(method, f"{self._tap.api_url}{path}", json=json),
            label=label,
            check_status=check_status,
            check_body=check_body,
            counts=counts,
        )

    def send_once(self, method: str, path: str) -> None:
        """Send a request while the run stops: with the current session and without retries.

        Raises:
            Exception: The request failed. The response is not checked.
        """
        authenticator = cast("SessionAuthenticator", self._tap.authenticator)
        authenticator.send_once(self.short_session(), requests.Request(method, f"{self._tap.api_url}{path}"))

    def short_session(self) -> Session:
        """Return connections with a short timeout, for requests of a run that stops."""
        return Session(
            self._tap.api_url,
            connections=1,
            timeout=min(_SHORT_TIMEOUT, self._tap.config["request_timeout"]),
            follow_redirects=False,
            allowed=self._tap.request_rules(),
        )
