"""The fixtures of these tests, from a module with its own name."""

from __future__ import annotations

from project_fixtures import *
