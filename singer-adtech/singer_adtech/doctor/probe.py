"""Bounded readings of a few streams, by the tap itself, in this process.

All readings share one connection: one login, and the budgets of the vendor's requests. Nothing is written to stdout and
no state is kept.
"""

from __future__ import annotations

import json
import logging
import threading
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

import msgspec
from typing_extensions import override

from singer_adtech.errors import SettingError, TapError
from singer_adtech.http.session import Session
from singer_adtech.records.writer import MessageWriter
from singer_adtech.runs.command import line
from singer_adtech.streams.base import AdTechStream
from singer_adtech.tap import AdTechTap

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    import requests

    from singer_adtech.records.page import Page

SHARED = ("session", "budgets", "requester", "authenticator")
"""Parts of the first tap that later ones use too."""


class LimitError(TapError):
    """The end of a reading because of one of the limits."""


@dataclass(frozen=True)
class Sent:
    """A request.

    Attributes:
        method: Its method.
        path: Its path.
        query: Its query.
        body: Its body.
    """

    method: str
    path: str
    query: str
    body: bytes

    @property
    def arguments(self) -> dict[str, str]:
        """The parameters of the query, and the members of a JSON body, as text."""
        arguments = dict(parse_qsl(self.query))
        try:
            members = json.loads(self.body) if self.body else {}
        except ValueError:
            members = {}
        return {**arguments, **{name: str(value) for name, value in dict(members).items()}}


class Ledger:
    """The requests of all readings.

    Args:
        most: Maximum requests of all readings.
        most_of_one: Maximum requests of one reading.
    """

    def __init__(self, most: int, most_of_one: int) -> None:
        self._most, self._most_of_one = most, most_of_one
        self._lock = threading.Lock()
        self.count = 0
        self.reading: list[Sent] = []
        """The requests of the current reading."""

    @property
    def exhausted(self) -> bool:
        """Whether no further request may be sent."""
        return self.count >= self._most

    def take(self, prepared: requests.PreparedRequest) -> None:
        """Note a request that is about to be sent.

        Raises:
            LimitError: It would be one too many. A DELETE is allowed, because it ends a session or a job.
        """
        url, body = urlsplit(prepared.url or ""), prepared.body or b""
        method = prepared.method or ""
        with self._lock:
            if method != "DELETE" and (self.exhausted or len(self.reading) >= self._most_of_one):
                raise LimitError("the limit of requests is reached")
            self.count += 1
            self.reading.append(Sent(method, url.path, url.query, body.encode() if isinstance(body, str) else body))


class MeteredSession(Session):
    """A session that notes its requests in a ledger."""

    ledger: Ledger

    @override
    def send(self, prepared: requests.PreparedRequest) -> requests.Response:
        self.ledger.take(prepared)
        return super().send(prepared)


@dataclass
class Sample:
    """The records of one stream in one reading.

    Attributes:
        keys: The columns of its key.
        columns: The columns of its schema.
        records: Its records, in the order of the output.
        page_rows: Rows of each response.
        parts: Rows and reported total of each window or list.
    """

    keys: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    records: list[dict[str, Any]] = field(default_factory=list)
    page_rows: list[int] = field(default_factory=list)
    parts: list[tuple[int, int | None]] = field(default_factory=list)
    total: int | None = None


@dataclass
class Reading:
    """The outcome of one run of the tap.

    Attributes:
        samples: Records by stream.
        error: The line that ended it; empty if it was complete or cut.
        cut: Whether a limit ended it.
        forbidden: Whether the account may not read the streams.
        unusable: Whether the settings of this reading are not allowed.
        warnings: Lines of the tap's log.
        requests: Its requests.
    """

    samples: dict[str, Sample] = field(default_factory=dict)
    error: str = ""
    cut: bool = False
    forbidden: bool = False
    unusable: bool = False
    warnings: list[str] = field(default_factory=list)
    requests: list[Sent] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether all rows were read."""
        return not (self.error or self.cut or self.forbidden or self.unusable)

    def rows(self, stream: str) -> int:
        """Return the number of records of a stream."""
        return len(self.samples[stream].records) if stream in self.samples else 0


class Sampler(MessageWriter):
    """A writer that keeps records instead of writing them."""

    def __init__(self) -> None:
        super().__init__()
        self.samples: dict[str, Sample] = {}
        self.most = 0
        self._rows = 0

    @override
    def flush(self) -> None:
        self._take_records()
        self._take_schemas()
        lines = self._buffer.splitlines()
        self._buffer.clear()
        for text in lines:
            message = msgspec.json.decode(text)
            if message["type"] not in {"SCHEMA", "RECORD"}:
                continue
            sample = self.samples.setdefault(message["stream"], Sample())
            if message["type"] == "SCHEMA":
                sample.keys = tuple(message["key_properties"])
                sample.columns = tuple(message["schema"]["properties"])
                continue
            if self._rows >= self.most:
                raise LimitError("the limit of rows is reached")
            self._rows += 1
            sample.records.append(message["record"])


class ProbeTap(AdTechTap):
    """A tap for one reading; inherited before the real tap."""

    message_writer_class = Sampler
    session_class = MeteredSession
    shared: ClassVar[dict[str, Any]]
    ledger: ClassVar[Ledger]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.__dict__.update(self.shared)
        super().__init__(*args, **kwargs)

    @cached_property
    @override
    def session(self) -> Session:
        session = super().session
        if isinstance(session, MeteredSession):
            session.ledger = self.ledger
        return session

    @override
    def close(self) -> None:
        """Leave the session open for the next reading; `Prober.close` ends it."""

    def end_session(self) -> None:
        """End the session with the vendor."""
        super().close()

    def listen(self) -> None:
        """Note the rows of responses, and the totals."""
        samples = self.sampler.samples
        for stream in self.streams.values():
            if isinstance(stream, AdTechStream):
                _listen(stream, samples.setdefault(stream.name, Sample()))

    @property
    def sampler(self) -> Sampler:
        """The writer of this tap."""
        writer = self.message_writer
        if not isinstance(writer, Sampler):
            raise TypeError(type(writer))
        return writer


def _listen(stream: AdTechStream[Any], sample: Sample) -> None:
    """Wrap three methods of a stream, on the instance: a subclass of each stream's class would have another name."""
    page_of, log_rows, report_total = stream.page, stream.log_rows, stream.report_total

    def page(response: requests.Response) -> Page:
        one = page_of(response)
        # Rows may be a generator.
        rows = list(one.rows)
        sample.page_rows.append(len(rows))
        return replace(one, rows=rows)

    def log(rows: int, part: Any = None) -> None:
        sample.parts.append((rows, sample.total))
        sample.total = None
        log_rows(rows, part)

    def report(total: int) -> None:
        sample.total = total
        report_total(total)

    vars(stream).update(page=page, log_rows=log, report_total=report)


