"""Rows in a loader after runs of the fault matrix, compared with the simulators' truth."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fault_matrix_faults import Tolerance
    from fault_matrix_runs import Outcome


def exact(value: Any) -> Any:
    """Convert floats into decimals, like the numbers of the messages."""
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, dict):
        return {name: exact(item) for name, item in value.items()}
    return [exact(item) for item in value] if isinstance(value, (list, tuple)) else value


class Table(NamedTuple):
    """The table of a stream in a loader."""

    key: tuple[str, ...]
    rows: dict[tuple[Any, ...], dict[str, Any]]


def loaded(*outcomes: Outcome | None) -> dict[str, Table]:
    """Return the tables of a loader that upserts by key after these runs, by stream."""
    tables: dict[str, Table] = {}
    for message in (one for outcome in outcomes if outcome for one in outcome.messages):
        if message["type"] == "SCHEMA":
            tables.setdefault(message["stream"], Table(tuple(message["key_properties"]), {}))
        elif message["type"] == "RECORD":
            key, rows = tables[message["stream"]]
            rows[tuple(message["record"][name] for name in key)] = message["record"]
    return tables


def differences(
    tables: Mapping[str, Table],
    truth: Mapping[str, Sequence[dict[str, Any]]],
    tolerates: Tolerance = "",
    changed: int = 0,
) -> list[str]:
    """Describe briefly, by stream, how tables differ from the truth; an empty list if they do not.

    Args:
        tables: The loaded tables.
        truth: The expected records of each stream.
        tolerates: See `Kind`.
        changed: Number of altered responses, each with one altered value.
    """
    found = []
    for stream, records in truth.items():
        if stream not in tables:
            found.append(f"{stream}: all {len(records)} rows missing")
            continue
        key = tables[stream].key
        got = {_key(one, key): _plain(one, tolerates) for one in tables[stream].rows.values()}
        right = {_key(one, key): _plain(one, tolerates) for one in records}
        missing, more = len(right.keys() - got.keys()), len(got.keys() - right.keys())
        wrong = [name for one in right.keys() & got.keys() for name in right[one] if right[one][name] != got[one][name]]
        if tolerates == "value" and len(wrong) <= changed:
            wrong = []
        counts = ((missing, "missing"), (more, "that are not the vendor's"), (len(wrong), f"values wrong {wrong[:3]}"))
        if any(count for count, _ in counts):
            text = ", ".join(f"{count} {word}" for count, word in counts if count)
            found.append(f"{stream}: of {len(right)} rows {text}")
    return found


def _key(record: Mapping[str, Any], names: Iterable[str]) -> tuple[Any, ...]:
    return tuple(_replaced(record.get(name)) for name in names)


def _plain(record: Mapping[str, Any], tolerates: Tolerance) -> dict[str, Any]:
    left_out = {"_extra"} if tolerates in ("extra", "value") else set()
    return {name: _replaced(value) for name, value in record.items() if name not in left_out}


def _replaced(value: Any) -> Any:
    """Remove replacement characters; simulators never send them."""
    if isinstance(value, str):
        return value.replace("\N{REPLACEMENT CHARACTER}", "")
    if isinstance(value, dict):
        return {name: _replaced(item) for name, item in value.items()}
    return [_replaced(item) for item in value] if isinstance(value, list) else value
