"""What a user of these commands did wrong, in one line and with exit code 2."""

from __future__ import annotations

import argparse
from typing import NoReturn

from typing_extensions import override

BAD_INPUT = 2
"""The exit code: nothing was run."""


class ProjectError(Exception):
    """Something of the project is not as it must be; the message is one line for the user."""


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the usage."""

    @override
    def error(self, message: str) -> NoReturn:
        self.exit(BAD_INPUT, f"{self.prog}: {message} (see --help)\n")


def unreadable(error: Exception) -> str:
    """Say in one line why a file of the project cannot be read, without a word of what is in it."""
    mark = getattr(error, "problem_mark", None)
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    if mark is not None:  # of PyYAML and of ruamel
        return f"{getattr(error, 'problem', None)} (line {mark.line + 1})"
    if isinstance(error, OSError):
        return error.strerror or "input/output error"
    return "it is not the file of a Meltano project"
