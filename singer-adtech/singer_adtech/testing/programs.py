"""Taps as programs in separate processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from singer_adtech.testing.messages import read_messages

if TYPE_CHECKING:
    import signal
    from collections.abc import Mapping, Sequence
    from pathlib import Path


class Program:
    """A tap as a program, run as a user does.

    Args:
        module: The tap's package, run as `python -m`.
        folder: Folder for its files.
    """

    def __init__(self, module: str, folder: Path) -> None:
        self._module = module
        self._folder = folder
        self._started: list[subprocess.Popen[str]] = []
        self._environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(f"{module.upper()}_") and not name.lower().endswith("_proxy")
        }
        # singer-sdk prints it on stderr on the oldest Python that it and the taps support.
        self._environment["PYTHONWARNINGS"] = "ignore:Python 3.10 reached its end of life"

    def file(self, name: str, content: Any) -> str:
        """Write JSON into a file and return its path."""
        path = self._folder / name
        path.write_text(json.dumps(content), encoding="utf-8")
        return str(path)

    def start(
        self,
        *arguments: str,
        config: Mapping[str, Any] | None = None,
        stdout: Any = subprocess.PIPE,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[str]:
        """Start the program.

        Args:
            arguments: Its command line.
            config: Settings, given in a file.
            stdout: Destination of its output.
            environment: Variables in addition to those of this process.
        """
        # A file for each run, because several may run in parallel.
        given = ["--config", self.file(f"config-{len(self._started)}.json", config)] if config is not None else []
        process = subprocess.Popen(  # noqa: S603 - a tap of this environment
            [sys.executable, "-m", self._module, *given, *arguments],
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={**self._environment, **(environment or {})},
        )
        self._started.append(process)
        return process

    def end(self) -> None:
        """Kill the processes that a failed test left running."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
                process.communicate()

    def __call__(
        self,
        *arguments: str,
        config: Mapping[str, Any] | None = None,
        stdout: Any = subprocess.PIPE,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run the program to its end; see `start`."""
        process = self.start(*arguments, config=config, stdout=stdout, environment=environment)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, out or "", err)

    def stop(
        self, number: signal.Signals, states: int, *arguments: str, config: Mapping[str, Any]
    ) -> tuple[int, list[dict[str, Any]]]:
        """Run the program and send it a signal after a number of STATE messages.

        Returns:
            The exit code and the complete messages.
        """
        # Closes the pipes and waits for the process, after an error too.
        with self.start(*arguments, config=config) as process:
            text = self.read_states(process, states)
            process.send_signal(number)
            rest, _ = process.communicate(timeout=60)
        return process.returncode, read_messages(text + rest)

    @staticmethod
    def read_states(process: subprocess.Popen[str], states: int) -> str:
        """Return the output of a running program up to a number of STATE messages.

        Raises:
            AssertionError: The program ended early.
        """
        text, seen = "", 0
        while seen < states:
            one = process.stdout.readline() if process.stdout else ""
            if not one:
                process.kill()
                raise AssertionError(f"the program ended after {seen} STATE messages")
            text += one
            seen += '"type":"STATE"' in one
        return text

    def run_in_parallel(
        self, *arguments: str, configs: Sequence[Mapping[str, Any]]
    ) -> list[subprocess.CompletedProcess[str]]:
        """Start one process per configuration at the same time, and wait for all of them.

        Args:
            arguments: Their command line.
            configs: The settings of each.
        """
        started = [self.start(*arguments, config=config) for config in configs]
        outputs = [process.communicate(timeout=120) for process in started]
        return [
            subprocess.CompletedProcess(process.args, process.returncode, out, err)
            for process, (out, err) in zip(started, outputs, strict=True)
        ]


def last_line(stderr: str) -> str:
    """Return the last line of a program's stderr."""
    return stderr.rstrip("\n").rpartition("\n")[2]
