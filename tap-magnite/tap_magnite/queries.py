"""Asynchronous queries (Public API Guide, "Query Execution"): one at a time, polled until they end, then fetched."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import requests
from singer_adtech.errors import DataError, VendorError, shorten
from singer_adtech.fetching.jobs import Job, JobBusyError, JobLostError, JobPolicy, JobStatus, Phase
from typing_extensions import override

from tap_magnite.answers import check_answer, read_object

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from singer_adtech.runs.metrics import RequestCounts

    from tap_magnite.tap import TapMagnite

MOST_ERRORS = 3
"""Consecutive polls with an error beside a query at work that are tolerated: one was seen to pass by itself."""

_PHASES: Mapping[int, Phase] = {
    1: Phase.WAITING,
    2: Phase.WAITING,
    3: Phase.COMPLETE,
    4: Phase.FAILED,
    5: Phase.FAILED,
}
# The guide writes words, the wire shows numbers.
_NAMES: Mapping[int, str] = {1: "CREATED", 2: "RUNNING", 3: "COMPLETED", 4: "ERRORED", 5: "CANCELLED"}
_WORDS: Mapping[str, int] = {**{word: number for number, word in _NAMES.items()}, "ERROR": 4, "CANCELED": 5}


def read_status(told: Any) -> int:
    """Read a query's status.

    Args:
        told: An integer, a string of digits, a word in any case, or an object with `id` or else `name`.

    Returns:
        The number, 1 to 5.

    Raises:
        VendorError: It is none of those that are known.
    """
    value = told
    if isinstance(value, dict):
        value = value.get("name") if value.get("id") is None else value["id"]
    if isinstance(value, str):
        text = value.strip().upper()
        value = int(text) if text.isascii() and text.isdigit() else _WORDS.get(text)
    if type(value) is int and value in _PHASES:
        return value
    raise VendorError(f"unknown query status {shorten(repr(told), 80)}", "report this to the tap's authors")


def policy(config: Mapping[str, Any]) -> JobPolicy:
    """Return how patiently queries are waited for, as the settings say."""
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
    """One query.

    Args:
        tap: The tap.
        definition: What is asked for; the body of the submit.
        bad_request: What a user can do about a 400.
        label: What log lines call the requests.
        counts: The numbers of the stream that asks.
    """

    cancellable = True

    def __init__(
        self,
        tap: TapMagnite,
        definition: Mapping[str, Any],
        *,
        bad_request: str,
        label: str,
        counts: RequestCounts,
    ) -> None:
        self._tap = tap
        self._definition = definition
        self._bad_request = bad_request
        self._label = label
        self._counts = counts
        self._url = f"{tap.api_url}/queries"
        self._errors = 0

    @override
    def submit(self) -> JobStatus:
        self._errors = 0
        ticket = read_object(self._send("POST", self._url, self._check_submit, json=self._definition))
        code = ticket.get("code")
        if not isinstance(code, (str, int)) or not str(code):
            raise DataError("the answer to a query has no code", "report this to the tap's authors")
        try:
            # Assumed: a ticket without a status, of which the guide says only that it has a code, is a query at work.
            return self._status(str(code), {"status": 1, **_given(ticket)})
        except VendorError:
            self.try_to_cancel(str(code))
            raise

    @override
    def poll(self, ticket: str) -> JobStatus:
        answer = read_object(self._send("GET", self._address(ticket), _check_known))
        status = self._status(ticket, answer)
        error = answer.get("error")
        self._errors = self._errors + 1 if status.phase is Phase.WAITING and error is not None else 0
        if self._errors > MOST_ERRORS:
            raise VendorError(
                f"the query tells an error while it is at work: {status.reason}", "run again later, or ask for less"
            )
        return status

    @override
    def fetch(self, status: JobStatus) -> Iterable[requests.Response]:
        yield self._send("GET", f"{self._address(status.ticket)}/results?fmt=json", _check_known)

    @override
    def cancel(self, ticket: str) -> None:
        self._tap.say("DELETE", self._address(ticket))

    def try_to_cancel(self, ticket: str) -> None:
        """Cancel a query; errors are ignored."""
        try:
            self.cancel(ticket)
        except Exception as error:  # noqa: BLE001 - an attempt: what ended the run is what the user shall read
            self._tap.logger.info("The query could not be cancelled: %s", error)

    def _status(self, code: str, answer: Mapping[str, Any]) -> JobStatus:
        number = read_status(answer.get("status"))
        error = answer.get("error")
        reason = "" if error is None else shorten(error if isinstance(error, str) else repr(error))
        return JobStatus(code, _PHASES[number], _NAMES[number], reason)

    def _address(self, code: str) -> str:
        return f"{self._url}/{quote(code, safe='')}"

    def _send(
        self, method: str, url: str, check_status: Callable[[requests.Response], None], json: Any = None
    ) -> requests.Response:
        return self._tap.send(
            requests.Request(method, url, json=json), label=self._label, check_status=check_status, counts=self._counts
        )

    def _check_submit(self, response: requests.Response) -> None:
        try:
            check_answer(
                response,
                {HTTPStatus.BAD_REQUEST: self._bad_request},
                {HTTPStatus.PRECONDITION_FAILED: JobBusyError},
            )
        except JobBusyError as busy:
            busy.what = f"another query of this user is still running: {busy.what}"
            raise


def _check_known(response: requests.Response) -> None:
    check_answer(
        response,
        {HTTPStatus.NOT_FOUND: "the query was lost: run again later"},
        {HTTPStatus.NOT_FOUND: JobLostError},
    )


def _given(ticket: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in ticket.items() if value is not None}
