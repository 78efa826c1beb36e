"""The target: distributes messages to sinks, and decides when to write and which STATE to print."""

from __future__ import annotations

import time
from fnmatch import fnmatch
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk.exceptions import SingerSDKError
from singer_sdk.helpers.capabilities import PluginCapabilities, TargetCapabilities
from singer_sdk.mapper import RemoveRecordTransform, SameRecordTransform
from typing_extensions import override

from target_duckdb_arrow.command_line import CommandLineTarget, write_line
from target_duckdb_arrow.database import Database
from target_duckdb_arrow.errors import (
    InputError,
    LoadError,
    RecordError,
    SchemaError,
    SettingError,
    UnfinishedError,
    UnknownStreamError,
    describe,
    one_line,
    shorten,
)
from target_duckdb_arrow.flattening import plain_schema, record_flattener
from target_duckdb_arrow.overwrite import Evidence, replace_tables
from target_duckdb_arrow.records import LineReader, decode_json
from target_duckdb_arrow.sdk import set_flattener
from target_duckdb_arrow.settings import CONFIG, VARIABLE_PREFIX, read_environment, unknown_settings
from target_duckdb_arrow.sinks import DuckDBSink
from target_duckdb_arrow.tables import read_columns
from target_duckdb_arrow.versions import Versions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import duckdb
    import msgspec
    from singer_sdk.helpers.capabilities import CapabilitiesEnum
    from singer_sdk.mapper import StreamMap

    from target_duckdb_arrow.records import Message

_LONGEST_WAIT = 300.0  # seconds that records of a slow tap wait


