"""The Meltano project as Dagster needs it: accounts, what runs for each, schedules, and which credentials are set.

meltano.yml is the only source of taps, loaders, mappers and schedules. `streams.json` is generated from the taps
(`make generate`), because this environment contains none of them.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

CHECKOUT = Path(__file__).resolve().parents[2]
STREAMS: dict[str, dict[str, Any]] = json.loads(
    Path(__file__).with_name("streams.json").read_text(encoding="utf-8"),
)
"""The streams of each tap of this repository."""

START = "start_date"
ATTEMPTS = 3
DEFAULT_LOADER = "target-duckdb"


class ProjectError(Exception):
    """A project or an account that cannot run; a one-line message with the remedy."""


def root() -> Path:
    """Return the folder of the Meltano project."""
    return Path(os.environ.get("MELTANO_PROJECT_ROOT") or CHECKOUT)


def environment() -> str:
    """Return the name of Meltano's environment."""
    return os.environ.get("MELTANO_ENVIRONMENT") or "prod"


def meltano() -> list[str]:
    """Return the beginning of a Meltano command."""
    program = os.environ.get("ORCHESTRATION_MELTANO") or str(CHECKOUT / ".venv" / "bin" / "meltano")
    env_file = os.environ.get("ORCHESTRATION_ENV_FILE")
    return [
        program,
        *([f"--env-file={env_file}"] if env_file else []),
        "--log-format=json",
        f"--environment={environment()}",
    ]


@dataclass(frozen=True)
class Account:
    """An extractor of meltano.yml: one vendor account.

    Attributes:
        extractor: Name in meltano.yml.
        tap: Tap of this repository from which it inherits.
        schema: Schema of its tables (`load_schema`).
        blocks: Plugins of its `meltano run`: the extractor, mappers, the loader.
        schedules: Cron schedules in UTC, by name.
    """

    extractor: str
    tap: str
    schema: str
    blocks: tuple[str, ...]
    schedules: dict[str, str]

    @property
    def name(self) -> str:
        """Name for groups, jobs and pools, such as `ispot`."""
        return re.sub(r"\W", "_", self.extractor.removeprefix("tap-"))

    @property
    def loader(self) -> str:
        """The loader."""
        return self.blocks[-1]

    @property
    def prefix(self) -> str:
        """Prefix of the tap's environment variables."""
        return re.sub(r"\W", "_", self.extractor).upper()

    @property
    def streams(self) -> dict[str, Any]:
        """The tap's streams."""
        streams: dict[str, Any] = STREAMS[self.tap]["streams"]
        return streams

    @property
    def state_id(self) -> str:
        """State id of nightly runs, as chosen by `meltano run`."""
        return f"{environment()}:{self.extractor}-to-{self.loader}"


def accounts() -> list[Account]:
    """Return the accounts of meltano.yml, in its order.

    Raises:
        ProjectError: The file is missing or is not a project file, or it does not have the loader of the environment.
    """
    path = root() / "meltano.yml"
    try:
        project = yaml.safe_load(path.read_text(encoding="utf-8"))
        extractors = {one["name"]: one for one in project["plugins"]["extractors"]}
        loaders = [one["name"] for one in project["plugins"].get("loaders", [])]
        if (loader := os.environ.get("ORCHESTRATION_LOADER")) and loader not in loaders:
            raise ProjectError(f"meltano.yml has no loader {loader}: it has {', '.join(loaders)}")
        jobs = {one["name"]: [_words(task) for task in one["tasks"]] for one in project.get("jobs", [])}
        schedules = [one for one in project.get("schedules", []) if one.get("job") in jobs]
        return [
            _account(name, tap, extractors, jobs, schedules)
            for name in extractors
            if (tap := _origin(name, extractors)) in STREAMS
        ]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError) as error:
        mark = getattr(error, "problem_mark", None)  # of YAML
        reason = f"{getattr(error, 'problem', None)} (line {mark.line + 1})" if mark else type(error).__name__
        raise ProjectError(f"meltano.yml cannot be read: {reason}") from error


def _words(task: str | list[str]) -> list[str]:
    return task.split() if isinstance(task, str) else [word for part in task for word in part.split()]


def _origin(name: str, extractors: dict[str, Any]) -> str:
    while parent := extractors.get(name, {}).get("inherit_from"):
        name = parent
    return name