class _Warnings(logging.Handler):
    """Keeps warnings and errors."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@contextmanager
def listening() -> Iterator[list[str]]:
    """Collect the warnings of all loggers, and print none of them."""
    root, handler = logging.getLogger(), _Warnings()
    others = root.handlers[:]
    root.handlers[:] = [handler]
    try:
        yield handler.lines
    finally:
        root.handlers[:] = others


class Prober:
    """Readings of one tap.

    Args:
        tap_class: The tap.
        catalog: The user's catalog, if any.
        most_rows: Maximum records of one reading.
        ledger: Notes and limits requests.
    """

    def __init__(
        self, tap_class: type[AdTechTap], *, catalog: Mapping[str, Any] | None, most_rows: int, ledger: Ledger
    ) -> None:
        self._shared: dict[str, Any] = {}
        self._class: Callable[..., ProbeTap] = type(
            tap_class.__name__, (ProbeTap, tap_class), {"shared": self._shared, "ledger": ledger}
        )
        self._catalog = None if catalog is None else dict(catalog)
        self._most_rows = most_rows
        self.ledger = ledger
        self._first: ProbeTap | None = None

    def open(self, settings: Mapping[str, Any], streams: Collection[str] | None = None, *, root: str = "") -> ProbeTap:
        """Create a tap.

        Args:
            settings: Its settings.
            streams: Streams to select; by default those of the user's catalog.
            root: The stream from which they are derived, if it is not one of them.

        Raises:
            ConfigValidationError: The settings are not allowed.
        """
        catalog = self._catalog if streams is None else self._selecting(streams, root)
        tap = self._class(config=dict(settings), catalog=catalog, validate_config=True)
        if streams is not None:
            for stream in tap.streams.values():
                stream.selected = stream.name in streams
        if self._first is None:
            self._first = tap
            self._shared.update({name: getattr(tap, name) for name in SHARED})
        return tap

    def _selecting(self, streams: Collection[str], root: str) -> dict[str, Any]:
        """Return the catalog of these streams, selected. A later selection would leave their SCHEMA empty."""
        if self._catalog is None and self._first is not None:
            self._catalog = json.loads(self._first.catalog_json_text)
        entries = (self._catalog or {}).get("streams", ())
        found = deepcopy([one for one in entries if one["tap_stream_id"] in {*streams, root}])
        for entry in found:
            whole = next((one for one in entry.get("metadata", ()) if one["breadcrumb"] == []), None)
            if whole is None:
                whole = {"breadcrumb": [], "metadata": {}}
                entry.setdefault("metadata", []).append(whole)
            whole["metadata"]["selected"] = entry["tap_stream_id"] in streams
        return {"streams": found}

    def read(self, settings: Mapping[str, Any], streams: Collection[str], *, root: str) -> Reading:
        """Read streams.

        Args:
            settings: The settings of this reading.
            streams: Their names: one stream, and streams derived from it.
            root: The stream from which others are derived.
        """
        reading = Reading()
        self.ledger.reading = reading.requests
        with listening() as reading.warnings:
            try:
                tap = self.open(settings, streams, root=root)
            except Exception as error:  # noqa: BLE001 - changed settings may be invalid
                reading.unusable, reading.error = True, line(error)
                return reading
            tap.sampler.most = self._most_rows
            tap.sampler.samples = reading.samples
            tap.listen()
            try:
                tap.sync_all()
            except Exception as error:  # noqa: BLE001 - the outcome of the reading
                reading.error = line(error)
                reading.unusable = isinstance(error, SettingError)
        statuses = {} if tap.streams_run is None else tap.streams_run.statuses
        reading.forbidden = "skipped" in statuses.values()
        reading.cut = any(
            "the limit of" in text and "is reached" in text for text in (reading.error, *reading.warnings)
        )
        reading.error = "" if reading.cut or reading.forbidden else reading.error
        return reading

    def close(self) -> None:
        """End the session with the vendor."""
        if self._first is not None:
            self.ledger.reading = []
            with listening():
                self._first.end_session()
