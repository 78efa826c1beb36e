"""What a stream keeps in the state, and whether a state that a run is given can be continued."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE

from singer_adtech.progress.signatures import UNDO, check_account, check_signature

if TYPE_CHECKING:
    from singer_adtech.progress.bookmarks import Bookmark, BookmarkedStream


class ContinuedStream:
    """The part of every stream that is about its state; a stream without a bookmark leaves it as it is."""

    filters_of_rows: ClassVar[frozenset[str]] = frozenset()
    """Names of the signature that only filter rows: lists of what is let through, or switches. See `signatures`."""

    state_remedy: ClassVar[str] = UNDO
    """What the user can do about a state with another signature, for the message."""

    @property
    def bookmark(self) -> Bookmark | None:
        """The stream's bookmark; None where it has none."""
        return None

    @property
    def signature(self) -> dict[str, Any]:
        """What changes which rows there are, or what they mean, kept with the bookmark: names and JSON values."""
        return {}

    @property
    def account(self) -> str | None:
        """The account that the responses belong to; None if they do not contain it, or not yet."""
        return None

    @property
    def state_label(self) -> str:
        """What messages about its state begin with, such as `report daily: `."""
        return ""

    def check_state(self) -> None:
        """Refuse a state that cannot be continued; called before the first request.

        Raises:
            StateError: It was made with another signature or account, or its bookmark is unreadable.
        """
        bookmark = self.bookmark
        if bookmark is not None and self._stream.replication_method != REPLICATION_FULL_TABLE:
            check_signature(self._stream, what=self.state_label, remedy=self.state_remedy)
            check_account(self._stream)
            _ = bookmark.position

    @property
    def _stream(self) -> BookmarkedStream:
        return cast("BookmarkedStream", self)
