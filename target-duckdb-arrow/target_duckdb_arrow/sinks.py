"""The sink of one stream: collects records as chunks of Arrow columns, and loads a batch of chunks into its table."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby, islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
from singer_sdk.exceptions import InvalidJSONSchema, InvalidRecord
from singer_sdk.sinks.core import JSONSchemaValidator
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
from target_duckdb_arrow.records import READ_BYTES, RecordDecoder
from target_duckdb_arrow.sdk import SDKSink
from target_duckdb_arrow.tables import ORDINAL, Segment, TableLoader, TableName, fold, merge_types
from target_duckdb_arrow.types import JSON, ColumnType, type_from_schema

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_duckdb_arrow.records import Message
    from target_duckdb_arrow.target import TargetDuckDBArrow

# Small enough that parsed rows take little memory, large enough to make the cost per column negligible.
_CHUNK_ROWS = 4096
_CHUNK_BYTES = 8 * 1024 * 1024


class DuckDBSink(SDKSink):
    """The collected records of one stream and schema. The target decides when they are loaded."""

    def __init__(
        self,
        target: TargetDuckDBArrow,
        stream_name: str,
        schema: dict[str, Any],
        key_properties: Sequence[str] | None,
    ) -> None:
        # The SDK adds or removes `_sdc_` properties, also those that a tap declares: it gets a copy.
        super().__init__(target, stream_name, {**schema, "properties": dict(schema["properties"])}, key_properties)
        self._target = target
        self._method: str = self.config["load_method"]
        # hard_delete needs the version of each row. The SDK adds all of its metadata columns or none.
        self._with_metadata = bool(self.config.get("add_record_metadata") or self.config.get("hard_delete"))
        properties: dict[str, Any] = dict(schema["properties"])
        if self._with_metadata:
            own = {name: one for name, one in properties.items() if name not in METADATA_SCHEMA}
            properties = {**own, **METADATA_SCHEMA}
        self.schema = {**schema, "properties": properties}
        self._schema_validator = self._make_validator() if self.config["validate_records"] else None
        check_names(stream_name, properties, self.key_properties)
        self._names = list(properties)
        self._columns = {
            name: type_from_schema(definition if isinstance(definition, dict) else {})
            for name, definition in properties.items()
        }
        # Types in which values are sent to DuckDB: as the schema requires, unless the table's column decides.
        self._wires = dict(self._columns)
        self._drops_deleted = bool(self.config.get("hard_delete")) and self._method != "append-only"
        self._decoder = RecordDecoder(stream_name, self._names, self.logger)
        self._rows: list[tuple[Any, ...]] = []
        self._row_bytes = 0
        self._waiting = 0
        self._lines: list[int] = []
        self._version: int | None = None
        self._has_records = False
        self._chunks: list[tuple[tuple[ColumnType, ...], pa.RecordBatch]] = []
        self._cut_reported: set[str] = set()
        self._prepared = False
        self.destination = table_name(stream_name, self.config.get("default_target_schema"))
        """The table as the user sees it."""
        self.removed = False
        """Whether a stream map removes the stream. It then has no table."""
        self.source = stream_name
        """The tap's stream from which a stream map creates this one."""
        self.computed: dict[str, str] = {}
        """Computed columns and the expressions of their stream maps."""

    @property
    def replaced(self) -> TableName:
        """The table in which overwrite keeps the one it replaced."""
        return TableName(self.destination.schema, self.destination.table + REPLACED_SUFFIX)

    @property
    def staged(self) -> TableName:
        """The table that is written. With overwrite, a second one that replaces the user's at the end."""
        return self._successor if self._method == "overwrite" else self.destination

    @property
    def _successor(self) -> TableName:
        return TableName(self.destination.schema, self.destination.table + STAGED_SUFFIX)

    @property
    def carries_versions(self) -> bool:
        """Whether rows have the `_sdc_` columns, and with them the version of their table."""
        return self._with_metadata

    def has_version(self, version: int) -> bool:
        """Return whether records of a version were received in this run. Records without one count as any version."""
        return self._has_records and self._version in {version, None}

    @property
    def gathered(self) -> int:
        """Records received and not yet loaded."""
        return self._waiting

    @property
    def has_work(self) -> bool:
        """Whether records are waiting, or the table has yet to be created."""
        return bool(self._waiting or not (self._prepared or self.removed))

    @override
    def get_validator(self) -> None:
        """Return no validator: the SDK would request it before the schema has its `_sdc_` properties."""

    def _make_validator(self) -> JSONSchemaValidator:
        try:
            return JSONSchemaValidator(self.schema)
        except InvalidJSONSchema as error:
            reason = str(error).splitlines()[0]
            raise SchemaError(
                f"Stream '{self.stream_name}': the schema is not a valid JSON Schema: {reason}. Check the tap.",
            ) from error

    def plan(self, present: Mapping[str, str]) -> None:
        """Adapt to the existing columns of the table.

        Args:
            present: folded names and SQL types.

        Raises:
            SchemaError: A column cannot follow the schema.
        """
        for name, asked in self._columns.items():
            merged = merge_types(present.get(fold(name)), asked, self._where(name))
            if merged == JSON or merged.is_number:
                self._wires[name] = replace(merged, from_text=asked.from_text)

    def _where(self, name: str) -> str:
        return f"Stream '{self.stream_name}', column '{name}'"

    # Receiving

    def receive_run(self, lines: Sequence[bytes], first: int, most_rows: int, most_bytes: int) -> int:
        """Receive lines up to the first that needs `receive`. Near the end of a batch or a chunk, all need it.

        Args:
            lines: lines of the input.
            first: number of the first one.
            most_rows: records that the batch has room for.
            most_bytes: bytes that the batch has room for.

        Returns:
            The number of received lines.

        Raises:
            RecordError: A value of the chunk does not fit.
        """
        if self._with_metadata or min(most_bytes, _CHUNK_BYTES - self._row_bytes) < READ_BYTES:
            return 0
        rows = self._decoder.decode_run(islice(lines, min(most_rows, _CHUNK_ROWS - len(self._rows))))
        if rows:
            self._add_rows(rows, sum(map(len, islice(lines, len(rows)))), first)
        return len(rows)

    def receive(self, message: Message, size: int, line: int) -> None:
        """Receive a RECORD message that needs no stream map, flattening or validation.

        Raises:
            RecordError: It cannot be read, or a value of its chunk does not fit.
        """
        row = self._decoder.decode(message["record"], line)
        if self._with_metadata:
            values = dict(zip(self._names, row, strict=True))
            self._add_own_metadata(values, message)
            row = tuple(map(values.get, self._names))
        self._add_rows([row], size, line)

    def receive_mapped(self, record: dict[str, Any], message: Message, size: int, line: int) -> None:
        """Receive a record that stream maps and flattening may have changed.

        Raises:
            RecordError: It does not match its schema, or a value of its chunk does not fit.
        """
        if self._with_metadata:
            self._add_own_metadata(record, message)
        self._validate(record, line)
        self._decoder.note_unknown(record)
        self._add_rows([tuple(map(record.get, self._names))], size, line)

    def _add_own_metadata(self, record: dict[str, Any], message: Message) -> None:
        self.add_metadata(record, message)
        if self._drops_deleted:
            # The row is deleted, so any value marks it. Some taps send one that is not a date-time.
            record[DELETED_AT] = record["_sdc_received_at"] if record[DELETED_AT] else None
        self._version = message.get("version")
        self._has_records = True

    def _validate(self, record: dict[str, Any], line: int) -> None:
        if self._schema_validator is None:
            return
        try:
            self._schema_validator.validate(record)
        except InvalidRecord as error:
            raise RecordError(
                f"Stream '{self.stream_name}': the record of line {line:,} does not match its schema"
                f"{broken_rule(error)}. Correct the tap, or set validate_records to false.",
            ) from error
        except (ArithmeticError, TypeError, RecursionError) as error:
            # jsonschema divides by `multipleOf`. The division fails on exponents that are far apart.
            raise RecordError(
                f"Stream '{self.stream_name}': the record of line {line:,} cannot be validated "
                f"({type(error).__name__}). Set validate_records to false.",
            ) from error

    @override
    def clean_up(self) -> None:
        self._decoder.unknown.name_rest()
        super().clean_up()

    def _add_rows(self, rows: Sequence[tuple[Any, ...]], size: int, first: int) -> None:
        if not self._names:
            raise SchemaError(
                f"Stream '{self.stream_name}': the stream has records but no properties to load. Select properties in "
                "the tap, or deselect the stream.",
            )
        self._waiting += len(rows)
        self._rows.extend(rows)
        self._lines.extend(range(first, first + len(rows)))
        self._row_bytes += size
        self._target.waiting_bytes += size
        if len(self._rows) >= _CHUNK_ROWS or self._row_bytes >= _CHUNK_BYTES:
            self.convert_rows()

    def convert_rows(self) -> None:
        """Convert the received rows to a chunk of Arrow columns.

        Raises:
            RecordError: A value does not fit its column.
            MissingKeyError: A record has no value for a key column.
        """
        if not self._rows:
            return
        arrays = []
        types = []
        for name, values in zip(self._names, zip(*self._rows, strict=True), strict=True):
            array, column_type = self._convert_column(name, values)
            if column_type.is_number:
                # The next chunks most likely need the same number of decimals, and are not all whole.
                self._wires[name] = ColumnType(column_type.base, column_type.depth, self._columns[name].from_text)
            arrays.append(array)
            types.append(column_type)
        batch = pa.RecordBatch.from_arrays(arrays, names=[f"c{index}" for index in range(len(arrays))])
        self._chunks.append((tuple(types), batch))
        self._target.waiting_bytes += batch.nbytes - self._row_bytes
        self.tally_record_read(len(self._rows))
        self.record_counter_metric.increment(len(self._rows))
        self._rows = []
        self._lines = []
        self._row_bytes = 0

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
                f"{self._where(name)}: the record of line {line:,} has no value for this column of the key "
                f"{list(self.key_properties)}. Correct the tap, or set load_method to append-only.",
            )
        if cut and is_key:
            line = next(one for one, value in zip(self._lines, values, strict=True) if convert([value], wire).cut)
            raise RecordError(
                f"{self._where(name)}: the date-time of line {line:,} is finer than microseconds and part of the key, "
                f"so different rows could become one. Load it as text with a stream map such as "
                f'{{"{self.source}": {{"{name}": "str({name})"}}}}, or set load_method to append-only.',
            )
        if cut and name not in self._cut_reported:
            self._cut_reported.add(name)
            self.logger.warning("%s: date-times are truncated to microseconds", self._where(name))
        return array, column_type

    def _refusal(self, name: str, values: Sequence[Any], error: RefusedValueError) -> RecordError:
        """Add the line of the first value that does not fit, if a single value is at fault."""
        where = self._where(name)
        for line, value in zip(self._lines, values, strict=True):
            if (one := _refused(value, self._wires[name])) is not None:
                where, error = f"{where}, line {line:,} of the input", one
                break
        if expression := self.computed.get(name):
            return RecordError(
                f"{where}: {error}. The column is computed by stream_maps, which infers its type from the start of the "
                f"expression: write int({expression}), float({expression}), bool({expression}) or "
                f"str({expression}).",
            )
        return RecordError(f"{where}: {error}. Correct the stream's schema in the tap, or deselect the property.")

    # Writing

    @override
    def process_batch(self, context: dict[str, Any]) -> None:
        self.write(self._target.connection)

    def write(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Create or change the table, and load the received records into it.

        Raises:
            SchemaError: A column cannot follow the schema or the values.
        """
        if not self._columns:
            self.logger.warning("Stream %s: no properties, so no table is created", shorten(self.stream_name))
            self._prepared = True
            return
        try:
            self._write(connection)
        except duckdb.Error as error:
            if is_about_the_file(error):
                raise
            raise SchemaError(
                f"Stream '{self.stream_name}': DuckDB cannot write to the table {self.destination}: "
                f"{plain_text(error)}. If the table was created by hand, check its constraints, defaults and generated "
                "columns, or load into another schema.",
            ) from error

    def _write(self, connection: duckdb.DuckDBPyConnection) -> None:
        loader = TableLoader(connection, self.staged, self.stream_name)
        if self._target.begin_table(self):
            # Left by an overwrite that was killed.
            TableLoader(connection, self._successor, self.stream_name).drop()
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
        """Join consecutive chunks of the same types, and number all rows."""
        segments = []
        start = 0
        for types, chunks in groupby(self._chunks, key=itemgetter(0)):
            table = pa.Table.from_batches([chunk for _, chunk in chunks])
            ordinals = pa.array(range(start, start + table.num_rows), pa.int64())
            segments.append(Segment(table.append_column(ORDINAL, ordinals), types))
            start += table.num_rows
        self._chunks = []
        self._waiting = 0
        return segments

    @override
    def activate_version(self, new_version: int) -> None:
        """Load the rows received so far, then delete (`hard_delete`) or flag the rows of older versions."""
        if self._method == "overwrite" or self.removed or not self._columns:
            return  # overwrite leaves no older rows
        self._target.write_all()
        with self._target.database.transaction() as connection:
            loader = TableLoader(connection, self.destination, self.stream_name)
            newest = loader.newest_version()
            if newest is not None and newest > new_version:
                self.logger.warning(
                    "Stream %s: ACTIVATE_VERSION %d is older than version %d in the table; the newer rows are kept",
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
