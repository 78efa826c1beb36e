"""Child streams: one list per row of another list, read in parallel.

singer-sdk syncs children within their parent and keeps a state for each, in quadratic time. Here a child stream reads
its parents' ids itself, once, and keeps no state. A child that is not selected sends no requests, and its parent need
not be selected.
"""

from __future__ import annotations

from abc import abstractmethod
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from typing_extensions import override

from singer_adtech.errors import DataError, NotFoundError, error_context
from singer_adtech.fetching.prefetching import read_ahead
from singer_adtech.streams.base import AdTechStream
from singer_adtech.streams.not_found import read_not_found

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import requests
    from singer_sdk.helpers.types import Context, Record


ParentId: TypeAlias = "int | str"


class ChildStream(AdTechStream[ParentId]):
    """A list for each parent. The part of a page and of a row is the parent's id."""

    parent_key: str
    """The column of the parent's id."""

    @abstractmethod
    def parent_ids(self, context: Context | None) -> Iterable[ParentId]:
        """Read the ids of all parents."""

    @property
    @override
    def parallel_pages(self) -> int:
        # Parents are read in parallel, the pages of each in sequence.
        return 1

    @property
    def parallel_parents(self) -> int:
        """Number of lists read in parallel."""
        return super().parallel_pages

    @override
    def part_name(self, part: ParentId | None) -> str:
        return f"{self.parent_key} {part}" if part is not None else ""

    @override
    def report_total(self, total: int) -> None:
        """Show no total: it covers one parent, but rows are counted over all."""

    @override
    def log_rows(self, rows: int, part: ParentId | None = None) -> None:
        # There may be thousands of parents.
        self.log_lines.debug("%s: %d rows", self.part_name(part), rows)

    @override
    def added(self, part: ParentId | None) -> Mapping[str, Any]:
        return {**super().added(part), self.parent_key: part}

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        with error_context(stream=self.name):
            # All ids first: reading children may take an hour, and the parents' pages would change in the meantime.
            parents = list(dict.fromkeys(self.parent_ids(context)))
            # A connection test reads one record, so nothing is prefetched.
            parallel = 1 if self.ABORT_AT_RECORD_COUNT else self.parallel_parents
            sources = (partial(self.pages, context, parent) for parent in parents)
            # Always closed, so that no thread continues to request lists.
            not_found: list[ParentId] = []
            with closing(read_ahead(sources, parallel=parallel)) as readers:
                for parent, pages in zip(parents, readers, strict=False):
                    yield from self._of_parent(context, parent, pages, not_found)
            yield from read_not_found(
                self,
                not_found,
                of=len(parents),
                name=self.part_name,
                listed=lambda: set(self.parent_ids(context)),
                read=partial(self._of_parent, context),
            )
            self.log_lines.info("read the lists of %d parents", len(parents))

    def _of_parent(
        self,
        context: Context | None,
        parent: ParentId,
        pages: Iterator[requests.Response] | None = None,
        not_found: list[ParentId] | None = None,
    ) -> Iterator[Record]:
        """Read the list of a parent; if it is not found, add the parent to `not_found`, if given."""
        try:
            yield from self.read_records(context, parent, pages)
        except DataError as error:
            error.window = error.window or self.part_name(parent)
            raise
        except NotFoundError:
            if not_found is None:
                raise
            not_found.append(parent)
