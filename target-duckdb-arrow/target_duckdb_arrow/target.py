"""The target: its settings, and when what is written and which STATE may go out."""

from __future__ import annotations

import gc
import logging
import sys
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any, ClassVar, NoReturn

from singer_sdk import Target
from singer_sdk import typing as th
from singer_sdk.exceptions import ConfigValidationError, SingerSDKError
from singer_sdk.helpers.capabilities import PluginCapabilities, TargetCapabilities
from singer_sdk.mapper import RemoveRecordTransform, SameRecordTransform
from typing_extensions import override

from target_duckdb_arrow.database import Database
from target_duckdb_arrow.errors import InputError, LoadError, SchemaError, UnknownStreamError, excerpt
from target_duckdb_arrow.records import LineReader, decode_json
from target_duckdb_arrow.sinks import DuckDBSink
from target_duckdb_arrow.tables import TableLoader, read_columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from types import FrameType

    import click
    import duckdb
    import msgspec
    from singer_sdk.helpers.capabilities import CapabilitiesEnum
    from singer_sdk.plugin_base import _ConfigInput
    from singer_sdk.sinks import Sink

_GC_THRESHOLDS = (100_000, 50, 100)
_SIGNAL_EXIT = 128  # what shells add to the number of the signal that ended a program


class TargetDuckDBArrow(Target):
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
    _stop_code: ClassVar[int | None] = None
    config_jsonschema: ClassVar[dict[str, Any]] = th.PropertiesList(
        th.Property(
            "filepath",
            th.StringType(min_length=1),
            required=True,
            title="File",
            description="The DuckDB database file. It and its folder are made if they are not there.",
        ),
        th.Property(
            "default_target_schema",
            th.StringType,
            title="Schema",
            description=(
                "Schema of DuckDB to load into. Without it streams named `schema-table` go to that schema, "
                "others to `main`."
            ),
        ),
        th.Property(
            "load_method",
            th.StringType,
            default="upsert",
            allowed_values=["upsert", "append-only", "overwrite"],
            title="Load method",
            description=(
                "`upsert` replaces rows of the same key, and appends streams without a key; `append-only` appends "
                "all; `overwrite` replaces each table, at the end of a run that went well."
            ),
        ),
        th.Property(
            "add_record_metadata",
            th.BooleanType,
            default=False,
            title="Record metadata",
            description="Whether to add the `_sdc_` columns of the Singer SDK.",
        ),
        th.Property(
            "hard_delete",
            th.BooleanType,
            default=False,
            title="Hard delete",
            description=(
                "Whether ACTIVATE_VERSION deletes rows of older versions. Otherwise it sets their `_sdc_deleted_at`, "
                "where record metadata is on. Adds the `_sdc_` columns."
            ),
        ),
        th.Property(
            "batch_size_rows",
            th.IntegerType(minimum=1),
            default=100_000,
            title="Rows a batch",
            description="A batch is written once a stream has this many records waiting.",
        ),
        th.Property(
            "max_batch_bytes",
            th.IntegerType(minimum=1),
            default=64 * 1024 * 1024,
            title="Bytes a batch",
            description="A batch is written once the records waiting, of all streams, are this many bytes of JSON.",
        ),
        th.Property(
            "lock_timeout",
            th.IntegerType(minimum=0),
            default=300,
            title="Lock timeout",
            description="Seconds to wait for another process that has the file open.",
        ),
        th.Property(
            "validate_records",
            th.BooleanType,
            default=False,
            title="Validate records",
            description=(
                "Whether to check each record against its JSON Schema too, several times slower. Values that do not "
                "fit their column are refused in any case."
            ),
        ),
    ).to_dict()

    def __init__(
        self,
        *,
        config: dict[str, Any] | None = None,
        parse_env_config: bool = False,
        validate_config: bool = True,
    ) -> None:
        super().__init__(config=config, parse_env_config=parse_env_config, validate_config=validate_config)
        self.database = Database(self.config.get("filepath", ""), self.config["lock_timeout"], self.logger)
        self._schemas: dict[str, tuple[bytes, Sequence[str] | None]] = {}
        self._direct: dict[str, DuckDBSink] = {}
        self._destinations: dict[tuple[str, str], DuckDBSink] = {}
        self._overwriting: dict[tuple[str, str], DuckDBSink] = {}
        self._finished = self.config["load_method"] != "overwrite"
        # Looked at for each record, where the SDK's `config` would cost more than the rest of the bookkeeping.
        self._batch_rows: int = self.config["batch_size_rows"]
        self._batch_bytes: int = self.config["max_batch_bytes"]
        self._bytes = 0
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._written_state: str | None = None

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
        catalogue = self.catalogue  # read in any case, so that a file which cannot be opened is told of at once
        name = sink.staged.folded
        if not self._finished and name not in self._overwriting:
            return {}  # at most the rest of an earlier run, soon dropped
        return catalogue.get(name, {})

    def begin_overwrite(self, sink: DuckDBSink) -> bool:
        """Note that the sink's table is replaced at the end; True the first time in this run."""
        first = sink.staged.folded not in self._overwriting
        self._overwriting[sink.staged.folded] = sink
        return first

    # Messages. The SDK's methods for single messages are private, but `listen` calls nothing else.

    @override
    def _process_schema_message(self, message_dict: dict[str, Any]) -> None:
        stream = message_dict.get("stream", "")
        keys = message_dict.get("key_properties")
        text = bytes(message_dict.get("schema", b"null"))
        if self._schemas.get(stream) == (text, keys):
            return  # taps of singer-sdk repeat it for each partition
        schema = decode_json(text)
        if not stream or not isinstance(schema, dict) or not isinstance(schema.get("properties"), dict):
            raise SchemaError(f"A SCHEMA message, of stream '{stream}', has no 'properties'. Check the tap.")
        if stream in self._schemas:
            # The table first gets what came under the old schema; the new one is then held against the result.
            self.drain_all()
        self._schemas[stream] = (text, keys)
        super()._process_schema_message(
            {"type": "SCHEMA", "stream": stream, "schema": schema, "key_properties": keys},
        )
        self._direct.pop(stream, None)
        maps = self.mapper.stream_maps[stream]
        for stream_map in maps:
            sink = self._sink(stream_map.stream_alias)
            sink.removed = isinstance(stream_map, RemoveRecordTransform)
            if not sink.removed:
                self._claim(sink)
                # Not in the sink's setup(), for whose errors the SDK logs a line of its own.
                sink.plan(self.columns_of(sink))
        plain = len(maps) == 1 and type(maps[0]) is SameRecordTransform and not maps[0].flattening_enabled
        if plain and not self.config["validate_records"]:
            self._direct[stream] = self._sink(stream)

    def _sink(self, name: str) -> DuckDBSink:
        sink = self.get_sink(name)
        assert isinstance(sink, DuckDBSink)  # noqa: S101 - tells the type checker of default_sink_class
        return sink

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
        if record is None:
            raise InputError(f"A RECORD message, of stream '{stream}', has no 'record'. Check the tap.")
        size = memoryview(record).nbytes
        self._bytes += size
        sink = self._direct.get(stream)
        if sink is not None:
            sink.receive(message_dict, size)  # type: ignore[arg-type]  # the reader's Message
            full = sink.gathered >= self._batch_rows
        else:
            full = self._process_mapped(stream, message_dict, record)
        if full or self._bytes >= self._batch_bytes:
            self.drain_all()

    def _process_mapped(self, stream: str, message: dict[str, Any], record: msgspec.Raw) -> bool:
        """Send a record through the SDK's way; tell whether a batch is full."""
        if stream not in self.mapper.stream_maps:
            raise UnknownStreamError(
                f"Stream '{stream}': a message came before the stream's SCHEMA message. Check the tap.",
            )
        content = decode_json(record)
        if not isinstance(content, dict):
            raise InputError(f"Stream '{stream}': a record is no JSON object: {excerpt(content)}. Check the tap.")
        super()._process_record_message({**message, "record": content})
        sinks = [self._sink(one.stream_alias) for one in self.mapper.stream_maps[stream]]
        return any(sink.gathered >= self._batch_rows for sink in sinks)

    @override
    def _process_state_message(self, message_dict: dict[str, Any]) -> None:
        value = message_dict.get("value")
        if value is None or not isinstance(decode_json(value), dict):
            raise InputError("A STATE message has no object as its 'value'. Check the tap.")
        # Kept as it was written: the SDK's way through json would fail on decimals, which its reader makes of floats.
        self._latest_state = bytes(value).decode()  # type: ignore[assignment]
        self._handle_max_record_age()

    @override
    def _process_activate_version_message(self, message_dict: dict[str, Any]) -> None:
        stream = message_dict.get("stream", "")
        version = message_dict.get("version")
        if stream not in self.mapper.stream_maps:
            raise UnknownStreamError(f"Stream '{stream}': ACTIVATE_VERSION came before its SCHEMA message.")
        if version is None:
            raise InputError(f"Stream '{stream}': ACTIVATE_VERSION has no 'version'. Check the tap.")
        for stream_map in self.mapper.stream_maps[stream]:
            sink = self._sink(stream_map.stream_alias)
            if not sink.process_activate_version_messages:
                continue
            if sink.include_sdc_metadata_properties:
                sink.activate_version(version)
            else:
                self.logger.warning(
                    "Stream '%s': ACTIVATE_VERSION is ignored, as rows carry no version; set hard_delete or "
                    "add_record_metadata",
                    sink.stream_name,
                )

    @override
    def _process_batch_message(self, message_dict: dict[str, Any]) -> None:
        raise InputError(
            f"Stream '{message_dict.get('stream')}': BATCH messages are not supported. Remove batch_config from the "
            "tap's settings.",
        )

    # Writing

    @override
    def _drain_all(self, sink_list: Iterable[Sink], parallelism: int) -> None:
        # The SDK drains sinks in threads, each for itself. Here all are written in one transaction.
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
        """Write what is left; with overwrite put the new tables in the place of the old ones."""
        if not self._finished:
            self.drain_all()
            with self.database.transaction() as connection:
                for sink in self._overwriting.values():
                    TableLoader(connection, sink.destination, sink.stream_name).replace_with(sink.staged)
            self._finished = True
        super().process_endofpipe()

    @override
    def _write_state_message(self, state: Any) -> None:
        # The SDK calls this at the end of drain_all, when every sink is committed.
        if self._finished and state != self._written_state:
            self._written_state = state
            sys.stdout.write(f"{state}\n")
            sys.stdout.flush()

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        # The SDK would drain and exit with 0, from inside whatever was going on: a batch would be written twice, or
        # half a table put in the place of a whole one. What is committed has had its STATE; the rest comes again.
        self.logger.error("Stopped by signal %d: run again from the last state", signum)
        code = _SIGNAL_EXIT + signum
        type(self)._stop_code = code  # noqa: SLF001 - its own class, whose `invoke` has no instance
        sys.exit(code)

    # Command line

    @classmethod
    @override
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> _ConfigInput:
        """Read the settings' files; end with one line where one cannot be read."""
        try:
            return super().cb_config(ctx, param, value)
        except (OSError, ValueError, TypeError) as error:
            cls._end(f"Option --config {' '.join(value)}: {_one_line(error)}. Name a file with a JSON object.", error)

    @classmethod
    @override
    def invoke(  # type: ignore[override]  # as the SDK's own Target does
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: _ConfigInput | None = None,
        file_input: IO[str] | None = None,
    ) -> None:
        """Run; end with one line and exit code 1 on whatever a user can act on."""
        # Parsed records are many and hold no cycles; looking for them costs a quarter of the run.
        gc.set_threshold(*_GC_THRESHOLDS)
        try:
            super().invoke(about=about, about_format=about_format, config=config, file_input=file_input)
        except ConfigValidationError as error:
            cls._end(f"Settings: {'; '.join(error.errors)}. See {cls.name} --about.", error)
        except RuntimeError as error:
            if cls._stop_code is None:
                raise
            cls._end("", error)
        except (LoadError, SingerSDKError, OSError, MemoryError) as error:
            cls._end(f"{_one_line(error)}.", error)

    @classmethod
    def _end(cls, line: str, error: Exception) -> NoReturn:
        if cls._stop_code is not None:
            # DuckDB makes an error of its own of the exit which a signal asked for while it was at work.
            sys.exit(cls._stop_code)
        debugging = cls.logger.isEnabledFor(logging.DEBUG)
        cls.logger.error(line, exc_info=error if debugging else None)
        sys.exit(1)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
