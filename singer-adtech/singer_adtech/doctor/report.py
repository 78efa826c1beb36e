"""The Markdown report. It has names of fields and settings, counts and days, but no values of rows and no secrets."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import TYPE_CHECKING, Any

from singer_adtech.doctor.checks import FAILED, NOT_TESTED, WARNING
from singer_adtech.redaction import REDACTOR

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from singer_adtech.doctor.checks import Result
    from singer_adtech.doctor.examination import Examination


def report(examination: Examination, *, stopped: str = "") -> str:
    """Write the report.

    Args:
        examination: The examination.
        stopped: Why it ended early, if it did.
    """
    return REDACTOR.scrub("\n".join(_lines(examination, stopped)) + "\n")


def _lines(examination: Examination, stopped: str) -> Iterator[str]:
    readings = examination.readings
    tap = readings.tap
    yield f"# Live check of {tap.name}"
    yield ""
    yield f"- {tap.name} {tap.plugin_version}, {_versions()}"
    yield f"- days: {readings.first} and {readings.last}"
    yield f"- settings changed from their default: {_changed(tap.config, readings.properties) or 'none'}"
    yield f"- {readings.ledger.count:,} requests, {readings.rows:,} rows"
    results = [one for family in examination.families for own in family.results.values() for one in own]
    counts = ((sum(one.outcome == outcome for one in results), outcome) for outcome in (FAILED, WARNING, NOT_TESTED))
    yield f"- {len(results)} checks: " + ", ".join(f"{count} {outcome}" for count, outcome in counts)
    if stopped:
        yield f"- incomplete: {stopped}"
    for family in examination.families:
        for stream, own in family.results.items():
            yield ""
            yield f"## {stream}"
            yield ""
            yield "| check | result | requests | rows |"
            yield "| --- | --- | ---: | ---: |"
            yield from map(_row, own)


def _row(result: Result) -> str:
    text = f"{result.outcome}: {result.text}" if result.text else result.outcome
    shown = " ".join(text.replace("|", "\\|").split())
    return f"| {result.check} | {shown} | {result.requests or ''} | {result.rows or ''} |"


def _versions() -> str:
    found = (f"{name} {metadata.version(name)}" for name in ("singer-adtech", "singer-sdk"))
    return f"{', '.join(found)}, Python {platform.python_version()}"


def _changed(config: Mapping[str, Any], properties: Mapping[str, Any]) -> str:
    names = [
        name
        for name, value in config.items()
        if name in properties and value is not None and value != properties[name].get("default")
    ]
    return ", ".join(f"`{name}`" for name in sorted(names))
