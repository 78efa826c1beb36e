"""The state of a stream, and the check that a run can continue from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE

from singer_adtech.progress.signatures import UNDO, check_account, check_signature

if TYPE_CHECKING:
    from singer_adtech.progress.bookmarks import Bookmark, BookmarkedStream


class ContinuedStream:
    """The state of a stream; unchanged if the stream has no bookmark."""

    filters_of_rows: ClassVar[frozenset[str]] = frozenset()
    """Names in the signature that only filter rows: lists of accepted values, or switches. See `signatures`."""

    state_remedy: ClassVar[str] = UNDO
    """Advice for the user if the state has a different signature."""

    @property
    def bookmark(self) -> Bookmark | None:
        """The stream's bookmark, if it has one."""
        return None

    @property
    def signature(self) -> dict[str, Any]:
        """Settings that change the rows or their meaning, kept with the bookmark: names and JSON values."""
        return {}

    @property
    def account(self) -> str | None:
        """The account that the responses belong to; None if they do not contain it (yet)."""
        return None

    @property
    def state_label(self) -> str:
        """Prefix of messages about its state, such as `report daily: `."""
        return ""

    def check_state(self) -> None:
        """Refuse a state from which the stream cannot continue; called before the first request.

        Raises:
            StateError: It has a different signature or account, or its bookmark is invalid.
        """
        bookmark = self.bookmark
        if bookmark is not None and self._stream.replication_method != REPLICATION_FULL_TABLE:
            check_signature(self._stream, what=self.state_label, remedy=self.state_remedy)
            check_account(self._stream)
            _ = bookmark.position

    @property
    def _stream(self) -> BookmarkedStream:
        return cast("BookmarkedStream", self)
