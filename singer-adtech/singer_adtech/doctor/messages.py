"""Messages of the tap in the report: without values of rows, and with the assumption that is wrong."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from singer_adtech.redaction import REDACTOR

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

SHORTEST_VALUE = 3
"""Characters of the shortest texts of rows that are removed from messages; shorter ones are part of many words."""

# Not an apostrophe.
_QUOTED = re.compile(r"(?<!\w)(?:'[^']*'|\"[^\"]*\")(?!\w)")
_NUMBER = re.compile(
    r"(?P<day>\b\d{4}-\d\d-\d\d)(?:[T ][\d:.]+(?:Z|[+-]\d\d:?\d\d)?)?"
    r"|(?P<kept>\bHTTP \d{3}\b|\btotal is \d+|\b\d[\d,]* (?:rows?|requests?|times|days?|windows?|pages?|responses?)\b)"
    r"|(?<![\w`])-?\d[\w.:,]*\w|(?<![\w`])\d"
)
_REQUEST = re.compile(r"the request was .*")
_ADDRESS = re.compile(r"\S+@\S+|\w+://\S+")

_ASSUMPTIONS = {
    "outside of the requested window": "the zone of days, and the borders of windows",
    "reported total": "totals count all rows, or pages have all rows",
    "are missing after": "totals count all rows, or pages have all rows",
    "does not end": "pages differ and end",
    "same rows as the page before": "pages differ and end",
    "did not honour the sort": "the vendor sorts and filters by the last change",
    "two different": "keys are unique",
    "belongs to account": "the vendor selects the account",
    "that was not requested": "the vendor applies filters",
}
"""Assumptions by a part of the tap's message."""


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


def attributed(text: str) -> str:
    """Put the assumption in front of the tap's message."""
    for part, assumption in _ASSUMPTIONS.items():
        if part in text:
            return f"wrong assumption ({assumption}): {text}"
    return text


def texts(value: object) -> Iterator[str]:
    """Return all texts in a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from texts(one)
