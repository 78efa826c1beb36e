"""User errors of the commands: one line, exit code 2."""

from __future__ import annotations

import argparse
from typing import NoReturn

from typing_extensions import override

BAD_INPUT = 2
"""Exit code for user errors; nothing was run."""


class ProjectError(Exception):
    """An invalid project; the message is one line for the user."""


class Parser(argparse.ArgumentParser):
    """Argument parser that reports errors in one line, without the usage."""

    @override
    def error(self, message: str) -> NoReturn:
        self.exit(BAD_INPUT, f"{self.prog}: {message} (see --help)\n")


def unreadable(error: Exception) -> str:
    """Return one line on why a project file cannot be read, without its contents."""
    mark = getattr(error, "problem_mark", None)
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    if mark is not None:  # of PyYAML and of ruamel
        return f"{getattr(error, 'problem', None)} (line {mark.line + 1})"
    if isinstance(error, OSError):
        return error.strerror or "input/output error"
    return "it is not the file of a Meltano project"