def _account(
    name: str,
    tap: str,
    extractors: dict[str, Any],
    jobs: dict[str, list[list[str]]],
    schedules: list[dict[str, Any]],
) -> Account:
    crons = {}
    tasks = [task for job in jobs.values() for task in job if name in task]
    for schedule in reversed(schedules):
        found = [task for task in jobs[schedule["job"]] if name in task]
        if not found:
            continue
        tasks.insert(0, found[0])
        several = len(jobs[schedule["job"]]) > 1
        label = re.sub(r"\W", "_", f"{schedule['name']}_{name}" if several else schedule["name"])
        crons[label] = schedule["interval"]
    blocks = _blocks(tasks[0], name) if tasks else [name, DEFAULT_LOADER]
    if loader := os.environ.get("ORCHESTRATION_LOADER"):
        blocks[-1] = loader
    schema = extractors[name].get("load_schema") or name.replace("-", "_")
    return Account(name, tap, schema, tuple(blocks), dict(reversed(crons.items())))


def _blocks(task: list[str], name: str) -> list[str]:
    """Return one pipeline of a task: the extractor and the plugins up to the next extractor or command."""
    rest = task[task.index(name) + 1 :]
    end = next((i for i, word in enumerate(rest) if word.startswith("target-") or ":" in word), len(rest) - 1)
    return [name, *rest[: end + 1]] if rest else [name, DEFAULT_LOADER]


@dataclass(frozen=True)
class Setup:
    """Which credentials of an account are set.

    Attributes:
        missing: Names of missing settings; empty if it can run.
        partly: Whether some credentials are set, so that the others were forgotten.
        settings: Settings of the tap, with secrets redacted by Meltano.
    """

    missing: str
    partly: bool
    settings: dict[str, Any]

    def problem(self, account: Account) -> str:
        """Return one line on the missing settings."""
        state = "is only partly set up" if self.partly else "is not set up"
        return f"{account.extractor} {state}: set {self.missing} as {account.prefix}_<NAME> in .env or the environment"


def setup(account: Account) -> Setup:
    """Read an account's settings from Meltano, in about a second.

    Raises:
        ProjectError: Meltano failed.
    """
    command = [*meltano(), "config", "print", account.extractor]
    # Several first calls at the same time would all create Meltano's system database, and all but one would fail.
    for attempt in range(ATTEMPTS):
        time.sleep(attempt)
        done = subprocess.run(command, cwd=root(), capture_output=True, text=True, check=False)  # noqa: S603 - Meltano
        if done.returncode == 0:
            return judge(account.tap, json.loads(done.stdout))
    raise ProjectError(f"{account.extractor}: Meltano cannot read its settings: {_reason(done.stderr)}")


def _reason(log: str) -> str:
    """Return the first error in Meltano's log."""
    events = []
    for line in log.splitlines():
        with suppress(ValueError):
            events.append(json.loads(line))
    errors = [str(one.get("event")) for one in events if one.get("level") in {"error", "critical"}]
    reason = errors[0].splitlines()[0] if errors else "see `meltano config print`"
    return f".env is not UTF-8 ({reason})" if "codec can't decode" in reason else reason


def complete_settings(account: Account) -> dict[str, Any]:
    """Return an account's settings.

    Raises:
        ProjectError: Some that are required are missing, or Meltano failed.
    """
    found = setup(account)
    if found.missing:
        raise ProjectError(found.problem(account))
    return found.settings


def judge(tap: str, settings: dict[str, Any]) -> Setup:
    """Compare settings with the credentials that a tap requires; empty text is not set, as in .env.example."""
    given = {name for name, value in settings.items() if value is not None and value != ""}
    groups = [[name for name in group if name != START] for group in STREAMS[tap]["logins"]]
    begun = [group for group in groups if given & {*group}]
    start = [] if START in given else [START]
    if not begun:
        first, *others = [", ".join(group) for group in groups]
        credentials = first + "".join(f" (or {other})" for other in others)
        return Setup(", ".join([credentials, *start]), partly=False, settings=settings)
    missing = min(([name for name in group if name not in given] for group in begun), key=len) + start
    return Setup(", ".join(missing), partly=bool(missing), settings=settings)
