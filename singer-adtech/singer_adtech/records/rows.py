"""From the rows of a response to records: a vendor's names and values become columns."""

from __future__ import annotations

import itertools
from abc import abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Generic, cast

from singer_adtech.errors import DataError
from singer_adtech.progress.windows import PartT
from singer_adtech.records.compiled import RowCompiler
from singer_adtech.records.exact_json import exact_json
from singer_adtech.records.received import is_allowed
from singer_adtech.records.row_times import ForeignRowError
from singer_adtech.records.shapes import flatten
from singer_adtech.records.values import json_kind
from singer_adtech.sdk.streams import SyncedStream

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    import requests
    from singer_sdk.helpers.types import Record

    from singer_adtech.records.page import Page, Row
    from singer_adtech.records.row_times import RowCheck
    from singer_adtech.records.shapes import RecordShape


class RowStream(SyncedStream, Generic[PartT]):
    """A stream that converts rows to records.

    Most rows are converted by `RowCompiler`. If singer-sdk changes records (stream maps, flattening, a catalog with
    other types), or in a connection test, `RecordShape` converts them one by one.
    """

    @property
    @abstractmethod
    def shape(self) -> RecordShape:
        """The stream's schema, compiled."""

    nested: ClassVar[bool] = True
    """Whether the fields of objects are columns (see `shapes.flatten`); otherwise objects are values."""

    @property
    def item_names(self) -> Sequence[str]:
        """Names of a row's items, if rows are arrays."""
        return ()

    key_column: ClassVar[str | None] = None
    """A column whose values are computed (`Page.keys`)."""

    @property
    def expected_fields(self) -> Collection[str]:
        """Fields that rows usually have, even if null; see `note_fields`."""
        return ()

    def response_rows(self, response: requests.Response) -> Iterable[Row | dict[str, Any]]:
        """Return the rows of a response: as JSON, to be decoded fast, or decoded."""
        return self.parse_response(response)

    def row_fields(self, row: dict[str, Any]) -> Iterable[tuple[str, Any]]:
        """Return the names and values of a row.

        A name may depend on the presence of fields and on whether a value is null, an object, a list or something else,
        but not on values: most rows are converted by the names of earlier ones (see `compiled`).
        """
        return row.items()

    def added(self, part: PartT | None) -> Mapping[str, Any]:  # noqa: ARG002 - for streams with such columns
        """Return the columns that are the same in all rows of a part."""
        return {}

    def note_fields(self, names: Collection[str]) -> None:
        """Check the field names of a row.

        Args:
            names: All fields of one row, or those of `expected_fields` that most rows of a page have, once per page.
        """

    def name_values(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return a row's values by column."""
        fields = self.row_fields(row)
        return flatten(fields, objects=self.shape.objects, arrays=self.shape.arrays) if self.nested else dict(fields)

    def flat_row(self, row: dict[str, Any], part: PartT | None) -> dict[str, Any]:
        """Return the columns of a row.

        A stream that overrides this method may depend on values, so its rows are converted one by one.
        """
        self.note_fields(row)
        return {**self.name_values(row), **self.added(part)}

    def decode_row(self, row: Row | dict[str, Any]) -> dict[str, Any]:
        """Decode a row with exact numbers.

        Raises:
            DataError: It is not an object, or not an array of the right length if rows are arrays.
        """
        decoded = row if isinstance(row, dict) else exact_json(bytes(row))
        if self.item_names and isinstance(decoded, list) and len(decoded) == len(self.item_names):
            return dict(zip(self.item_names, decoded, strict=True))
        if not isinstance(decoded, dict):
            raise DataError(self.not_an_object.format(json_kind(decoded)), self.not_an_object_remedy)
        return decoded

    not_an_object: ClassVar[str] = "a row is a JSON {} instead of an object"
    """The error for a row of another type."""

    not_an_object_remedy: ClassVar[str] = "report this to the tap's authors"
    """Advice on such a row."""

    @property
    def row_compiler(self) -> RowCompiler | None:
        """The fast conversion of rows; None if singer-sdk changes records, or the stream depends on values."""
        # A connection test reads one record by means of singer-sdk.
        return None if self.ABORT_AT_RECORD_COUNT else self._row_compiler

    @cached_property
    def _row_compiler(self) -> RowCompiler | None:
        columns, of_class = self.written_columns, type(self)
        needed = {*self.shape.keys, *self.used_columns}
        by_names = of_class.flat_row is RowStream.flat_row and of_class.response_rows is not RowStream.response_rows
        if columns is None or not by_names or not needed.issubset(columns) or not all(map(is_allowed, columns)):
            return None
        return RowCompiler(
            self.shape,
            columns,
            self.name_values,
            nested=self.nested,
            item_names=self.item_names,
            expected=self.expected_fields,
            note_fields=self.note_fields,
        )

    @property
    def used_columns(self) -> Collection[str]:
        """Columns of emitted records that the stream itself uses, in addition to the keys."""
        return ()

    foreign_remedy: str = (
        "a cache or a gateway may have sent it, or the vendor ignored the filter by time: run again later; if it "
        "happens again, report it to the vendor"
    )
    """Advice on a response with rows of another window."""

    def foreign_row(self, outside: str) -> ForeignRowError:
        """Return the error for a row of another window, from the result of a `RowCheck`."""
        return ForeignRowError(
            f"the response has a row of {outside}, outside of the requested window", self.foreign_remedy
        )

    def page_records(self, page: Page, part: PartT | None, check: RowCheck | None = None) -> Iterable[Record]:
        """Convert a page to records.

        Args:
            page: The page.
            part: The part, or None for a whole list.
            check: Finds rows of other windows. With it, all rows of the page are checked before the first is returned.

        Raises:
            ForeignRowError: A row belongs to another window.
        """
        records = self._converted(page, part)
        if check is None:
            return records
        checked: list[Record] = []
        for record in records:
            outside = check(record)
            if outside is not None:
                raise self.foreign_row(outside)
            checked.append(record)
        return checked

    def _converted(self, page: Page, part: PartT | None) -> Iterator[Record]:
        def careful(row: Row | dict[str, Any], key: str | None) -> tuple[dict[str, Any], Record]:
            decoded = self.decode_row(row)
            # Copied, because a stream may change a row.
            flat = self.flat_row({**decoded}, part)
            if self.key_column is not None:
                flat[self.key_column] = key
            return decoded, self.shape.record(flat)

        keys = itertools.repeat(None) if page.keys is None else page.keys
        if self.row_compiler is None:
            return (careful(row, key)[1] for row, key in zip(page.rows, keys, strict=False))
        rows = cast("Iterable[Row]", page.rows)
        return self.row_compiler.records(rows, keys, careful, added=self.added(part), key_column=self.key_column)
