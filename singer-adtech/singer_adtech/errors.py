"""Errors that a user can act on: one line that says where, what and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


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
"""Characters of a vendor's own words that an error repeats."""


class TapError(Exception):
    """A run cannot go on.

    Args:
        what: What happened, in the vendor's words where it spoke.
        remedy: What the user can do about it.
        stream: Name of the stream, if one is at work.
        window: The range of days or instants that was being read, if any.
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
    """A setting is missing or has a value that is not allowed; found before the first request."""


class StateError(TapError):
    """The state was made by another tap, other settings, or by hand, and cannot be continued."""


class VendorError(TapError, FatalAPIError):
    """The vendor refused a request, and repeating it would not help."""


class AuthError(VendorError):
    """No request can be authenticated: the login failed, or the vendor refuses the credentials."""


class ForbiddenError(VendorError):
    """The account has no right to a stream (403); raised by `validate_response`, and judged by `on_forbidden`."""


class NotFoundError(VendorError):
    """The requested part of a stream does not exist (404); raised by `validate_response`."""


class NoConnectionError(VendorError):
    """No connection to the vendor could be made or kept, after all tries."""


class DataError(TapError):
    """The vendor's answer breaks a rule without which rows could be lost or doubled."""


class ReadAgainError(TapError):
    """A reading came to nothing, and the window or list may be read again from its first request."""

    most: ClassVar[int] = 1
    """How often this is answered by another reading."""

    @property
    def reason(self) -> str:
        """Why, for the log."""
        return self.what


@contextmanager
def error_context(*, stream: str | None = None, window: object | None = None) -> Iterator[None]:
    """Put the stream and the window into any `TapError` that passes and does not have them yet."""
    try:
        yield
    except TapError as error:
        error.stream = error.stream or stream
        if window is not None:
            error.window = error.window or str(window)
        raise


def without_credentials(text: str) -> str:
    """Hide user information and queries of the addresses in a text, whoever has pasted them wherever."""
    return _QUERY.sub(r"\1?[hidden]", _USER_INFORMATION.sub("//[hidden]@", text))


def shorten(text: str, longest: int = LONGEST_QUOTE) -> str:
    """Cut a vendor's text to one line of bounded length.

    Args:
        text: Anything the vendor sent.
        longest: Characters to keep.

    Returns:
        The text with white space folded; an ellipsis marks what was cut.
    """
    folded = " ".join(text.split())
    return folded if len(folded) <= longest else folded[: longest - 1] + "…"
