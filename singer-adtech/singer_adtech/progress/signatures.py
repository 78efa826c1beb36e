"""Signatures of bookmarks: the settings with which rows were read.

Rows from another time zone, account or set of dimensions look the same but have a different meaning, and a wider filter
needs rows before the bookmark that were never read. An incremental stream may therefore keep a signature with its
bookmark: names and values of the settings that change its rows or their meaning. A state with a different signature
ends the run before the first request. A state without one (written by hand or by an older version) is accepted and
signed with the next window or page.

A narrower filter needs no additional rows, so the run continues. The state is signed again, so that widening the filter
later is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from singer_adtech.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from singer_adtech.logs import StreamLog

ACCOUNT = "account"
"""The key in a stream's state of the account that its rows belong to."""

SEVERAL = "several"
"""The account of a stream with rows of several accounts."""

UNDO = "undo the change, or read everything again under a new state id or with `--full-refresh`"


class SignedStream(Protocol):
    """The interface that a signature requires of a stream."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def tap_state(self) -> Mapping[str, Any]:
        """The state of the tap."""
        ...

    @property
    def stream_state(self) -> dict[str, Any]:
        """The stream's entry in it, created if missing."""
        ...

    @property
    def signature(self) -> Mapping[str, Any]:
        """Names and JSON values of the settings that change the rows or their meaning."""
        ...

    @property
    def filters_of_rows(self) -> frozenset[str]:
        """Names in the signature that only filter rows."""
        ...

    @property
    def account(self) -> str | None:
        """The account of the responses, if known."""
        ...

    @property
    def log_lines(self) -> StreamLog:
        """The stream's logger."""
        ...


def check_signature(stream: SignedStream, *, what: str = "", remedy: str = UNDO) -> None:
    """Compare the signature in the state with the current one.

    Args:
        stream: The stream.
        what: Prefix of messages, after the stream's name, such as `report daily: `.
        remedy: Advice for the user.

    Raises:
        StateError: A value in the state differs by more than a narrower filter.
    """
    # Not `stream_state`, which would add an entry to the state.
    state = (stream.tap_state.get("bookmarks") or {}).get(stream.name) or {}
    differing = [name for name, now in stream.signature.items() if name in state and state[name] != now]
    changes = [f"{name} {_words(state[name])}, now {_words(stream.signature[name])}" for name in differing]
    if all(name in stream.filters_of_rows and narrower(state[name], stream.signature[name]) for name in differing):
        if changes:
            stream.log_lines.info(
                "its state was made with %s: the filter is narrower, so the run continues; to widen it again, read "
                "everything again",
                ", and with ".join(changes),
            )
        return
    raise StateError(f"{what}its state was made with {', and with '.join(changes)}", remedy)


def check_account(stream: SignedStream) -> None:
    """Refuse a state of another account.

    Args:
        stream: The stream, with its state and the account of the responses, if known.

    Raises:
        StateError: The state belongs to another account.
    """
    before = ((stream.tap_state.get("bookmarks") or {}).get(stream.name) or {}).get(ACCOUNT)
    account = stream.account
    unknown = account is None or before is None or SEVERAL in {account, before}
    if not unknown and before != account:
        raise StateError(
            f"its state was made with account {_words(before)}, and the responses belong to account {account}",
            "check the credentials, or use a separate state id and schema for the new account",
        )


def narrower(then: Any, now: Any) -> bool:
    """Return whether a filter accepts only rows that it accepted before.

    Args:
        then: A list of accepted values (empty for all), or whether a filter is on.
        now: The same.
    """
    if isinstance(then, bool) and isinstance(now, bool):
        return now or not then
    if isinstance(then, list) and isinstance(now, list):
        return bool(now) and (not then or all(item in then for item in now))
    return False


def signed(stream: SignedStream) -> Mapping[str, Any]:
    """Return the entries of a stream's state next to its bookmark: the signature, and the account if known."""
    account = SEVERAL if stream.stream_state.get(ACCOUNT) == SEVERAL else stream.account
    return {**stream.signature, **({} if account is None else {ACCOUNT: account})}


def _words(value: Any) -> str:
    if value is None or value in ({}, []):
        return "none"
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
