"""The target: messages to sinks, when what is written, and which STATE may go out."""

from __future__ import annotations

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
from target_duckdb_arrow.settings import CONFIG, read_environment, unknown_settings
from target_duckdb_arrow.sinks import DuckDBSink
from target_duckdb_arrow.tables import read_columns
from target_duckdb_arrow.versions import Versions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import duckdb
    import msgspec
    from singer_sdk.helpers.capabilities import CapabilitiesEnum
    from singer_sdk.mapper import StreamMap
    from singer_sdk.sinks import Sink


class TargetDuckDBArrow(CommandLineTarget):
    """Loads Singer streams into a DuckDB file, exactly."""

    name = "target-duckdb-arrow"
    package_name = "target-duckdb-arrow"
    default_sink_class = DuckDBSink
    message_reader_class = LineReader
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
        # A setting that is null is not set: its default holds.
        config = {name: value for name, value in (config or {}).items() if value is not None}
        try:
            super().__init__(config=config, parse_env_config=parse_env_config, validate_config=validate_config)
        except (LoadError, SingerSDKError):
            raise
        except Exception as error:
            # The SDK's reading of nested settings fails in many ways on values of another type.
            raise SettingError(
                f"Settings: one of them has a wrong form, such as stream_maps or flattening ({type(error).__name__}: "
                f"{one_line(error)}). See {self.name} --about.",
            ) from error
        prefix = self._env_var_prefix if parse_env_config else None
        for warning in unknown_settings(self.config, self.config_jsonschema["properties"], prefix):
            self.logger.warning("%s", warning)
        assert isinstance(self.message_reader, LineReader)  # noqa: S101 - tells the type checker of message_reader_class
        self._reader: LineReader = self.message_reader
        self._evidence = Evidence()
        self._last_lines = self._evidence.last_lines
        self._versions = Versions(self._sinks_of, self.logger)
        self.database = Database(self.config.get("filepath", ""), self.config["lock_timeout"], self.logger)
        self._schemas: dict[str, tuple[bytes, Sequence[str] | None]] = {}
        self._direct: dict[str, DuckDBSink] = {}
        self._destinations: dict[tuple[str, str], DuckDBSink] = {}
        self._begun: dict[tuple[str, str], DuckDBSink] = {}
        self._finished = self.config["load_method"] != "overwrite"
        # Looked at for each record, where the SDK's `config` would cost more than the rest of the bookkeeping.
        self._batch_rows: int = self.config["batch_size_rows"]
        self._batch_bytes: int = self.config["max_batch_bytes"]
        self._bytes = 0
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._written_state: str | None = None

    @property
    def _env_var_config(self) -> dict[str, Any]:
        # The SDK's also reads a .env file above the installed package, which would override the environment.
        self.append_builtin_config(self.config_jsonschema)
        return read_environment(self.config_jsonschema["properties"], self._env_var_prefix)

    @property
    def line(self) -> int:
        """Number of the line of the input that is being read."""
        return self._reader.line

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The open transaction, while a batch is written."""
        if self._connection is None:
            raise RuntimeError("no transaction is open")
        return self._connection

    @cached_property
    def catalogue(self) -> dict[tuple[str, str], Mapping[str, str]]:
        """The columns of all tables when the first stream begins, and as this run then changes them."""
        with self.database.transaction() as connection:
            return dict(read_columns(connection))

    def columns_of(self, sink: DuckDBSink) -> Mapping[str, str]:
        """Give the columns of the table a sink writes to: folded names and types in SQL; none if it is not there."""
        catalogue = self.catalogue  # read in any case, so that a file which cannot be opened is reported early
        name = sink.staged.folded
        if not self._finished and name not in self._begun:
            return {}  # at most the rest of an earlier run, soon dropped
        return catalogue.get(name, {})

    def begin_table(self, sink: DuckDBSink) -> bool:
        """Note that the sink's table is written; True the first time in this run."""
        first = sink.staged.folded not in self._begun
        self._begun[sink.staged.folded] = sink
        return first

    # Messages. The SDK's methods for single messages are private, but `listen` calls nothing else.

    @override
    def _process_schema_message(self, message_dict: dict[str, Any]) -> None:
        stream = message_dict.get("stream", "")
        keys = message_dict.get("key_properties")
        text = bytes(message_dict.get("schema", b"null"))
        self._evidence.last_lines[stream] = self._reader.line
        if self._schemas.get(stream) == (text, keys):
            return  # taps of singer-sdk repeat it for each partition
        schema = decode_json(text, f"Stream '{stream}': the schema of line {self.line:,}")
        if not stream or not isinstance(schema, dict) or not isinstance(schema.get("properties"), dict):
            raise SchemaError(f"A SCHEMA message, of stream {shorten(stream)}, has no 'properties'. Check the tap.")
        if stream in self._schemas:
            # The table first gets what came under the old schema; the new one is then held against the result.
            self.drain_all()
            for sink in self._sinks_of(stream):
                sink.name_unknown()
        elif not self._finished:
            self._refuse_resumed(stream, message_dict.get("bookmark_properties"), schema)
        self._schemas[stream] = (text, keys)
        if self.config.get("flattening_enabled"):
            schema = self._in_one_line(stream, plain_schema, schema)
        self._in_one_line(
            stream,
            super()._process_schema_message,
            {"type": "SCHEMA", "stream": stream, "schema": schema, "key_properties": keys},
        )
        self._direct.pop(stream, None)
        maps = self.mapper.stream_maps[stream]
        for stream_map in maps:
            self._prepare(stream, stream_map, schema)
        plain = len(maps) == 1 and type(maps[0]) is SameRecordTransform and not maps[0].flattening_enabled
        if plain and not self.config["validate_records"]:
            self._direct[stream] = self._sink(stream)
        self._versions.begin(stream)

    def _in_one_line(self, stream: str, step: Callable[[dict[str, Any]], Any], argument: dict[str, Any]) -> Any:
        """Do a step of the SDK that fails in many ways on a schema that is not one."""
        try:
            return step(argument)
        except (LoadError, SingerSDKError):
            raise
        except RecursionError as error:
            raise SchemaError(f"Stream '{stream}': its schema is nested too deeply. Check the tap.") from error
        except Exception as error:
            raise SchemaError(
                f"Stream '{stream}': its schema cannot be read ({type(error).__name__}: {one_line(error)}). Check the "
                "tap, and what stream_maps and flattening make of it.",
            ) from error

    def _prepare(self, stream: str, stream_map: StreamMap, schema: dict[str, Any]) -> None:
        sink = self._sink(stream_map.stream_alias)
        sink.source = stream
        sink.computed = self._computed(stream, schema)
        sink.removed = isinstance(stream_map, RemoveRecordTransform)
        if sink.removed:
            return
        if stream_map.flattening_options and stream_map.flattening_enabled:
            flatten = record_flattener(stream_map.transformed_schema, stream_map.flattening_options)
            stream_map.flatten_record = flatten  # type: ignore[method-assign, assignment]
        self._claim(sink)
        # Not in the sink's setup(), for whose errors the SDK logs a line of its own.
        sink.plan(self.columns_of(sink))

    def _computed(self, stream: str, schema: dict[str, Any]) -> dict[str, str]:
        """Collect the columns that stream maps compute, and whose type the SDK reads from the expression."""
        maps = (self.config.get("stream_maps") or {}).items()
        return {
            column: expression
            for name, definition in maps
            if isinstance(definition, dict) and fnmatch(stream, str(definition.get("__source__", name)))
            for column, expression in definition.items()
            if isinstance(expression, str) and not column.startswith("__") and column not in schema["properties"]
        }

    def _refuse_resumed(self, stream: str, bookmarks: Sequence[str] | None, schema: dict[str, Any]) -> None:
        """Refuse to overwrite a table by the new rows of an incremental run."""
        if self._evidence.resumed(stream, bookmarks, schema):
            raise UnfinishedError(
                f"Stream '{stream}': the tap resumes from a state, and load_method overwrite would replace the whole "
                "table by its new rows. Run it with `meltano run --full-refresh`, or set load_method to upsert.",
            )

    def _sink(self, name: str) -> DuckDBSink:
        sink = self.get_sink(name)
        assert isinstance(sink, DuckDBSink)  # noqa: S101 - tells the type checker of default_sink_class
        return sink

    def _sinks_of(self, stream: str) -> list[DuckDBSink]:
        """Return the sinks of a stream of the tap; more than one where stream maps copy it."""
        return [self._sink(one.stream_alias) for one in self.mapper.stream_maps[stream]]

    def _claim(self, sink: DuckDBSink) -> None:
        """Refuse two streams with one table, whose rows would replace each other."""
        other = self._destinations.setdefault(sink.destination.folded, sink)
        if other.stream_name != sink.stream_name:
            raise SchemaError(
                f"Streams '{other.stream_name}' and '{sink.stream_name}' would both be loaded into the table "
                f"{sink.destination}. Rename one by a stream map (__alias__).",
            )

    @override
    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        stream = message_dict.get("stream", "")
        record = message_dict.get("record")
        line = self._reader.line
        if record is None:
            raise InputError(
                f"A RECORD message, of stream {shorten(stream)}, has no 'record' (line {line:,}). Check the tap."
            )
        size = len(record)
        self._bytes += size
        self._last_lines[stream] = line
        sink = self._direct.get(stream)
        if sink is not None:
            gathered = sink.receive(message_dict, size, line)  # type: ignore[arg-type]  # the reader's Message
            full = gathered >= self._batch_rows
        else:
            full = self._process_mapped(stream, message_dict, record)
        if full or self._bytes >= self._batch_bytes:
            self.drain_all()

    def _process_mapped(self, stream: str, message: dict[str, Any], record: msgspec.Raw) -> bool:
        """Send a record through the SDK's way; tell whether a batch is full."""
        if stream not in self.mapper.stream_maps:
            raise UnknownStreamError(
                f"Stream '{stream}': a message came before the stream's SCHEMA message (line {self.line:,}). Check the "
                "tap.",
            )
        where = f"Stream '{stream}', line {self.line:,} of the input"
        content = decode_json(record, f"Stream '{stream}': the record of line {self.line:,}")
        if not isinstance(content, dict):
            raise InputError(f"{where}: a record is {describe(content)} instead of an object. Check the tap.")
        try:
            super()._process_record_message({**message, "record": content})
        except LoadError:
            raise
        except Exception as error:
            # Any error: expressions of stream maps are the user's. Its text may quote values of the record.
            cause = error.__cause__ or error
            name = getattr(cause, "func_name", None) or getattr(cause, "name", None)
            reason = f"{type(cause).__name__}{f': {shorten(name)}' if isinstance(name, str) else ''}"
            raise RecordError(
                f"{where}: stream_maps or flattening cannot process the record ({reason}). Correct these settings; "
                "`record.get('x')` is null where a record has no x.",
            ) from error
        return any(sink.gathered >= self._batch_rows for sink in self._sinks_of(stream))

    @override
    def _process_state_message(self, message_dict: dict[str, Any]) -> None:
        text = message_dict.get("value")
        value = None if text is None else decode_json(text, f"The STATE of line {self.line:,}")
        if text is None or not isinstance(value, dict):
            raise InputError(f"A STATE message has no object as its 'value' (line {self.line:,}). Check the tap.")
        self._evidence.note_state(value, self.line)
        self._versions.activate()
        # Kept as it was written: the SDK's way through json would fail on decimals, which its reader makes of floats.
        self._latest_state = bytes(text).decode()  # type: ignore[assignment]
        self._handle_max_record_age()

    @override
    def _process_activate_version_message(self, message_dict: dict[str, Any]) -> None:
        stream = message_dict.get("stream", "")
        self._versions.announce(stream, message_dict.get("version"), known=stream in self.mapper.stream_maps)

    @override
    def _process_batch_message(self, message_dict: dict[str, Any]) -> None:
        raise InputError(
            f"Stream '{message_dict.get('stream')}': BATCH messages are not supported. Remove batch_config from the "
            "tap's settings.",
        )

    # Writing

    @override
    def _drain_all(self, sink_list: Iterable[Sink], parallelism: int) -> None:
        # The SDK drains sinks in threads, each by itself. Here all are written in one transaction.
        self._bytes = 0
        sinks = [sink for sink in sink_list if isinstance(sink, DuckDBSink) and sink.has_work]
        for sink in sinks:
            sink.convert_rows()
        if not sinks:
            return
        with self.database.transaction() as self._connection:
            for sink in sinks:
                if sink.current_size:
                    self.drain_one(sink)
                else:
                    sink.write(self._connection)
        self._connection = None

    @override
    def process_endofpipe(self) -> None:
        """Write what is left; with overwrite put the new tables in the place of the old ones.

        Raises:
            UnfinishedError: With overwrite, the input does not show that the tap finished a stream.
        """
        self._versions.end(stateless=not self._evidence.state_line)
        if not self._finished:
            self.drain_all()
            self._replace_tables()
            self._finished = True
        super().process_endofpipe()

    def _replace_tables(self) -> None:
        with self.database.transaction() as connection:
            replaced, unfinished = replace_tables(
                connection,
                self._begun.values(),
                self._evidence,
                without_state=self.config["overwrite_without_state"],
            )
        if replaced:
            self.logger.warning("%s", replaced)
        if unfinished is not None:
            raise unfinished

    @override
    def _write_state_message(self, state: Any) -> None:
        # The SDK calls this at the end of drain_all, when every sink is committed.
        if self._finished and state != self._written_state:
            self._written_state = state
            write_line(state)