class TargetDuckDBArrow(CommandLineTarget):
    """Loads Singer streams into a DuckDB file, exactly."""

    name = "target-duckdb-arrow"
    package_name = "target-duckdb-arrow"
    default_sink_class = DuckDBSink
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.ACTIVATE_VERSION,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
        TargetCapabilities.HARD_DELETE,
        TargetCapabilities.SOFT_DELETE,
        TargetCapabilities.TARGET_SCHEMA,
        TargetCapabilities.VALIDATE_RECORDS,
    ]
    config_jsonschema: ClassVar[dict[str, Any]] = CONFIG

    def __init__(
        self,
        *,
        config: dict[str, Any] | None = None,
        parse_env_config: bool = False,
        validate_config: bool = True,
    ) -> None:
        # A null setting counts as not set, so its default applies.
        config = {name: value for name, value in (config or {}).items() if value is not None}
        self._reader = LineReader(
            {
                "SCHEMA": self._read_schema,
                "RECORD": self._read_record,
                "STATE": self._read_state,
                "ACTIVATE_VERSION": self._read_version,
                "BATCH": self._refuse_batch,
            },
            self._read_run,
        )
        try:
            super().__init__(
                config=config,
                parse_env_config=parse_env_config,
                validate_config=validate_config,
                message_reader=self._reader,
            )
        except (LoadError, SingerSDKError):
            raise
        except Exception as error:
            # The SDK fails in many ways on nested settings of the wrong type.
            raise SettingError(
                f"Settings: a value has the wrong form, probably in stream_maps or flattening ({type(error).__name__}: "
                f"{one_line(error)}). See {self.name} --about.",
            ) from error
        prefix = VARIABLE_PREFIX if parse_env_config else None
        for warning in unknown_settings(self.config, self.config_jsonschema["properties"], prefix):
            self.logger.warning("%s", warning)
        self._evidence = Evidence()
        self._last_lines = self._evidence.last_lines
        self._versions = Versions(self._sinks_of, self.logger)
        self.database = Database(self.config.get("filepath", ""), self.config["lock_timeout"], self.logger)
        self._schemas: dict[str, tuple[bytes, Sequence[str] | None]] = {}
        self._sinks: dict[str, DuckDBSink] = {}
        self._direct: dict[str, DuckDBSink] = {}
        # The stream of the last RECORD message, if its records go to their sink unchanged.
        self._latest = ""
        self._destinations: dict[tuple[str, str], DuckDBSink] = {}
        self._begun: dict[tuple[str, str], DuckDBSink] = {}
        self._finished = self.config["load_method"] != "overwrite"
        # Read for each record: the SDK's `config` would cost more than the rest of the bookkeeping.
        self._batch_rows: int = self.config["batch_size_rows"]
        self._batch_bytes: int = self.config["max_batch_bytes"]
        self.waiting_bytes = 0
        """Bytes of the waiting records: of their Arrow columns, and of lines that are not converted yet."""
        self._written_at = time.monotonic()
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._state: str | None = None
        self._written_state: str | None = None

    @override
    def read_environment(self) -> dict[str, Any]:
        self.append_builtin_config(self.config_jsonschema)
        return read_environment(self.config_jsonschema["properties"], VARIABLE_PREFIX)

    @property
    def line(self) -> int:
        """Number of the input line that is being read."""
        return self._reader.line

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The open transaction, while a batch is written."""
        if self._connection is None:
            raise RuntimeError("no transaction is open")
        return self._connection

    @cached_property
    def catalogue(self) -> dict[tuple[str, str], Mapping[str, str]]:
        """The columns of all tables, read before the first stream and updated by this run."""
        with self.database.transaction() as connection:
            return dict(read_columns(connection))

    def columns_of(self, sink: DuckDBSink) -> Mapping[str, str]:
        """Return the columns of a sink's table: folded names and SQL types. Empty if the table does not exist."""
        catalogue = self.catalogue  # always read, so that a file that cannot be opened is reported early
        name = sink.staged.folded
        if not self._finished and name not in self._begun:
            return {}  # at most left over from an earlier run, and dropped before the first batch
        return catalogue.get(name, {})

    def begin_table(self, sink: DuckDBSink) -> bool:
        """Record that the sink's table is written. Return True the first time in this run."""
        first = sink.staged.folded not in self._begun
        self._begun[sink.staged.folded] = sink
        return first

    # Messages

    def _read_schema(self, message: Message) -> None:
        stream = message.get("stream", "")
        keys = message.get("key_properties")
        text = bytes(message.get("schema", b"null"))
        self._last_lines[stream] = self.line
        if self._schemas.get(stream) == (text, keys):
            return  # taps built with singer-sdk repeat it for each partition
        schema = decode_json(text, f"Stream '{stream}': the schema of line {self.line:,}")
        if not stream or not isinstance(schema, dict) or not isinstance(schema.get("properties"), dict):
            raise SchemaError(
                f"Stream {shorten(stream)}: the SCHEMA message of line {self.line:,} has no 'properties'. Check "
                "the tap.",
            )
        if stream in self._schemas:
            # Rows of the old schema are written first. The new schema is then compared with the resulting table.
            self.write_all()
        elif not self._finished:
            self._refuse_resumed(stream, message.get("bookmark_properties"), schema)
        self._schemas[stream] = (text, keys)
        self._in_one_line(stream, lambda: self._register(stream, schema, keys))
        self._direct.pop(stream, None)
        maps = self.mapper.stream_maps[stream]
        for stream_map in maps:
            self._prepare(stream, stream_map, schema)
        plain = len(maps) == 1 and type(maps[0]) is SameRecordTransform and not maps[0].flattening_enabled
        if plain and not self.config["validate_records"]:
            self._direct[stream] = self._sinks[maps[0].stream_alias]
        self._versions.begin(stream)

    def _register(self, stream: str, schema: dict[str, Any], keys: Sequence[str] | None) -> None:
        """Create the stream maps and the sinks of a stream. A sink is kept if its schema has not changed."""
        if self.config.get("flattening_enabled"):
            schema = plain_schema(schema)
        self.mapper.register_raw_stream_schema(stream, schema, keys)
        for stream_map in self.mapper.stream_maps[stream]:
            name, mapped_keys = stream_map.stream_alias, stream_map.transformed_key_properties
            sink = self._sinks.get(name)
            wanted = (stream_map.transformed_schema, mapped_keys or [])
            if sink is None or (sink.original_schema, sink.key_properties) != wanted:
                if sink is not None:
                    sink.clean_up()
                added = self.add_sink(name, stream_map.transformed_schema, mapped_keys)
                assert isinstance(added, DuckDBSink)  # noqa: S101 - default_sink_class, for the type checker
                self._sinks[name] = added

    @staticmethod
    def _in_one_line(stream: str, step: Callable[[], None]) -> None:
        """Run a step in which the SDK fails in many ways on an invalid schema."""
        try:
            step()
        except (LoadError, SingerSDKError):
            raise
        except RecursionError as error:
            raise SchemaError(f"Stream '{stream}': the schema is nested too deeply. Check the tap.") from error
        except Exception as error:
            raise SchemaError(
                f"Stream '{stream}': the schema cannot be read ({type(error).__name__}: {one_line(error)}). Check the "
                "tap, stream_maps and flattening.",
            ) from error

    def _prepare(self, stream: str, stream_map: StreamMap, schema: dict[str, Any]) -> None:
        sink = self._sinks[stream_map.stream_alias]
        sink.source = stream
        sink.computed = self._computed(stream, schema)
        sink.removed = isinstance(stream_map, RemoveRecordTransform)
        if sink.removed:
            return
        if stream_map.flattening_options and stream_map.flattening_enabled:
            set_flattener(stream_map, record_flattener(stream_map.transformed_schema, stream_map.flattening_options))
        self._claim(sink)
        # Not in the sink's setup(): the SDK logs an additional line for its errors.
        sink.plan(self.columns_of(sink))

    def _computed(self, stream: str, schema: dict[str, Any]) -> dict[str, str]:
        """Collect the columns that stream maps compute. The SDK infers their type from the expression."""
        maps = (self.config.get("stream_maps") or {}).items()
        return {
            column: expression
            for name, definition in maps
            if isinstance(definition, dict) and fnmatch(stream, str(definition.get("__source__", name)))
            for column, expression in definition.items()
            if isinstance(expression, str) and not column.startswith("__") and column not in schema["properties"]
        }

    def _refuse_resumed(self, stream: str, bookmarks: Sequence[str] | None, schema: dict[str, Any]) -> None:
        """Refuse to overwrite a table with the new rows of an incremental run."""
        if self._evidence.resumed(stream, bookmarks, schema):
            raise UnfinishedError(
                f"Stream '{stream}': the tap resumes from a state, so load_method overwrite would replace the whole "
                "table with only the new rows. Use `meltano run --full-refresh`, or set load_method to upsert.",
            )

    def _sinks_of(self, stream: str) -> list[DuckDBSink]:
        """Return the sinks of a stream of the tap: more than one if stream maps copy it."""
        return [self._sinks[one.stream_alias] for one in self.mapper.stream_maps[stream]]

    def _claim(self, sink: DuckDBSink) -> None:
        """Refuse two streams with the same table, because their rows would replace each other."""
        other = self._destinations.setdefault(sink.destination.folded, sink)
        if other.stream_name != sink.stream_name:
            raise SchemaError(
                f"Streams '{other.stream_name}' and '{sink.stream_name}' would both be loaded into the table "
                f"{sink.destination}. Rename one with a stream map (__alias__).",
            )

    def _read_record(self, message: Message) -> None:
        stream = message.get("stream", "")
        record = message.get("record")
        line = self._reader.line
        if record is None:
            raise InputError(
                f"Stream {shorten(stream)}: the RECORD message of line {line:,} has no 'record'. Check the tap."
            )
        self._last_lines[stream] = line
        self._latest = stream
        sink = self._direct.get(stream)
        if sink is not None:
            sink.receive(message, self._reader.size, line)
            self._write_if_full([sink])
        else:
            self._read_mapped(stream, message, record)

    def _read_run(self, lines: Sequence[bytes]) -> int:
        """Receive lines as far as they are records of the last record's stream that fit. Return their number."""
        sink = self._direct.get(self._latest)
        if sink is None:
            return 0
        room = self._batch_rows - sink.gathered, self._batch_bytes - self.waiting_bytes
        received = sink.receive_run(lines, self.line + 1, *room)
        if received:
            self._last_lines[self._latest] = self.line + received
            self._write_if_full([sink])
        return received

    def _read_mapped(self, stream: str, message: Message, record: msgspec.Raw) -> None:
        """Pass a record through stream maps, flattening and validation."""
        if stream not in self.mapper.stream_maps:
            raise UnknownStreamError(
                f"Stream '{stream}': a RECORD message (line {self.line:,}) precedes the stream's SCHEMA message. Check "
                "the tap.",
            )
        where = f"Stream '{stream}', line {self.line:,} of the input"
        content = decode_json(record, f"Stream '{stream}': the record of line {self.line:,}")
        if not isinstance(content, dict):
            raise InputError(f"{where}: the record is {describe(content)}, not an object. Check the tap.")
        try:
            for stream_map in self.mapper.stream_maps[stream]:
                mapped = stream_map.transform(dict(content))
                if mapped is not None:
                    self._sinks[stream_map.stream_alias].receive_mapped(mapped, message, self._reader.size, self.line)
        except LoadError:
            raise
        except Exception as error:
            # Users write the expressions of stream maps, so any error is possible. Its text may quote the record.
            cause = error.__cause__ or error
            name = getattr(cause, "func_name", None) or getattr(cause, "name", None)
            reason = f"{type(cause).__name__}{f': {shorten(name)}' if isinstance(name, str) else ''}"
            raise RecordError(
                f"{where}: stream_maps or flattening failed on the record ({reason}). Correct these settings; "
                "`record.get('x')` returns null if the record has no x.",
            ) from error
        self._write_if_due()
        self._write_if_full(self._sinks_of(stream))

    def _read_state(self, message: Message) -> None:
        text = message.get("value")
        value = None if text is None else decode_json(text, f"The STATE of line {self.line:,}")
        if text is None or not isinstance(value, dict):
            raise InputError(f"The STATE message of line {self.line:,} has no object in 'value'. Check the tap.")
        self._evidence.note_state(value, self.line)
        self._versions.activate()
        self._state = bytes(text).decode()  # as the tap wrote it
        self._write_if_due()

    def _read_version(self, message: Message) -> None:
        stream = message.get("stream", "")
        self._versions.announce(stream, message.get("version"), known=stream in self.mapper.stream_maps)

    @staticmethod
    def _refuse_batch(message: Message) -> None:
        raise InputError(
            f"Stream '{message.get('stream')}': BATCH messages are not supported. Remove batch_config from the tap's "
            "settings.",
        )

    # Writing

    def write_all(self) -> None:
        """Write the waiting records of all streams in one transaction, then the latest STATE."""
        sinks = [sink for sink in self._sinks.values() if sink.has_work]
        for sink in sinks:
            sink.convert_rows()
        self.waiting_bytes = 0
        if sinks:
            with self.database.transaction() as self._connection:
                for sink in sinks:
                    if sink.current_size:
                        self.drain_one(sink)
                    else:
                        sink.write(self._connection)
                self.exit_if_stopped()
            self._connection = None
        self._write_state()
        self._written_at = time.monotonic()

    def _write_if_full(self, sinks: Sequence[DuckDBSink]) -> None:
        if self.waiting_bytes >= self._batch_bytes or any(sink.gathered >= self._batch_rows for sink in sinks):
            self.write_all()

    def _write_if_due(self) -> None:
        if time.monotonic() - self._written_at > _LONGEST_WAIT:
            self.write_all()

    @override
    def process_endofpipe(self) -> None:
        """Write the remaining records. With overwrite, replace the old tables with the new ones.

        Raises:
            UnfinishedError: With overwrite, the input does not show that the tap finished a stream.
        """
        self._versions.end(stateless=not self._evidence.state_line)
        self.write_all()
        if not self._finished:
            self._replace_tables()
            self._finished = True
            self._write_state()
        for sink in self._sinks.values():
            sink.clean_up()

    def _replace_tables(self) -> None:
        with self.database.transaction() as connection:
            replaced, unfinished = replace_tables(
                connection,
                self._begun.values(),
                self._evidence,
                without_state=self.config["overwrite_without_state"],
            )
            self.exit_if_stopped()
        if replaced:
            self.logger.warning("%s", replaced)
        if unfinished is not None:
            raise unfinished

    def _write_state(self) -> None:
        self.exit_if_stopped()
        if self._finished and self._state is not None and self._state != self._written_state:
            self._written_state = self._state
            write_line(self._state)
