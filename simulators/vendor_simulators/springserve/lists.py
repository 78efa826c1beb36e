"""Lists: v0 with pages and no total, v1 sorted, filtered and in an envelope."""

from __future__ import annotations

import itertools
import re
from datetime import datetime, timedelta, timezone
from operator import ge, gt, itemgetter, le, lt
from typing import TYPE_CHECKING, Any

from vendor_simulators.messages import Refused, Response
from vendor_simulators.springserve.data import pick

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vendor_simulators.messages import Request
    from vendor_simulators.springserve.options import SpringServeOptions

Row = dict[str, Any]

DEFAULT_ROWS = 50
MAX_ROWS_V1 = 1000
ARRAYS = ("bills", "geo_lists")
"""v1 lists that the vendor's OpenAPI file declares as bare arrays."""

_V0 = {"page", "per"}
_V1 = {"page", "per", "sort", "includes", "search", "additional_data"}
_FILTER = re.compile(r"([a-z_]+)::(gte|gt|lte|lt|in|null)")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {"gte": ge, "gt": gt, "lte": le, "lt": lt}


def refuse(status: int, error: str, **fields: list[str]) -> Refused:
    """Return a refusal with the vendor's error body; `fields` are the errors by field of a 422."""
    return Refused(Response.json({"error": error, **({"errors": fields} if fields else {})}, status))


class Lists:
    """Handler of requests for lists.

    Args:
        options: The variants.
        flag: Records a violation.
    """

    def __init__(self, options: SpringServeOptions, flag: Callable[[str], None]) -> None:
        self._options = options
        self._flag = flag
        self._calls = itertools.count()

    def v0(self, request: Request, rows: Sequence[Row]) -> Response:
        """Respond to a v0 list: bare rows, ordered by id."""
        self._known(request, _V0)
        page, per = self._paging(request)
        per = min(per, self._options.max_rows_v0)
        if self._options.ignore_page:
            page = 1
        part = list(rows[(page - 1) * per : page * per])
        return Response.json(part if self._options.v0_lists == "array" else _envelope(part, rows, page, per))

    def v1(self, request: Request, name: str, rows: Sequence[Row]) -> Response:
        """Respond to a v1 list: one page of the filtered, sorted rows."""
        self._known(request, _V1)
        page, per = self._paging(request)
        if per > MAX_ROWS_V1:
            self._flag(f"per {per} on v1, the maximum is {MAX_ROWS_V1}")
            raise refuse(400, f"per must be at most {MAX_ROWS_V1}")
        found = self._sorted(request, [row for row in rows if self._passes(request, row)])
        part = found[(page - 1) * per : page * per]
        array = self._options.v1_lists == "array" or name in ARRAYS
        return Response.json(part if array else _envelope(part, found, page, per))

    def _known(self, request: Request, names: set[str]) -> None:
        for name, _ in request.params:
            if name not in names and not (names is _V1 and _FILTER.fullmatch(name)):
                self._flag(f"{request.path}: unknown parameter {name}")

    def _paging(self, request: Request) -> tuple[int, int]:
        try:
            page, per = int(request.param("page") or 1), int(request.param("per") or DEFAULT_ROWS)
        except ValueError:
            raise refuse(400, "page and per are numbers") from None
        if page < 1 or per < 1:
            raise refuse(400, "page and per count from 1")
        return page, per

    def _passes(self, request: Request, row: Row) -> bool:
        for name, text in request.params:
            match = _FILTER.fullmatch(name)
            if match is None or self._options.filter == "ignored":
                continue
            field, operator = match.groups()
            value = row.get(field)
            if operator == "null":
                if (value is None) != (text == "true"):
                    return False
            elif operator == "in":
                if str(value) not in text.split(","):
                    return False
            elif value is None or not _COMPARE[operator](*self._pair(field, value, text)):
                return False
        return True

    def _pair(self, field: str, value: Any, text: str) -> tuple[Any, Any]:
        if not field.endswith("_at"):
            return value, int(text)
        try:
            bound = instant(text, self._options.stamp_hours)
        except ValueError:
            raise refuse(400, f"{field} is no date") from None
        if self._options.filter == "day":
            bound = bound.replace(hour=0, minute=0, second=0, microsecond=0)
        return instant(value, self._options.stamp_hours), bound

    def _sorted(self, request: Request, rows: list[Row]) -> list[Row]:
        if self._options.ties == "arbitrary":
            call = next(self._calls)
            rows.sort(key=lambda row: pick(call, row.get("id"), row.get("type")))
        else:
            rows.sort(key=itemgetter("id"))
        if self._options.sort == "ignored":
            return sorted(rows, key=itemgetter("id"))
        for name in reversed([name for name in (request.param("sort") or "").split(",") if name]):
            field = name.removeprefix("-")
            if rows and field not in rows[0]:
                raise refuse(400, f"cannot sort by {field}")
            rows.sort(key=itemgetter(field), reverse=name.startswith("-"))
        return rows


def _envelope(part: Sequence[Row], found: Sequence[Row], page: int, per: int) -> Row:
    return {
        "count": len(part),
        "total_count": len(found),
        "current_page": page,
        "total_pages": -(-len(found) // per),
        "includable_fields": [],
        "additional_data_fields": [],
        "results": list(part),
    }


def instant(text: str, hours: int) -> datetime:
    """Parse a timestamp; without a zone it is some hours ahead of UTC."""
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone(timedelta(hours=hours)))
