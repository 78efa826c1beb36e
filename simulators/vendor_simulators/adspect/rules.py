"""Parameters of each endpoint and their validation (REST API, tables of URL parameters)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from vendor_simulators.adspect.clicks import UTC
from vendor_simulators.adspect.funnel import DIMENSIONS, FILTERS, METRICS
from vendor_simulators.adspect.log import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vendor_simulators.messages import Request

MAX_PER_PAGE = 100
DEFAULT_PER_PAGE = 20


class BadQueryError(Exception):
    """A parameter that does not conform to the documentation.

    Args:
        field: The parameter.
        problem: The problem with its value.
    """

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


@dataclass(frozen=True)
class Paging:
    """A page of a list."""

    page: int
    per_page: int


@dataclass(frozen=True)
class Query:
    """Parameters of a report; `names` are the columns of each row, in order."""

    start: datetime
    end: datetime
    zone: ZoneInfo
    filters: Mapping[str, frozenset[str]]
    dimensions: tuple[str, ...]
    names: tuple[str, ...]


def read_paging(request: Request) -> Paging:
    """Parse the parameters of a list; HEAD has no page."""
    allowed = {"per-page"} if request.method == "HEAD" else {"page", "per-page", "name"}
    _check_names(request, allowed)
    return Paging(_number(request, "page", 1, None), _number(request, "per-page", DEFAULT_PER_PAGE, MAX_PER_PAGE))


def read_query(request: Request) -> Query:
    """Parse the parameters of a report."""
    log = request.path.endswith("/log")
    arrays = {"columns[]": COLUMNS} if log else {"group_by[]": DIMENSIONS, "metrics[]": METRICS}
    single = {"date_from", "date_to", "time_zone"}
    _check_names(request, single, {*arrays, *(f"{name}[]" for name in FILTERS)})
    lists = {name: tuple(value for key, value in request.params if key == name) for name in arrays}
    for name, values in lists.items():
        wrong = [value for value in values if value not in arrays[name]]
        if wrong or len(set(values)) < len(values):
            raise BadQueryError(name, f"{wrong or 'a value twice'}")
    if not lists["columns[]" if log else "metrics[]"]:
        raise BadQueryError("columns[]" if log else "metrics[]", "required")
    filters = {
        name: frozenset(value for key, value in request.params if key == f"{name}[]")
        for name in FILTERS
        if request.param(f"{name}[]") is not None
    }
    dimensions = lists.get("group_by[]", ())
    return Query(
        _instant(request, "date_from", datetime.min.replace(tzinfo=UTC) + timedelta(days=1)),
        _instant(request, "date_to", datetime.max.replace(tzinfo=UTC) - timedelta(days=1)),
        _zone(request),
        filters,
        dimensions,
        lists["columns[]"] if log else dimensions + lists["metrics[]"],
    )


def check_none(request: Request) -> None:
    """Refuse all parameters."""
    _check_names(request, set())


def _check_names(request: Request, single: set[str], repeated: frozenset[str] | set[str] = frozenset()) -> None:
    names = [name for name, _ in request.params]
    for name in names:
        if name not in single | repeated:
            raise BadQueryError(name, "no such parameter")
        if name in single and names.count(name) > 1:
            raise BadQueryError(name, "sent twice")


def _number(request: Request, name: str, default: int, most: int | None) -> int:
    text = request.param(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or int(text) < 1 or (most is not None and int(text) > most):
        raise BadQueryError(name, f"{text} is out of range")
    return int(text)


def _instant(request: Request, name: str, default: datetime) -> datetime:
    text = request.param(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit():
        # The vendor also accepts text, but in an undocumented zone; a client that needs whole days does not send it.
        raise BadQueryError(name, f"{text} is not a Unix timestamp")
    return datetime.fromtimestamp(int(text), UTC)


def _zone(request: Request) -> ZoneInfo:
    name = request.param("time_zone") or "UTC"
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadQueryError("time_zone", f"{name} is not a time zone") from None
