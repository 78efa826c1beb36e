"""The fixtures of these tests, from a module with a name of its own: mypy checks all packages in one call."""

from __future__ import annotations

from adspect_fixtures import *
