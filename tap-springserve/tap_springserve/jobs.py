"""Reports as asynchronous jobs: submit, poll, fetch page by page (official SDK)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from singer_adtech.errors import DataError, NotFoundError, VendorError, shorten
from singer_adtech.fetching.jobs import Job, JobLostError, JobStatus, Phase
from singer_adtech.records.totals import PageProgress
from typing_extensions import override

from tap_springserve.responses import ReportAnswer, read_report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import requests


class ReportJob(Job["requests.Response"]):
    """One window of a report; the vendor does not document how one is cancelled.

    Args:
        ask: Sends the request for the window, with what is given added to its body.
    """

    def __init__(self, ask: Callable[..., requests.Response]) -> None:
        self._ask = ask
        self._report_id: int | str | None = None

    @override
    def submit(self) -> JobStatus:
        self._report_id = None
        return self._judge(self._ask())

    @override
    def poll(self, ticket: str) -> JobStatus:
        return self._judge(self._ask_on())

    @override
    def fetch(self, status: JobStatus) -> Iterator[requests.Response]:
        response: requests.Response = status.answer
        answer = read_report(response)
        total = answer.total_pages
        number = 1
        # Pages are gathered before a row counts: a report that does not end must be noticed here.
        progress, seen = PageProgress("check the report's dimensions, and report this to the vendor"), set[int]()
        while True:
            yield response
            before = answer.data or []
            # An answer without a name is the whole of it: a report that was not asynchronous.
            if number >= total if total is not None else self._report_id is None or not before:
                return
            known = len(seen)
            seen.update(hash(bytes(row)) for row in before)
            progress.page(rows=len(before), new=len(seen) - known, total=answer.total_rows)
            if self._report_id is None:
                raise DataError(f"the report has {total} pages but no `report_id`", "report this to the vendor")
            number += 1
            response = self._ask_on(page=number)
            answer = read_report(response)
            if answer.status not in {None, "COMPLETE"}:
                raise _unknown(answer)
            if answer.page not in {None, number} or (before and answer.data == before):
                raise DataError(
                    f"page {number} of the report was requested, and another was returned",
                    "report this to the vendor",
                )
            if answer.data is None and total is not None:
                raise DataError(f"page {number} of {total} of the report has no `data`", "report this to the vendor")

    def _ask_on(self, **more: Any) -> requests.Response:
        try:
            return self._ask(report_id=self._report_id, **more)
        except NotFoundError as error:
            raise JobLostError(f"the vendor no longer knows report_id {self._report_id}", "run again later") from error

    def _judge(self, response: requests.Response) -> JobStatus:
        answer = read_report(response)
        if self._report_id is None:
            self._report_id = answer.report_id
        if answer.status is None or answer.status == "COMPLETE":
            if answer.data is None and answer.total_rows != 0:
                raise DataError("the report is complete but has no `data`", "report this to the vendor")
            return JobStatus(str(self._report_id), Phase.COMPLETE, answer.status or "COMPLETE", answer=response)
        if answer.status not in {"QUEUED", "BUILDING"}:
            raise _unknown(answer)
        if self._report_id is None:
            raise DataError(
                f"the report has the status {answer.status} but no `report_id`",
                "report this to the vendor",
            )
        return JobStatus(str(self._report_id), Phase.WAITING, answer.status)


def _unknown(answer: ReportAnswer) -> VendorError:
    said = f' ("{answer.words}")' if answer.words else ""
    return VendorError(
        f"the report has the unknown status {shorten(str(answer.status), 80)}{said}",
        "QUEUED, BUILDING and COMPLETE are known; check the report, and run again later",
    )
