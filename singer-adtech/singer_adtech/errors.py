"""One-line errors with their context, cause and remedy."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

from singer_sdk.exceptions import FatalAPIError
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterator

_USER_INFORMATION = re.compile(r"//[^/\s]*@")
_QUERY = re.compile(r"(//[^\s?#'\"]+)[?#][^\s'\"]*")

LONGEST_QUOTE = 300
"""Maximum characters of vendor text quoted in an error."""


class TapError(Exception):
    """A failed run or stream.

    Args:
        what: The problem, quoting the vendor's message if present.
        remedy: Advice to the user.
        stream: Name of the stream, if any.
        window: Days or instants being read, if any.
    """

    def __init__(
        self,
        what: str,
        remedy: str = "",
        *,
        stream: str | None = None,
        window: str | None = None,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy
        self.stream = stream
        self.window = window

    @override
    def __str__(self) -> str:
        where = ", ".join(
            f"{label} {name}" for label, name in (("stream", self.stream), ("window", self.window)) if name
        )
        parts = [part for part in (where, self.what, self.remedy) if part]
        return without_credentials(" ".join(": ".join(parts).split()))


class SettingError(TapError):
    """A missing or invalid setting, found before the first request."""


class StateError(TapError):
    """A state that cannot be continued: from another tap, from other settings, or edited by hand."""


class VendorError(TapError, FatalAPIError):
    """A refused request that would fail again if retried."""


class AuthError(VendorError):
    """An authentication failure: the login failed, or the vendor refused the credentials."""


class ForbiddenError(VendorError):
    """A stream forbidden to the account (403); raised by `validate_response`, handled per `on_forbidden`."""


class NotFoundError(VendorError):
    """A missing part of a stream (404); raised by `validate_response`."""


class NoConnectionError(VendorError):
    """A connection failure that persisted through all retries."""


class DataError(TapError):
    """An invalid response that could cause lost or duplicate rows."""


class ReadAgainError(TapError):
    """A failed reading of a window or list that may be restarted from its first request."""

    most: ClassVar[int] = 1
    """Maximum number of restarts."""

    @property
    def reason(self) -> str:
        """The reason, for the log."""
        return self.what


@contextmanager
def error_context(*, stream: str | None = None, window: object | None = None) -> Iterator[None]:
    """Add the stream and window to any `TapError` raised without them."""
    try:
        yield
    except TapError as error:
        error.stream = error.stream or stream
        if window is not None:
            error.window = error.window or str(window)
        raise


def without_credentials(text: str) -> str:
    """Hide user information and queries of all URLs in a text."""
    return _QUERY.sub(r"\1?[hidden]", _USER_INFORMATION.sub("//[hidden]@", text))


def shorten(text: str, longest: int = LONGEST_QUOTE) -> str:
    """Shorten a vendor's text to one line of bounded length.

    Args:
        text: Text from the vendor.
        longest: Maximum length in characters.

    Returns:
        The text with whitespace collapsed, ending in an ellipsis if shortened.
    """
    folded = " ".join(text.split())
    return folded if len(folded) <= longest else folded[: longest - 1] + "…"
