"""What a bookmark was made with, so that rows of two meanings never share a table and none is left out in silence.

The days of another zone, other dimensions, another account give rows that look alike and do not mean the same; and a
filter that was widened asks for rows before the bookmark that nobody has read. So an incremental stream may keep a
signature with its bookmark: names and values of whatever changes which rows there are or what they mean. A state with
another signature stops the run before the first request; one without (made by hand, or by an older version) is taken
as it is, and signed with the next window or page.

A filter that was narrowed asks for nothing that was not read: the run continues, and the state is signed again, so that
widening it later is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from singer_adtech.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from singer_adtech.logs import StreamLog

ACCOUNT = "account"
"""Where a stream's state keeps which account its rows are of."""

SEVERAL = "several"
"""What is kept where the rows of one stream are of several accounts, so that no one of them tells whose they are."""

UNDO = "undo the change, or read everything again under a new state id or with `--full-refresh`"


class SignedStream(Protocol):
    """What a signature needs of a stream."""

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
        """The stream's entry in it, made if missing."""
        ...

    @property
    def signature(self) -> Mapping[str, Any]:
        """Names and JSON values of what changes the rows or their meaning."""
        ...

    @property
    def filters_of_rows(self) -> frozenset[str]:
        """Names of the signature that only filter rows."""
        ...

    @property
    def account(self) -> str | None:
        """The account of the responses, if known."""
        ...

    @property
    def log_lines(self) -> StreamLog:
        """The logger whose lines name the stream."""
        ...


def check_signature(stream: SignedStream, *, what: str = "", remedy: str = UNDO) -> None:
    """Compare what a bookmark was made with to what the settings say now.

    Args:
        stream: The stream, with its signature and the state that the run was given.
        what: What messages call it in addition to its name, such as `report daily: `.
        remedy: What the user can do about it.

    Raises:
        StateError: They differ in a name that the state has, and by more than a narrowed filter.
    """
    # Not by singer-sdk's accessor of a stream's state, which would make one where there is none.
    state = (stream.tap_state.get("bookmarks") or {}).get(stream.name) or {}
    differing = [name for name, now in stream.signature.items() if name in state and state[name] != now]
    changes = [f"{name} {_words(state[name])}, now {_words(stream.signature[name])}" for name in differing]
    if all(name in stream.filters_of_rows and narrower(state[name], stream.signature[name]) for name in differing):
        if changes:
            stream.log_lines.info(
                "its state was made with %s: that is fewer rows, so it is continued, and to have more again all must "
                "be read again",
                ", and with ".join(changes),
            )
        return
    raise StateError(f"{what}its state was made with {', and with '.join(changes)}", remedy)


def check_account(stream: SignedStream) -> None:
    """Refuse to continue with the state of another account.

    Args:
        stream: The stream, with its state and the account that the vendor's answers are of, as far as they say.

    Raises:
        StateError: The state was made with another account.
    """
    before = ((stream.tap_state.get("bookmarks") or {}).get(stream.name) or {}).get(ACCOUNT)
    account = stream.account
    unknown = account is None or before is None or SEVERAL in {account, before}
    if not unknown and before != account:
        raise StateError(
            f"its state was made with account {_words(before)}, and the vendor's answers are of account {account}",
            "check the credentials, or read the new account under a state id and into a schema of its own",
        )


def narrower(then: Any, now: Any) -> bool:
    """Tell whether a filter lets through nothing now that it did not let through then.

    Args:
        then: A list of what is let through, an empty one lets everything through; or whether there is a filter.
        now: The same.
    """
    if isinstance(then, bool) and isinstance(now, bool):
        return now or not then
    if isinstance(then, list) and isinstance(now, list):
        return bool(now) and (not then or all(item in then for item in now))
    return False


def signed(stream: SignedStream) -> Mapping[str, Any]:
    """Return what a stream's state keeps with its bookmark: the signature, and the account where it is known."""
    account = SEVERAL if stream.stream_state.get(ACCOUNT) == SEVERAL else stream.account
    return {**stream.signature, **({} if account is None else {ACCOUNT: account})}


def _words(value: Any) -> str:
    if value is None or value in ({}, []):
        return "none"
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
