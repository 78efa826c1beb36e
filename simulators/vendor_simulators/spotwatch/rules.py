"""The calls and their arguments ("Arguments" of each call in the vendor's documentation)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import date, datetime, timezone
from typing import TYPE_CHECKING, Any

from vendor_simulators.spotwatch.data import midnight

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vendor_simulators.messages import Request

MAX_ROWS = 100_000
DEFAULT_ROWS = 200

_COMMON = {"key": "text"}
_AD_LISTS = {"ad_fields": "fields", "broadcast_fields": "fields", "time_fmt": "time_fmt"}


@dataclass(frozen=True)
class Call:
    """One call: the types of its arguments, and those that are required in addition to the key."""

    arguments: Mapping[str, str]
    required: tuple[str, ...] = ()

    def type_of(self, name: str) -> str | None:
        """Return the type of an argument; None if the call does not have it."""
        return _COMMON.get(name) or self.arguments.get(name)


CALLS: Mapping[str, Call] = {
    "/get-ads": Call(
        {
            **dict.fromkeys(("category", "brand", "region", "keyword"), "names"),
            **dict.fromkeys(("created_from", "created_to", "lastseen_from", "lastseen_to"), "date"),
            **dict.fromkeys(("time_seen_from", "time_seen_to"), "date"),
            **dict.fromkeys(("unidentified", "self_promo"), "bool"),
            **dict.fromkeys(("duration_from", "duration_to", "page_lim"), "integer"),
            "ids": "ids",
            **_AD_LISTS,
        }
    ),
    "/get-broadcasts": Call(
        {
            **dict.fromkeys(("channel", "region", "ad_brand", "ad_category"), "names"),
            **dict.fromkeys(("time_from", "time_to"), "date"),
            **dict.fromkeys(("ad_id", "block_id"), "ids"),
            "ad_identified": "bool",
            "broadcast_fields": "fields",
            "time_fmt": "time_fmt",
            "page_lim": "integer",
        }
    ),
    "/get-blocks": Call(
        {
            **dict.fromkeys(("channel", "region"), "names"),
            **dict.fromkeys(("start_from", "start_to", "updated_from", "updated_to"), "date"),
            "ad_id": "ids",
            "page_lim": "integer",
            **_AD_LISTS,
        }
    ),
    "/get-ad": Call({"id": "integer", **_AD_LISTS}, ("id",)),
    "/get-broadcast": Call({"id": "integer", "broadcast_fields": "fields", "time_fmt": "time_fmt"}, ("id",)),
    "/get-block": Call({"id": "integer", **_AD_LISTS}, ("id",)),
    "/get-message-queue": Call({"num_messages": "integer"}),
    "/get-all-regions": Call({}),
    "/get-all-channels": Call({"fmt": "fmt"}),
    "/get-tracked-channels": Call({"fmt": "fmt"}),
    "/get-all-categories": Call({}),
    "/get-all-brands": Call(
        {"region": "names", "channel": "names", "time_seen_from": "date", "time_seen_to": "date"},
    ),
    "/get-all-tv-genres": Call({}),
}

FORBIDDEN_CALLS = {
    "/set-push-broadcast": "changes the account",
    "/delete-push-broadcast": "changes the account",
    "/set-timezone-for-api-key": "changes the account",
    "/get-api-key": "trades a password",
    "/mask": "makes a public link",
    "/batch": "makes calls of calls",
    "/get-broadcasts-for-ad": "is not imitated",
}


class BadArgumentsError(Exception):
    """Invalid arguments; a violation if they contradict the vendor's documentation."""

    def __init__(self, text: str, *, violation: bool = True) -> None:
        super().__init__(text)
        self.violation = violation


def parse_request(request: Request) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the keys by location and the other arguments as sent.

    Raises:
        BadArgumentsError: The body is not a JSON object with the documented content type, or a name is sent twice.
    """
    keys: dict[str, str] = {}
    scheme, blank, key = request.headers.get("Authorization", "").partition(" ")
    if blank and scheme == "key":
        keys["header"] = key
    names = [name for name, _ in request.params]
    if len(set(names)) < len(names):
        raise BadArgumentsError("an argument is sent twice")
    arguments: dict[str, Any] = dict(request.params)
    if "key" in arguments:
        keys["query"] = arguments.pop("key")
    if request.body:
        kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise BadArgumentsError("a body needs the content type application/json")
        try:
            body = json.loads(request.body)
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise BadArgumentsError("the body is not a JSON object")
        if "key" in body:
            keys["body"] = str(body.pop("key"))
        arguments.update(body)
    return keys, arguments


def read(call: Call, arguments: Mapping[str, Any], required: tuple[str, ...]) -> dict[str, Any]:
    """Return the arguments converted to their types.

    Args:
        call: The call.
        arguments: Arguments as sent, without the key.
        required: Names of required arguments.

    Raises:
        BadArgumentsError: Missing, unknown or invalid arguments, with the text of the response.
    """
    missing = [name for name in required if name not in arguments]
    if missing:
        expected = ", ".join(["key", *required])
        got = ", ".join(["key", *arguments])
        raise BadArgumentsError(
            f"Argument(s) missing. Expected [{expected}], got [{got}], missing [{', '.join(missing)}].", violation=False
        )
    unknown = [name for name in arguments if call.type_of(name) is None]
    if unknown:
        raise BadArgumentsError(f"Unknown argument(s) [{', '.join(unknown)}].")
    return {name: _READERS[call.type_of(name) or ""](name, value) for name, value in arguments.items()}


def _names(name: str, value: Any) -> list[str]:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list) or not all(isinstance(part, str) and part for part in parts):
        raise BadArgumentsError(f"Argument [{name}] takes names.")
    return parts


def _ids(name: str, value: Any) -> list[int]:
    parts = value.split(",") if isinstance(value, str) else value
    return [_integer(name, part) for part in (parts if isinstance(parts, list) else [parts])]


def _integer(name: str, value: Any) -> int:
    if type(value) is int or (isinstance(value, str) and re.fullmatch(r"-?\d+", value)):
        return int(value)
    raise BadArgumentsError(f"Argument [{name}] takes an integer.")


def _bool(name: str, value: Any) -> bool:
    if value in (True, "true"):
        return True
    if value in (False, "false"):
        return False
    raise BadArgumentsError(f"Argument [{name}] takes true or false.")


def _date(name: str, value: Any) -> int:
    """Parse one of the three formats of "Date Arguments"."""
    text = str(value)
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            return midnight(date.fromisoformat(text))
        if re.fullmatch(r"\d+", text):
            return int(text)
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise BadArgumentsError(f"Argument [{name}] takes a date.")
    return int(moment.astimezone(timezone.utc).timestamp())


def _choice(*choices: str) -> Callable[[str, Any], str]:
    def check(name: str, value: Any) -> str:
        if value not in choices:
            raise BadArgumentsError(f"Argument [{name}] takes one of [{', '.join(choices)}].")
        return str(value)

    return check


_READERS: Mapping[str, Callable[[str, Any], Any]] = {
    "text": lambda _, value: str(value),
    "names": _names,
    "fields": _names,
    "ids": _ids,
    "integer": _integer,
    "bool": _bool,
    "date": _date,
    "time_fmt": _choice("iso8601", "unix", "plain"),
    "fmt": _choice("json", "csv"),
}
