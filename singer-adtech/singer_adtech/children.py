"""Child streams: a list for each row of another list, read side by side.

singer-sdk syncs children from within their parent, keeps a state for each of them, and so becomes quadratic. Here a
child stream is a stream like any other: it reads its parents' ids itself, once, and keeps no state. A child that is not
selected costs nothing, and a parent need not be selected.
"""

from __future__ import annotations

from abc import abstractmethod
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from typing_extensions import override

from singer_adtech.ahead import read_ahead
from singer_adtech.errors import VendorError, located
from singer_adtech.row_counts import check_row_count
from singer_adtech.streams import AdTechStream

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import requests
    from singer_sdk.helpers.types import Context, Record

PageToken = TypeVar("PageToken")


class GoneError(VendorError):
    """What was asked for is not there (404); raised by `validate_response`."""


class ChildStream(AdTechStream[PageToken]):
    """A list for each parent; the parent stands as `window` in `get_http_request` and `flat_row`."""

    parent_key: str
    """The column that holds the parent's id."""

    @abstractmethod
    def parent_ids(self, context: Context | None) -> Iterable[int | str]:
        """Read the ids of all parents."""

    @property
    @override
    def parallel_pages(self) -> int:
        # Parents are read side by side, and the pages of each one after the other.
        return 1

    @property
    def parallel_parents(self) -> int:
        """Parents whose lists are read at once."""
        return super().parallel_pages

    @override
    def place(self, window: Any) -> str:
        return f", {self.parent_key} {window}" if window is not None else ""

    @override
    def flat_row(self, row: dict[str, Any], window: Any) -> dict[str, Any]:
        return {**super().flat_row(row, window), self.parent_key: window}

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        with located(stream=self.name):
            # All ids before the first child: reading children may take an hour, in which the parents' pages move.
            parents = list(dict.fromkeys(self.parent_ids(context)))
            # A connection test reads one record: nothing is fetched ahead for it.
            parallel = 1 if self.ABORT_AT_RECORD_COUNT else self.parallel_parents
            sources = (partial(self.pages, context, parent) for parent in parents)
            # Closed whatever happens, so that no thread goes on asking for lists that nobody will take.
            with closing(read_ahead(sources, parallel=parallel)) as readers:
                for parent, pages in zip(parents, readers, strict=False):
                    yield from self._of_parent(parent, pages)
            self.log_lines.info("read the lists of %d parents", len(parents))

    def _of_parent(self, parent: int | str, pages: Iterator[requests.Response]) -> Iterator[Record]:
        seen: set[Any] = set()
        told: int | None = None
        try:
            for number, response in enumerate(pages):
                if number == 0:
                    told = self.total_rows(response)
                for row in self.parse_response(response):
                    record = self.shape.record(self.flat_row(row, parent))
                    # A catalog may name no key: then rows cannot be told apart, and each counts.
                    key = tuple(record[name] for name in self.primary_keys) or len(seen)
                    if key not in seen:
                        seen.add(key)
                        yield record
        except GoneError:
            self.log_lines.warning("%s %s is gone: skipped", self.parent_key, parent)
            return
        whose = f"{self.parent_key} {parent}"
        with located(window=whose):
            check_row_count(
                # More than the total is no loss: rows were added while the list was read.
                read=len(seen) if told is None else min(len(seen), told),
                told=told,
                mode=self.config.get("row_count_check", "off"),
                logger=self.log_lines,
                window=whose,
            )
