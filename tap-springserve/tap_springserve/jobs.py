"""Reports as asynchronous jobs: submit, poll, fetch page by page (official SDK)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from singer_adtech.errors import DataError, NotFoundError, VendorError, shorten
from singer_adtech.fetching.jobs import Job, JobLostError, JobStatus, Phase
from singer_adtech.records.totals import PageProgress
from typing_extensions import override

from tap_springserve.responses import ReportResponse, read_report

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    import requests
    from singer_adtech.records.page import Row


class ReportJob(Job["requests.Response"]):
    """A window of a report. The vendor documents no way to cancel it.

    Assumed: a 404 means that the vendor has forgotten the report. If wrong, it is submitted twice more, and the run
    ends.

    Args:
        request: Sends the request of the window; keyword arguments are added to its body.
        identity: Returns the day and the dimensions of a row.
        on_ignored_page: Called with the number of rows if the vendor ignores the page number of a synchronous report.
    """

    def __init__(
        self,
        request: Callable[..., requests.Response],
        identity: Callable[[Row], Hashable],
        on_ignored_page: Callable[[int], None],
    ) -> None:
        self._request = request
        self._identity = identity
        self._on_ignored_page = on_ignored_page
        self._report_id: int | str | None = None

    @override
    def submit(self) -> JobStatus:
        self._report_id = None
        return self._status(self._request())

    @override
    def poll(self, ticket: str) -> JobStatus:
        return self._status(self._continue())

    @override
    def fetch(self, status: JobStatus) -> Iterator[requests.Response]:
        # A response without `report_id` is synchronous: the pages are requested by number only.
        pages = self._synchronous if self._report_id is None else self._asynchronous
        return pages(status.answer)

    def _synchronous(self, response: requests.Response) -> Iterator[requests.Response]:
        """Read on until a page is empty or repeats rows.

        Assumed: `page` selects a page of a synchronous report, as in asynchronous ones. If wrong, the second page
        repeats the first one, and rows are missing only if the first one was cut off: a warning has its length.
        """
        report = read_report(response)
        total, number = report.total_pages, 1
        progress = PageProgress("check the report's dimensions, and report this to the vendor")
        seen: set[Hashable] = set()
        while True:
            rows = report.data or []
            # Not by whole rows: the figures of today change between two requests.
            keys = set(map(self._identity, rows))
            if number > 1 and rows and keys <= seen:
                if total is not None:
                    raise _another_page(number)
                if number == 2:  # noqa: PLR2004 - the second page repeats the first
                    self._on_ignored_page(len(rows))
                return
            yield response
            if not rows or (total is not None and number >= total):
                return
            progress.page(rows=len(rows), new=len(keys - seen), total=report.total_rows)
            seen |= keys
            number += 1
            response = self._request(page=number)
            report = read_report(response)
            if report.status not in {None, "COMPLETE"}:
                raise _unknown(report)

    def _asynchronous(self, response: requests.Response) -> Iterator[requests.Response]:
        report = read_report(response)
        total = report.total_pages
        number = 1
        # All pages are read before rows are emitted, so an endless report must be detected here.
        progress, seen = PageProgress("check the report's dimensions, and report this to the vendor"), set[int]()
        while True:
            yield response
            before = report.data or []
            if number >= total if total is not None else not before:
                return
            known = len(seen)
            seen.update(hash(bytes(row)) for row in before)
            progress.page(rows=len(before), new=len(seen) - known, total=report.total_rows)
            number += 1
            response = self._continue(page=number)
            report = read_report(response)
            if report.status not in {None, "COMPLETE"}:
                raise _unknown(report)
            if report.page not in {None, number} or (before and report.data == before):
                raise _another_page(number)
            if report.data is None and total is not None:
                raise DataError(f"page {number} of {total} of the report has no `data`", "report this to the vendor")

    def _continue(self, **more: Any) -> requests.Response:
        try:
            return self._request(report_id=self._report_id, **more)
        except NotFoundError as error:
            raise JobLostError(f"the vendor no longer knows report_id {self._report_id}", "run again later") from error

    def _status(self, response: requests.Response) -> JobStatus:
        report = read_report(response)
        if self._report_id is None:
            self._report_id = report.report_id
        if report.status is None or report.status == "COMPLETE":
            if report.data is None and report.total_rows != 0:
                raise DataError("the report is complete but has no `data`", "report this to the vendor")
            return JobStatus(str(self._report_id), Phase.COMPLETE, report.status or "COMPLETE", answer=response)
        if report.status not in {"QUEUED", "BUILDING"}:
            raise _unknown(report)
        if self._report_id is None:
            raise DataError(
                f"the report has the status {report.status} but no `report_id`",
                "report this to the vendor",
            )
        return JobStatus(str(self._report_id), Phase.WAITING, report.status)


def _another_page(number: int) -> DataError:
    return DataError(
        f"page {number} of the report was requested, and another was returned", "report this to the vendor"
    )


def _unknown(report: ReportResponse) -> VendorError:
    message = f' ("{report.message}")' if report.message else ""
    return VendorError(
        f"the report has the unknown status {shorten(str(report.status), 80)}{message}",
        "QUEUED, BUILDING and COMPLETE are known; check the report, and run again later",
    )
