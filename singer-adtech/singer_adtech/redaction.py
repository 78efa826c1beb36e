"""Secrets leave no trace in a log.

A `logging.Filter` sits on one logger or one handler and misses what other libraries log, and handlers that a user
configures later. So the factory that makes every log record of the process is wrapped: it sees each record of each
logger (urllib3's debug lines too) before any handler does.
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
"""Shorter values are not masked: hiding every `1` would make logs unreadable and protect nothing."""


class Redactor:
    """The secrets of this process, and how to hide them."""

    def __init__(self) -> None:
        self._secrets: frozenset[str] = frozenset()
        self._ordered: tuple[str, ...] = ()
        self._lock = threading.Lock()
        self._installed = False

    def add(self, *values: str | None) -> None:
        """Hide these values from now on, as they are and as URLs, JSON and messages of exceptions would spell them."""
        with self._lock:
            self._secrets = self._secrets.union(*map(_spellings, values))
            # A secret may hold a shorter one: the longest is replaced first.
            self._ordered = tuple(sorted(self._secrets, key=len, reverse=True))

    def discard(self, *values: str) -> None:
        """Forget values that are no secrets any more, such as page links that were used."""
        with self._lock:
            self._secrets = self._secrets.difference(*map(_spellings, values))
            self._ordered = tuple(sorted(self._secrets, key=len, reverse=True))

    def forget(self) -> None:
        """Forget every value, as a test does at its end."""
        with self._lock:
            self._secrets, self._ordered = frozenset(), ()

    def scrub(self, text: str) -> str:
        """Return the text with every secret in it replaced by a mask."""
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
        except Exception:  # noqa: BLE001 - any object may be an argument, and its `__str__` may fail in any way
            # logging would print the arguments to stderr as they are.
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
                # Formatters print `exc_text` where there is no `exc_info`; the exception itself holds the secret.
                record.exc_info = None
                record.exc_text = scrubbed
        return record


def _spellings(value: str | None) -> set[str]:
    """Return the ways in which a secret may stand in a log line."""
    if not value or len(value) < SHORTEST_SECRET:
        return set()
    found = {value, quote(value), quote(value, safe=""), quote_plus(value), json.dumps(value)[1:-1], repr(value)[1:-1]}
    if "://" in value:
        # A capability link: urllib3 logs what comes after the host.
        found.add(urlsplit(value)._replace(scheme="", netloc="").geturl())
    return {spelling for spelling in found if len(spelling) >= SHORTEST_SECRET}


REDACTOR = Redactor()
"""The redactor of this process; a log record factory is process-wide, and so are the secrets."""
