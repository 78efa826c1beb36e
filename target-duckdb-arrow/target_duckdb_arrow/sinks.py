"""One stream on its way into its table: records to chunks of Arrow columns, a batch of chunks to one load."""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from singer_sdk.exceptions import InvalidJSONSchema, InvalidRecord
from singer_sdk.sinks import BatchSink
from typing_extensions import override

from target_duckdb_arrow.arrow import convert
from target_duckdb_arrow.errors import MissingKeyError, RecordError, RefusedValueError, SchemaError
from target_duckdb_arrow.names import check_names, table_name
from target_duckdb_arrow.records import RecordDecoder
from target_duckdb_arrow.tables import ORDINAL, Segment, TableLoader, TableName, fold, merge_types
from target_duckdb_arrow.types import JSON, ColumnType, type_from_schema

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import duckdb
    from singer_sdk.sinks.core import BaseJSONSchemaValidator

    from target_duckdb_arrow.records import Message
    from target_duckdb_arrow.target import TargetDuckDBArrow

# Small enough that parsed rows take little memory, large enough that the calls for each column cost nothing.
_CHUNK_ROWS = 4096
_CHUNK_BYTES = 4 * 1024 * 1024

_STAGED = "__target_duckdb_arrow_new"


class DuckDBSink(BatchSink):
    """Gathers the records of one stream and schema, and loads them when the target says so."""

    def __init__(
        self,
        target: TargetDuckDBArrow,
        stream_name: str,
        schema: dict[str, Any],
        key_properties: Sequence[str] | None,
    ) -> None:
        super().__init__(target, stream_name, schema, key_properties)
        self._target = target
        self._method: str = self.config["load_method"]
        properties: dict[str, Any] = self.schema["properties"]
        check_names(stream_name, properties, self.key_properties)
        self._names = list(properties)
        self._columns = {
            name: type_from_schema(definition if isinstance(definition, dict) else {})
            for name, definition in properties.items()
        }
        # What values travel as: the type asked for, unless the table's column decides.
        self._wires = dict(self._columns)
        self._with_metadata = self.include_sdc_metadata_properties
        self._decoder = RecordDecoder(stream_name, self._names, self._warn_unknown)
        self._rows: list[tuple[Any, ...]] = []
        self._row_bytes = 0
        self._uncounted = 0
        self._chunks: list[tuple[tuple[ColumnType, ...], pa.RecordBatch]] = []
        self._cut_told: set[str] = set()
        self._prepared = False
        self.destination = table_name(stream_name, self.config.get("default_target_schema"))
        """The table as the user sees it."""
        self.removed = False
        """Whether a stream map removes the stream, so that it gets no table."""

    @property
    def staged(self) -> TableName:
        """Where the rows go: with overwrite a table beside the user's, which takes its place at the end."""
        if self._method == "overwrite":
            return TableName(self.destination.schema, self.destination.table + _STAGED)
        return self.destination

    @property
    @override
    def include_sdc_metadata_properties(self) -> bool:
        # hard_delete needs the version of each row; the SDK's notion of the metadata columns is all or none.
        return bool(self.config.get("add_record_metadata") or self.config.get("hard_delete"))

    @property
    @override
    def is_full(self) -> bool:
        # The SDK would write this sink alone. The target writes all of them together, so that a STATE can follow.
        return False

    @property
    def gathered(self) -> int:
        """Records received and not yet loaded."""
        return self._batch_records_read + self._uncounted

    @property
    def has_work(self) -> bool:
        """Whether there is something to write: records, or a table to be made."""
        return bool(self.gathered or not (self._prepared or self.removed))

    @override
    def get_validator(self) -> BaseJSONSchemaValidator | None:
        try:
            return super().get_validator()
        except InvalidJSONSchema as error:
            reason = str(error).splitlines()[0]
            raise SchemaError(f"Stream '{self.stream_name}': its schema is no JSON Schema: {reason}") from error

    def plan(self, present: Mapping[str, str]) -> None:
        """Adapt to the columns which the table has: folded names and types in SQL.

        Raises:
            SchemaError: A column cannot follow the schema.
        """
        for name, asked in self._columns.items():
            merged = merge_types(present.get(fold(name)), asked, self._where(name))
            if merged == JSON or merged.is_number:
                self._wires[name] = ColumnType(merged.base, merged.depth, asked.from_text)

    def _where(self, name: str) -> str:
        return f"Stream '{self.stream_name}', column '{name}'"

    # Receiving

    def receive(self, message: Message, size: int) -> None:
        """Take a RECORD message of `size` bytes whose record is still text: the way without maps and validation.

        Raises:
            RecordError: It cannot be read, or a value of its chunk does not fit.
        """
        row = self._decoder.decode(message["record"])
        if self._with_metadata:
            # The SDK's own method, so that the columns mean what they mean in every SDK target.
            values = dict(zip(self._names, row, strict=True))
            self._add_sdc_metadata_to_record(values, dict(message), self._get_context(values))
            row = tuple(map(values.get, self._names))
        self._uncounted += 1
        self._add_row(row, size)

    @override
    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        """Take a record that went through the SDK: stream maps, flattening, validation."""
        self._decoder.tell_unknown(record)
        self._add_row(tuple(map(record.get, self._names)), 0)

    @override
    def _validate_and_parse(self, record: dict[str, Any]) -> dict[str, Any]:
        # The SDK's also parses dates, one value at a time, and logs a traceback for a record that is refused.
        if self._validator is not None:
            try:
                self._validator.validate(record)
            except InvalidRecord as error:
                raise RecordError(
                    f"Stream '{self.stream_name}': a record breaks its schema: {error.error_message}. "
                    "Correct the tap, or set validate_records to false.",
                ) from error
        return record

    @override
    def _singer_validate_message(self, record: dict[str, Any]) -> None:
        # Keys are looked at once for a chunk, where NULLs are counted anyway.
        return

    def _warn_unknown(self, name: str) -> None:
        if not name.startswith("_sdc_"):
            self.logger.warning(
                "Stream '%s': the schema does not name the property '%s' of the records; it is not loaded",
                self.stream_name,
                name,
            )

    def _add_row(self, row: tuple[Any, ...], size: int) -> None:
        if not row:
            raise SchemaError(
                f"Stream '{self.stream_name}' has records but no properties, so there is nothing to load them into. "
                "Select properties in the tap, or deselect the stream.",
            )
        self._rows.append(row)
        self._row_bytes += size
        if len(self._rows) >= _CHUNK_ROWS or self._row_bytes >= _CHUNK_BYTES:
            self.convert_rows()

    def convert_rows(self) -> None:
        """Turn the rows received into a chunk of Arrow columns.

        Raises:
            RecordError: A value does not fit its column.
            MissingKeyError: A record lacks a value of the key.
        """
        if not self._rows:
            return
        arrays = []
        types = []
        for name, values in zip(self._names, zip(*self._rows, strict=True), strict=True):
            try:
                array, column_type, cut = convert(values, self._wires[name])
            except RefusedValueError as error:
                raise RecordError(
                    f"{self._where(name)}: {error}. Correct the stream's schema in the tap, or deselect the property.",
                ) from error
            if array.null_count and name in self.key_properties and self._method != "append-only":
                raise MissingKeyError(
                    f"{self._where(name)}: a record has no value for it, though it belongs to the key "
                    f"{list(self.key_properties)}. Correct the tap, or load with load_method append-only.",
                )
            if cut and name not in self._cut_told:
                self._cut_told.add(name)
                self.logger.warning("%s: date-times finer than microseconds are cut", self._where(name))
            if column_type.is_number:
                # The chunks that follow most likely need the same decimals.
                self._wires[name] = ColumnType(column_type.base, column_type.depth, self._columns[name].from_text)
            arrays.append(array)
            types.append(column_type)
        batch = pa.RecordBatch.from_arrays(arrays, names=[f"c{index}" for index in range(len(arrays))])
        self._chunks.append((tuple(types), batch))
        self._rows = []
        self._row_bytes = 0
        self.tally_record_read(self._uncounted)
        self.record_counter_metric.increment(self._uncounted)
        self._uncounted = 0

    # Writing

    @override
    def process_batch(self, context: dict[str, Any]) -> None:
        self.write(self._target.connection)

    def write(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Make or change the table, and load what was received into it.

        Raises:
            SchemaError: A column cannot follow the schema or the values.
        """
        if not self._columns:
            self.logger.warning("Stream '%s' has no properties: it gets no table", self.stream_name)
            self._prepared = True
            return
        loader = TableLoader(connection, self.staged, self.stream_name)
        if self._method == "overwrite" and self._target.begin_overwrite(self):
            loader.drop()
        segments = self._take_segments()
        types = loader.prepare(self._columns, segments)
        if segments:
            keys = () if self._method == "append-only" else self.key_properties
            self.tally_duplicate_merged(loader.load(types, segments, keys))
        self._prepared = True
        columns = {fold(name): column_type.sql for name, column_type in types.items()}
        self._target.catalogue[self.staged.folded] = {**self._target.columns_of(self), **columns}
        self.plan(columns)

    def _take_segments(self) -> list[Segment]:
        """Join chunks of the same types, and number the rows over all of them."""
        segments = []
        start = 0
        for types, chunks in groupby(self._chunks, key=itemgetter(0)):
            table = pa.Table.from_batches([chunk for _, chunk in chunks])
            ordinals = pa.array(range(start, start + table.num_rows), pa.int64())
            segments.append(Segment(table.append_column(ORDINAL, ordinals), types))
            start += table.num_rows
        self._chunks = []
        return segments

    @override
    def activate_version(self, new_version: int) -> None:
        """Delete (`hard_delete`) or flag the rows of older versions, after the rows received so far are loaded."""
        if self._method == "overwrite" or self.removed or not self._columns:
            return  # with overwrite no older rows are left anyway
        self._target.drain_all()
        with self._target.database.transaction() as connection:
            loader = TableLoader(connection, self.destination, self.stream_name)
            if self.config["hard_delete"]:
                loader.delete_versions_before(new_version)
            else:
                loader.flag_versions_before(new_version)
