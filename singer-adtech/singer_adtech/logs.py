"""Log lines prefixed with their stream, and the structured log that Meltano reads."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from singer_sdk.logging import StructuredFormatter
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    _Adapter = logging.LoggerAdapter[logging.Logger]
else:
    # Not subscriptable at run time in Python 3.10.
    _Adapter = logging.LoggerAdapter


def is_structured() -> bool:
    """Return whether the log is JSON for Meltano, which shows the text of a line and few of its other fields."""
    return any(isinstance(handler.formatter, StructuredFormatter) for handler in logging.getLogger().handlers)


def hide_sdk_notes(record: logging.LogRecord) -> bool:
    """Filter out singer-sdk's INFO lines about environment variables and about streams that have a parent."""
    return record.levelno > logging.INFO or not ("env var" in str(record.msg) or "as child stream" in str(record.msg))


class StreamLog(_Adapter):
    """A logger adapter that prefixes lines with the stream, because Meltano hides logger names.

    Args:
        logger: The stream's logger.
        stream: Name of the stream.
    """

    def __init__(self, logger: logging.Logger, stream: str) -> None:
        super().__init__(logger, {})
        self._prefix = f"stream {stream}"

    @override
    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        return f"{self._prefix}: {msg}", kwargs
