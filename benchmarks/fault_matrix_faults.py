"""The faults of the fault matrix, the requests they apply to, and the tolerated differences."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from typing_extensions import override
from vendor_simulators.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vendor_simulators.alterations import Alteration
    from vendor_simulators.messages import Request, Response

Position = Literal["first", "middle", "last", "lasting"]
POSITIONS: tuple[Position, ...] = ("first", "middle", "last", "lasting")
Tolerance = Literal["", "extra", "value", "character"]

JSON = "application/json"
PAST_DATE = "Sat, 01 Jan 2000 00:00:00 GMT"


class Kill(Fault):
    """Kills the client instead of sending a response."""

    pid = 0

    @override
    def response(self, handle: Callable[[], Response], expire: Callable[[], None], request: Request) -> Response:
        os.kill(self.pid, signal.SIGKILL)
        return super().response(handle, expire, request)


@dataclass(frozen=True)
class Kind:
    """A fault of the matrix.

    Args:
        fault: Arguments of the simulator's `Fault`.
        needs: Properties that the response must have for the fault to apply; see `Target.holds`.
        spares: Properties with which the faulty response would be valid, so that the fault does not apply.
        positions: The affected requests.
        settings: Further settings of the tap.
        tolerates: Allowed differences from the truth: more fields in `_extra`; a value that is null or in `_extra`; a
            replaced character. A run with such rows must log a warning.
    """

    fault: Mapping[str, Any]
    needs: frozenset[str] = frozenset()
    spares: frozenset[str] = frozenset()
    positions: tuple[Position, ...] = POSITIONS
    settings: Mapping[str, Any] = field(default_factory=dict)
    tolerates: Tolerance = ""


def _status(status: int, body: str = "", **headers: str) -> Kind:
    return Kind({"status": status, "body": body, "headers": {name.replace("_", "-"): v for name, v in headers.items()}})


def _body(body: str, spares: str = "") -> Kind:
    fault = {"status": 200, "body": body, "content_type": JSON}
    return Kind(fault, spares=frozenset(spares.split()))


def _rows(
    alteration: Alteration, tolerates: Tolerance = "", needs: frozenset[str] = frozenset({"rows"}), spares: str = ""
) -> Kind:
    return Kind({"action": alteration}, needs, frozenset(spares.split()), tolerates=tolerates)


_TOTAL = frozenset({"rows", "total"})
_ONCE: tuple[Position, ...] = ("first", "middle", "last")
_IMPATIENT = {"request_timeout": 1}

FAULTS: dict[str, Kind] = {
    "500": _status(500),
    "502 with HTML": Kind({"action": "html"}),
    "503, Retry-After: 30": _status(503, Retry_After="30"),
    "429, Retry-After: 0": _status(429, Retry_After="0"),
    "429, Retry-After in the past": _status(429, Retry_After=PAST_DATE),
    "401": _status(401, '{"error": "made up"}'),
    "403": _status(403, '{"error": "made up"}'),
    "404": _status(404, '{"error": "made up"}'),
    "408": _status(408),
    "204": Kind({"action": "no_content"}),
    "200, empty body": Kind({"action": "empty"}),
    "200, []": _body("[]", spares="array"),
    "200, {}": _body("{}", spares="map"),
    "200, null": _body("null"),
    "200, a string": _body('"made up"'),
    "200 with HTML": Kind({"action": "html", "status": 200}),
    "body cut, length declared": Kind({"action": "cut"}),
    "body cut, chunked": Kind({"action": "cut_chunks"}),
    "body cut, gzip": Kind({"action": "cut_gzip"}),
    "half a JSON body": Kind({"action": "broken_json"}),
    "half of the rows": _rows("half_rows", needs=_TOTAL),
    "no rows, unchanged total": _rows("no_rows", needs=_TOTAL),
    "response to the previous request": Kind({"action": "previous"}, frozenset({"rows", "apart"})),
    "rows twice": _rows("rows_twice", spares="twins"),
    "half of an emoji": _rows("half_character", "character"),
    "byte that is not UTF-8": _rows("bad_byte", "character"),
    "NaN": _rows("nan", "value"),
    "byte order mark": _rows("byte_order_mark"),
    "undocumented field": _rows("new_field", "extra", spares="digest"),
    "field of another type": _rows("other_type", "value", spares="digest"),
    "10^12 pages": _rows("many_pages", needs=_TOTAL),
    "endless pages without rows": Kind({"action": "endless"}, _TOTAL, positions=("lasting",)),
    "connection dropped": Kind({"action": "drop"}),
    "connection reset in the body": Kind({"action": "reset"}),
    "no response in time": Kind({"action": "slow", "delay": 1.5}, positions=_ONCE, settings=_IMPATIENT),
    "slow body": Kind({"action": "drip", "delay": 0.5}, positions=("middle",), settings=_IMPATIENT),
    "redirect to another host": Kind({"action": "redirect"}),
    "token expired": Kind({"action": "expire_token"}),
    "killed": Kind({"action": "drop"}, positions=_ONCE),
}
