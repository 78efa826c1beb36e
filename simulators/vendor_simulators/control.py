"""Control over HTTP, for another process: journal, faults, restated rows, truth; never journaled."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields
from datetime import date
from typing import TYPE_CHECKING

from vendor_simulators.exact import exact_json
from vendor_simulators.faults import Fault
from vendor_simulators.messages import Content, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vendor_simulators.messages import Request
    from vendor_simulators.simulator import Simulator

PREFIX = "/__simulator__/"
_FAULT_FIELDS = {item.name for item in fields(Fault) if item.init}


def control(simulator: Simulator, request: Request) -> Response:
    """Respond to a control request; an invalid one gets 400 and one line of text."""
    try:
        return _control(simulator, request)
    except (ValueError, TypeError, AttributeError) as error:
        return Response.text(f"{error}\n", 400)


def _control(simulator: Simulator, request: Request) -> Response:
    action, _, rest = request.path[len(PREFIX) :].partition("/")
    found = _ACTIONS.get((request.method, action))
    if found is None or bool(rest) != (action == "truth"):
        return Response.text(f"no control request {request.method} {request.path}\n", 404)
    return found(simulator, request)


def _journal(simulator: Simulator, request: Request) -> Response:
    entries = list(simulator.journal)
    if request.param("count") is None:
        return Response.json([entry.as_json() for entry in entries])
    return Response.json(
        {
            "total": len(entries),
            "by_path": Counter(f"{entry.method} {entry.path}" for entry in entries),
            "by_status": Counter(str(entry.status) for entry in entries),
        }
    )


def _violations(simulator: Simulator, _: Request) -> Response:
    return Response.json(list(simulator.violations))


def _truth(simulator: Simulator, request: Request) -> Response:
    days = {name: date.fromisoformat(value) for name, value in request.params}
    if unknown := days.keys() - {"first_day", "last_day"}:
        raise ValueError(f"no parameter {', '.join(sorted(unknown))}: there are first_day, last_day")
    records = simulator.truth(request.path.rpartition("/")[2], **days)
    return Response(body=Content(exact_json(records).encode("ascii")))


def _restate(simulator: Simulator, request: Request) -> Response:
    arguments = request.json() if request.body else {}
    return Response.json(simulator.restate(**arguments).as_json())


def _faults(simulator: Simulator, request: Request) -> Response:
    faults = [_fault(item) for item in request.json()]
    simulator.faults.add(*faults)
    return Response.json({"added": len(faults)})


def _reset_journal(simulator: Simulator, _: Request) -> Response:
    simulator.journal.clear()
    return Response.json({})


def _expire_tokens(simulator: Simulator, _: Request) -> Response:
    simulator.expire_tokens()
    return Response.json({})


def _fault(item: object) -> Fault:
    if not isinstance(item, dict):
        raise TypeError("faults are a list of objects")
    if unknown := item.keys() - _FAULT_FIELDS:
        raise ValueError(f"a fault has no {', '.join(sorted(unknown))}: it has {', '.join(sorted(_FAULT_FIELDS))}")
    return Fault(**item)


_ACTIONS: Mapping[tuple[str, str], Callable[[Simulator, Request], Response]] = {
    ("GET", "journal"): _journal,
    ("GET", "violations"): _violations,
    ("GET", "truth"): _truth,
    ("POST", "restate"): _restate,
    ("POST", "faults"): _faults,
    ("POST", "reset-journal"): _reset_journal,
    ("POST", "expire-tokens"): _expire_tokens,
}
