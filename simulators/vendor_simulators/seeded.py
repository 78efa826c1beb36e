"""Reproducible random numbers."""

from __future__ import annotations

from random import Random


def generator(*parts: object) -> Random:
    """Return a random number generator seeded with these parts.

    `random` hashes text with SHA-512, so the numbers are the same in every process and on every machine.
    """
    return Random("/".join(str(part) for part in parts))  # noqa: S311 - test data, not security
