"""The Markdown report. It has names of fields and settings, counts and days, but no values of rows and no secrets."""

from __future__ import annotations

import platform
import re
from importlib import metadata
from typing import TYPE_CHECKING, Any

from singer_adtech.doctor.checks import FAILED, NOT_TESTED, WARNING
from singer_adtech.redaction import REDACTOR

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from singer_adtech.doctor.checks import Result
    from singer_adtech.doctor.examination import Examination

SHORTEST_VALUE = 3
"""Shorter texts of rows are not looked for in messages: they would be in many words."""

_QUOTED = re.compile(r"'([^']*)'|\"([^\"]*)\"")
_NUMBER = re.compile(
    r"(?P<day>\b\d{4}-\d\d-\d\d)(?:[T ][\d:.]+(?:Z|[+-]\d\d:?\d\d)?)?"
    r"|(?P<kept>\bHTTP \d{3}\b|\btotal is \d+|\b\d[\d,]* (?:rows?|requests?|times|days?|windows?|pages?|responses?)\b)"
    r"|(?<![\w`])-?\d[\w.:,]*\w|(?<![\w`])\d"
)
_REQUEST = re.compile(r"the request was .*")
_ADDRESS = re.compile(r"\S+@\S+|\w+://\S+")


class Scrubber:
    """A filter of the tap's messages, which may name rows.

    Args:
        known: Names of settings, streams and columns.
        values: Texts of the rows.
    """

    def __init__(self, known: Collection[str], values: Collection[str]) -> None:
        self._known = frozenset(known)
        longest_first = sorted(values, key=len, reverse=True)
        self._values = [one for one in longest_first if len(one) >= SHORTEST_VALUE and one not in self._known]

    def __call__(self, text: str) -> str:
        """Return a message without quoted texts, numbers other than counts, addresses and values of rows."""
        text = _REQUEST.sub("(the request is not shown)", REDACTOR.scrub(text))
        text = _ADDRESS.sub("…", text)
        text = _QUOTED.sub(lambda match: match[0] if match[0][1:-1] in self._known else "…", text)
        text = _NUMBER.sub(lambda match: match["day"] or match["kept"] or "…", text)
        for value in self._values:
            if value in text and not re.fullmatch(r"\d{4}-\d\d-\d\d", value):
                text = text.replace(value, "…")
        return text


def report(examination: Examination, *, stopped: str = "") -> str:
    """Write the report.

    Args:
        examination: The examination.
        stopped: Why it ended early, if it did.
    """
    return REDACTOR.scrub("\n".join(_lines(examination, stopped)) + "\n")


def _lines(examination: Examination, stopped: str) -> Iterator[str]:
    tap = examination.tap
    yield f"# Live check of {tap.name}"
    yield ""
    yield f"- {tap.name} {tap.plugin_version}, {_versions()}"
    yield f"- days: {examination.first} and {examination.last}"
    yield f"- settings changed from their default: {_changed(tap.config, examination.properties) or 'none'}"
    yield f"- {examination.ledger.count:,} requests, {examination.rows:,} rows"
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
