"""One stream on its way into its table: records to chunks of Arrow columns, a batch of chunks to one load."""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
from singer_sdk.exceptions import InvalidJSONSchema, InvalidRecord
from singer_sdk.sinks import BatchSink
from typing_extensions import override

from target_duckdb_arrow.arrow import convert
from target_duckdb_arrow.database import is_about_the_file, plain_text
from target_duckdb_arrow.errors import (
    MissingKeyError,
    RecordError,
    RefusedValueError,
    SchemaError,
    broken_rule,
    shorten,
)
from target_duckdb_arrow.metadata import DELETED_AT, METADATA_SCHEMA
from target_duckdb_arrow.names import check_names, table_name
from target_duckdb_arrow.overwrite import REPLACED_SUFFIX, STAGED_SUFFIX
from target_duckdb_arrow.records import RecordDecoder
from target_duckdb_arrow.tables import ORDINAL, Segment, TableLoader, TableName, fold, merge_types
from target_duckdb_arrow.types import JSON, ColumnType, type_from_schema

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from singer_sdk.sinks.core import BaseJSONSchemaValidator

    from target_duckdb_arrow.records import Message
    from target_duckdb_arrow.target import TargetDuckDBArrow

# Small enough that parsed rows take little memory, large enough that the calls for each column cost nothing.
_CHUNK_ROWS = 4096
_CHUNK_BYTES = 4 * 1024 * 1024


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
        self._drops_deleted = bool(self.config.get("hard_delete")) and self._method != "append-only"
        self._decoder = RecordDecoder(stream_name, self._names, self.logger)
        self._rows: list[tuple[Any, ...]] = []
        self._row_bytes = 0
        self._uncounted = 0
        self._lines: list[int] = []
        self._version: int | None = None
        self._has_records = False
        self._chunks: list[tuple[tuple[ColumnType, ...], pa.RecordBatch]] = []
        self._cut_told: set[str] = set()
        self._prepared = False
        self.destination = table_name(stream_name, self.config.get("default_target_schema"))
        """The table as the user sees it."""
        self.removed = False
        """Whether a stream map removes the stream, so that it gets no table."""
        self.source = stream_name
        """The tap's stream from which a stream map makes this one."""
        self.computed: dict[str, str] = {}
        """Columns that a stream map computes, and their expressions."""

    @property
    def replaced(self) -> TableName:
        """Where overwrite keeps the table that it replaced last."""
        return TableName(self.destination.schema, self.destination.table + REPLACED_SUFFIX)

    @property
    def staged(self) -> TableName:
        """Where the rows go: with overwrite a table beside the user's, which takes its place at the end."""
        return self._beside if self._method == "overwrite" else self.destination

    @property
    def _beside(self) -> TableName:
        return TableName(self.destination.schema, self.destination.table + STAGED_SUFFIX)

    @property
    @override
    def include_sdc_metadata_properties(self) -> bool:
        # hard_delete needs the version of each row; the SDK's notion of the metadata columns is all or none.
        return bool(self.config.get("add_record_metadata") or self.config.get("hard_delete"))

    @override
    def _add_sdc_metadata_to_schema(self) -> None:
        # In the place of properties of the same names that the tap declares; it keeps all its others.
        self.schema["properties"] = {
            **{name: one for name, one in self.schema["properties"].items() if name not in METADATA_SCHEMA},
            **METADATA_SCHEMA,
        }

    @override
    def _remove_sdc_metadata_from_schema(self) -> None:
        # The SDK would drop properties that the tap declares, such as the delete marker of log-based replication.
        return

    @override
    def _add_sdc_metadata_to_record(
        self,
        record: dict[str, Any],
        message: dict[str, Any],
        context: dict[str, Any],
    ) -> None:
        super()._add_sdc_metadata_to_record(record, message, context)
        if self._drops_deleted:
            # The row is deleted, so that any value marks it; some taps send one that is not a date-time.
            record[DELETED_AT] = record["_sdc_received_at"] if record[DELETED_AT] else None
        self._version = message.get("version")
        self._has_records = True

    def has_version(self, version: int) -> bool:
        """Tell whether records of a version have come in this run; those without one count as any version."""
        return self._has_records and self._version in {version, None}

    @override
    def _remove_sdc_metadata_from_record(self, record: dict[str, Any]) -> None:
        return

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
            raise SchemaError(f"Stream '{self.stream_name}': its schema is not a JSON Schema: {reason}") from error

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

    def receive(self, message: Message, size: int, line: int) -> int:
        """Take the RECORD message of a line, without maps and validation; return how many records wait now.

        Raises:
            RecordError: It cannot be read, or a value of its chunk does not fit.
        """
        row = self._decoder.decode(message["record"], line)
        if self._with_metadata:
            # The SDK's own method, so that the columns mean what they mean in every SDK target.
            values = dict(zip(self._names, row, strict=True))
            self._add_sdc_metadata_to_record(values, dict(message), self._get_context(values))
            row = tuple(map(values.get, self._names))
        self._uncounted += 1
        self._add_row(row, size, line)
        return self._batch_records_read + self._uncounted

    @override
    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        """Take a record that went through the SDK: stream maps, flattening, validation."""
        self._decoder.note_unknown(record)
        self._add_row(tuple(map(record.get, self._names)), 0, self._target.line)

    @override
    def _validate_and_parse(self, record: dict[str, Any]) -> dict[str, Any]:
        # The SDK's also parses dates, one value at a time, and logs a traceback for a record that is refused.
        if self._validator is not None:
            try:
                self._validator.validate(record)
            except InvalidRecord as error:
                raise RecordError(
                    f"Stream '{self.stream_name}': the record of line {self._target.line:,} breaks its schema"
                    f"{broken_rule(error)}. Correct the tap, or set validate_records to false.",
                ) from error
            except (ArithmeticError, TypeError, RecursionError) as error:
                # jsonschema divides by `multipleOf`, which fails on exponents that are far apart.
                raise RecordError(
                    f"Stream '{self.stream_name}': the record of line {self._target.line:,} cannot be checked against "
                    f"its schema ({type(error).__name__}). Set validate_records to false.",
                ) from error
        return record

    @override
    def _singer_validate_message(self, record: dict[str, Any]) -> None:
        # Keys are looked at once for a chunk, where NULLs are counted anyway.
        return

    @override
    def clean_up(self) -> None:
        self.name_unknown()
        super().clean_up()

    def name_unknown(self) -> None:
        """Name the unknown properties that have had no line of their own."""
        self._decoder.unknown.name_rest()

    def _add_row(self, row: tuple[Any, ...], size: int, line: int) -> None:
        if not row:
            raise SchemaError(
                f"Stream '{self.stream_name}' has records but no properties, so there is nothing to load them into. "
                "Select properties in the tap, or deselect the stream.",
            )
        self._rows.append(row)
        self._lines.append(line)
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
            array, column_type = self._convert_column(name, values)
            if column_type.is_number:
                # The chunks that follow most likely need the same decimals.
                self._wires[name] = ColumnType(column_type.base, column_type.depth, self._columns[name].from_text)
            arrays.append(array)
            types.append(column_type)
        batch = pa.RecordBatch.from_arrays(arrays, names=[f"c{index}" for index in range(len(arrays))])
        self._chunks.append((tuple(types), batch))
        self._rows = []
        self._lines = []
        self._row_bytes = 0
        self.tally_record_read(self._uncounted)
        self.record_counter_metric.increment(self._uncounted)
        self._uncounted = 0

    def _convert_column(self, name: str, values: Sequence[Any]) -> tuple[pa.Array, ColumnType]:
        wire = self._wires[name]
        try:
            array, column_type, cut = convert(values, wire)
        except RefusedValueError as error:
            raise self._refusal(name, values, error) from error
        is_key = name in self.key_properties and self._method != "append-only"
        if is_key and array.null_count:
            line = self._lines[values.index(None)]
            raise MissingKeyError(
                f"{self._where(name)}: the record of line {line:,} has no value for it, though it belongs to the key "
                f"{list(self.key_properties)}. Correct the tap, or load with load_method append-only.",
            )
        if cut and is_key:
            line = next(one for one, value in zip(self._lines, values, strict=True) if convert([value], wire).cut)
            raise RecordError(
                f"{self._where(name)}: the date-time of line {line:,} is finer than microseconds, and belongs to the "
                f"key: rows that differ below a microsecond would become one. Load it as text, by a stream map such as "
                f'{{"{self.source}": {{"{name}": "str({name})"}}}}, or load with load_method append-only.',
            )
        if cut and name not in self._cut_told:
            self._cut_told.add(name)
            self.logger.warning("%s: date-times finer than microseconds are cut", self._where(name))
        return array, column_type

    def _refusal(self, name: str, values: Sequence[Any], error: RefusedValueError) -> RecordError:
        """Name the line of the first value that is refused by itself; there is none where only all together are."""
        where = self._where(name)
        for line, value in zip(self._lines, values, strict=True):
            if (one := _refused(value, self._wires[name])) is not None:
                where, error = f"{where}, line {line:,} of the input", one
                break
        if expression := self.computed.get(name):
            return RecordError(
                f"{where}: {error}. The column is computed by stream_maps, and its type is read from how the "
                f"expression begins: write int({expression}), float({expression}), bool({expression}) or "
                f"str({expression}).",
            )
        return RecordError(f"{where}: {error}. Correct the stream's schema in the tap, or deselect the property.")

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
            self.logger.warning("Stream %s has no properties: it gets no table", shorten(self.stream_name))
            self._prepared = True
            return
        try:
            self._write(connection)
        except duckdb.Error as error:
            if is_about_the_file(error):
                raise
            raise SchemaError(
                f"Stream '{self.stream_name}': DuckDB refuses to load the table {self.destination}: "
                f"{plain_text(error)}. If the table was made by hand, look at its constraints, defaults and generated "
                "columns; or load into another schema.",
            ) from error

    def _write(self, connection: duckdb.DuckDBPyConnection) -> None:
        loader = TableLoader(connection, self.staged, self.stream_name)
        if self._target.begin_table(self):
            # Left by an overwrite that was killed.
            TableLoader(connection, self._beside, self.stream_name).drop()
            if self._method == "overwrite":
                TableLoader(connection, self.destination, self.stream_name).refuse_view()
        segments = self._take_segments()
        types = loader.prepare(self._columns, segments)
        if segments:
            keys = () if self._method == "append-only" else self.key_properties
            self.tally_duplicate_merged(loader.load(types, segments, keys, drop_deleted=self._drops_deleted))
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
            newest = loader.newest_version()
            if newest is not None and newest > new_version:
                self.logger.warning(
                    "Stream %s: ACTIVATE_VERSION %d is older than the version %d of rows in the table; those rows stay",
                    shorten(self.stream_name),
                    new_version,
                    newest,
                )
            if self.config["hard_delete"]:
                loader.delete_versions_before(new_version, self.sync_started_at)
            else:
                loader.flag_versions_before(new_version, self.sync_started_at)


def _refused(value: Any, wire: ColumnType) -> RefusedValueError | None:
    try:
        convert([value], wire)
    except RefusedValueError as error:
        return error
    return None
