"""Random numbers that are the same in every run."""

from __future__ import annotations

from random import Random


def generator(*parts: object) -> Random:
    """Return a generator whose numbers depend on nothing but the parts.

    Text is hashed by `random` itself with SHA-512, so the numbers are the same in every process and on every machine.
    """
    return Random("/".join(str(part) for part in parts))  # noqa: S311 - made-up data, nothing secret depends on it
