"""Asynchronous queries: submit, poll, fetch, cancel (Public API Guide, "Query Execution")."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import requests
from singer_adtech.errors import DataError, VendorError, shorten
from singer_adtech.fetching.jobs import Job, JobBusyError, JobLostError, JobPolicy, JobStatus, Phase
from typing_extensions import override

from tap_magnite.responses import check_response, description, read_object

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from singer_adtech.logs import StreamLog
    from singer_adtech.metrics import RequestCounts

    from tap_magnite.api import MagniteApi

PATH = "/queries"

MOST_ERRORS = 3
"""Consecutive polls in which a running query may report an error.
Assumed: a query that reports an error while it runs may still complete, as seen by client code. If wrong, the stream
fails three polls later."""

# Assumed: the status of a query is a number, 1 to 5, with the meanings of client code; the guide has the names only. If
# wrong, an unknown number fails the stream, and the vendor refuses the results of a query that is not complete.
_PHASES: Mapping[int, Phase] = {
    1: Phase.WAITING,
    2: Phase.WAITING,
    3: Phase.COMPLETE,
    4: Phase.FAILED,
    5: Phase.FAILED,
}
# The guide uses names, the API sends numbers.
_NAMES: Mapping[int, str] = {1: "CREATED", 2: "RUNNING", 3: "COMPLETED", 4: "ERRORED", 5: "CANCELLED"}
_WORDS: Mapping[str, int] = {**{word: number for number, word in _NAMES.items()}, "ERROR": 4, "CANCELED": 5}


def read_status(sent: Any) -> int:
    """Read a query's status.

    Args:
        sent: An integer, a string of digits, a name in any case, or an object with `id` or `name`.

    Returns:
        The number, 1 to 5.

    Raises:
        VendorError: The status is unknown.
    """
    value = sent
    if isinstance(value, dict):
        value = value.get("name") if value.get("id") is None else value["id"]
    if isinstance(value, str):
        text = value.strip().upper()
        value = int(text) if text.isascii() and text.isdigit() else _WORDS.get(text)
    if type(value) is int and value in _PHASES:
        return value
    raise VendorError(f"unknown query status {shorten(repr(sent), 80)}", "report this to the tap's authors")


def policy(config: Mapping[str, Any]) -> JobPolicy:
    """Return the waits and timeouts of queries, from the settings."""
    return JobPolicy(
        first_wait=config["poll_interval"],
        growth=1.5,
        longest_wait=60,
        timeout=config["query_timeout"],
        timeout_setting="query_timeout",
        resubmits=1,
        busy_wait=config["busy_wait"],
        busy_timeout=config["busy_timeout"],
        busy_setting="busy_timeout",
    )


class QueryJob(Job[requests.Response]):
    """A query of the data warehouse.

    Args:
        api: The API.
        definition: The body of the submission.
        bad_request: The remedy for status 400.
        label: The name of the requests in log lines.
        logger: Its lines name the stream.
        counts: The request counts of the stream.
    """

    cancellable = True

    def __init__(  # noqa: PLR0913 - the parts of a query
        self,
        api: MagniteApi,
        definition: Mapping[str, Any],
        *,
        bad_request: str,
        label: str,
        logger: StreamLog,
        counts: RequestCounts,
    ) -> None:
        self._api = api
        self._definition = definition
        self._bad_request = bad_request
        self._label = label
        self._logger = logger
        self._counts = counts
        self._errors = 0

    @override
    def submit(self) -> JobStatus:
        self._errors = 0
        ticket = read_object(self._send("POST", PATH, self._check_submit, json=self._definition))
        code = ticket.get("code")
        if not isinstance(code, (str, int)) or not str(code):
            raise DataError("the response to a submitted query has no code", "report this to the tap's authors")
        try:
            # Assumed: a query without a status is running. The guide documents only the code. If wrong, polls have no
            # status either, and the stream fails with `unknown query status`.
            return self._status(str(code), {"status": 1, **_given(ticket)})
        except VendorError:
            self.try_to_cancel(str(code))
            raise

    @override
    def poll(self, ticket: str) -> JobStatus:
        body = read_object(self._send("GET", _path(ticket), self._check_known))
        status = self._status(ticket, body)
        error = body.get("error")
        self._errors = self._errors + 1 if status.phase is Phase.WAITING and error is not None else 0
        if self._errors > MOST_ERRORS:
            raise VendorError(
                f"the running query reports an error: {status.reason}", "run again later, or request less"
            )
        return status

    @override
    def fetch(self, status: JobStatus) -> Iterable[requests.Response]:
        yield self._send("GET", f"{_path(status.ticket)}/results?fmt=json", self._check_known)

    @override
    def cancel(self, ticket: str) -> None:
        self._api.send_once("DELETE", _path(ticket))

    def try_to_cancel(self, ticket: str) -> None:
        """Cancel a query; errors are ignored."""
        try:
            self.cancel(ticket)
        except Exception as error:  # noqa: BLE001 - the user must see the error that ended the run
            self._logger.info("The query could not be cancelled: %s", error)

    def _status(self, code: str, body: Mapping[str, Any]) -> JobStatus:
        number = read_status(body.get("status"))
        error = body.get("error")
        reason = "" if error is None else shorten(error if isinstance(error, str) else repr(error))
        return JobStatus(code, _PHASES[number], _NAMES[number], reason)

    def _send(
        self, method: str, path: str, check_status: Callable[[requests.Response], None], json: Any = None
    ) -> requests.Response:
        return self._api.send(
            method, path, json=json, check_status=check_status, label=self._label, counts=self._counts
        )

    def _check_submit(self, response: requests.Response) -> None:
        if response.status_code == HTTPStatus.PRECONDITION_FAILED:
            raise JobBusyError(f"another query of this user is still running: {description(response)}")
        check_response(response, {HTTPStatus.BAD_REQUEST: self._bad_request})

    def _check_known(self, response: requests.Response) -> None:
        check_response(
            response,
            {HTTPStatus.NOT_FOUND: "the query was lost: run again later"},
            {HTTPStatus.NOT_FOUND: JobLostError},
        )


def _path(code: str) -> str:
    return f"{PATH}/{quote(code, safe='')}"


def _given(ticket: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in ticket.items() if value is not None}
