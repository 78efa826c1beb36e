"""What a bookmark was made with, so that rows of two meanings never share a table.

The days of another zone, other dimensions or other filters give rows that look alike and do not mean the same. So a
stream may keep a signature beside its bookmark: names and values of whatever changes the meaning of its rows. A state
with another signature stops the run before the first request; one without (made by hand, or by an older version) is
taken as it is, and signed with the next window.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from singer_adtech.errors import StateError

if TYPE_CHECKING:
    from singer_adtech.streams import WindowStream


def check_signature(stream: WindowStream[Any], *, what: str = "", remedy: str = "clear its state") -> None:
    """Hold what a bookmark was made with against what the settings say now.

    Args:
        stream: The stream, with its signature and the state that the run was given.
        what: What messages call it beside its name, such as `report daily: `.
        remedy: What the user can do about it.

    Raises:
        StateError: They differ in a name that the state has.
    """
    # Not by singer-sdk's accessor of a stream's state, which would make one where there is none.
    state = (stream.tap_state.get("bookmarks") or {}).get(stream.name) or {}
    for name, now in stream.signature.items():
        if name in state and state[name] != now:
            raise StateError(f"{what}its state was made with {name} {_words(state[name])}, now {_words(now)}", remedy)


def _words(value: Any) -> str:
    if value is None or value in ({}, []):
        return "none"
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
