"""Redaction of secrets in log records.

A `logging.Filter` applies to one logger or handler, so it misses other libraries' loggers and handlers configured
later. Wrapping the process's log record factory covers every record of every logger (including urllib3's debug lines)
before any handler runs.
"""

from __future__ import annotations

import json
import logging
import threading
import traceback
from typing import Any
from urllib.parse import quote, quote_plus, urlsplit

MASK = "[hidden]"
SHORTEST_SECRET = 4
"""Shorter values are not masked, because hiding every `1` would make logs unreadable."""


class Redactor:
    """The secrets of this process and their redaction."""

    def __init__(self) -> None:
        self._secrets: frozenset[str] = frozenset()
        self._ordered: tuple[str, ...] = ()
        self._lock = threading.Lock()
        self._installed = False

    def add(self, *values: str | None) -> None:
        """Redact these values, both raw and as encoded in URLs, JSON and exception messages."""
        with self._lock:
            self._secrets = self._secrets.union(*map(_spellings, values))
            # Longest first, because a secret may contain a shorter one.
            self._ordered = tuple(sorted(self._secrets, key=len, reverse=True))

    def discard(self, *values: str) -> None:
        """Forget values that are no longer secret, such as used page links."""
        with self._lock:
            self._secrets = self._secrets.difference(*map(_spellings, values))
            self._ordered = tuple(sorted(self._secrets, key=len, reverse=True))

    def forget(self) -> None:
        """Forget all values, for tests."""
        with self._lock:
            self._secrets, self._ordered = frozenset(), ()

    def scrub(self, text: str) -> str:
        """Replace every secret in the text with a mask."""
        for secret in self._ordered:
            if secret in text:
                text = text.replace(secret, MASK)
        return text

    def install(self) -> None:
        """Wrap the log record factory of this process, once."""
        with self._lock:
            if self._installed:
                return
            self._installed = True
            make_record = logging.getLogRecordFactory()

            def make_scrubbed_record(*args: Any, **kwargs: Any) -> logging.LogRecord:
                return self._scrub_record(make_record(*args, **kwargs))

            logging.setLogRecordFactory(make_scrubbed_record)

    def _scrub_record(self, record: logging.LogRecord) -> logging.LogRecord:
        if not self._ordered:
            return record
        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001 - an argument's `__str__` may raise anything
            # logging would print the raw arguments to stderr.
            message = f"{record.msg!r} (with arguments that do not fit)"
            record.msg, record.args = message, ()
        scrubbed = self.scrub(message)
        if scrubbed != message:
            record.msg = scrubbed
            record.args = ()
        if record.exc_info and record.exc_info[0] is not None:
            text = "".join(traceback.format_exception(*record.exc_info)).rstrip()
            scrubbed = self.scrub(text)
            if scrubbed != text:
                # The exception contains the secret; without `exc_info`, formatters print `exc_text`.
                record.exc_info = None
                record.exc_text = scrubbed
        return record


def _spellings(value: str | None) -> set[str]:
    """Return the possible spellings of a secret in a log line."""
    if not value or len(value) < SHORTEST_SECRET:
        return set()
    found = {value, quote(value), quote(value, safe=""), quote_plus(value), json.dumps(value)[1:-1], repr(value)[1:-1]}
    if "://" in value:
        # A capability link: urllib3 logs the part after the host.
        found.add(urlsplit(value)._replace(scheme="", netloc="").geturl())
    return {spelling for spelling in found if len(spelling) >= SHORTEST_SECRET}


REDACTOR = Redactor()
"""The redactor, process-wide like the log record factory."""
