"""The Meltano project: plugins and their settings, state ids, and the record of runs.

Meltano refuses to start a second run of a state id. Each run has a row in the table `runs` of the system database, with
a heartbeat that the run updates every second. After a kill, Meltano still counts the run as running for five minutes.
This module watches the heartbeat instead: if it does not change for 15 seconds, the run is dead.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import time
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import update
from user_errors import ProjectError, unreadable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from meltano.core.plugin.project_plugin import ProjectPlugin
    from meltano.core.project import Project
    from sqlalchemy.orm import Session, sessionmaker

ROOT = Path(__file__).resolve().parent.parent
DEAD_AFTER = 15.0
"""Seconds without a heartbeat after which a run counts as dead; Meltano updates it every second."""


class GoingOnError(Exception):
    """A run of the state id is alive; the message is its start time."""


@dataclass(frozen=True)
class Beat:
    """A run that Meltano has recorded as running.

    Attributes:
        row: Id of its row in the table `runs`.
        started_at: Its start, UTC.
        last: Its last heartbeat, UTC.
    """

    row: int
    started_at: dt.datetime
    last: dt.datetime | None


class MeltanoProject:
    """The project in one environment, with settings from meltano.yml, .env and environment variables."""

    def __init__(self, environment: str, root: Path = ROOT) -> None:
        # Imported here: Meltano takes half a second to import, and log readers do not need it.
        import structlog  # noqa: PLC0415 - see above
        from meltano.core.environment import Environment  # noqa: PLC0415 - see above
        from meltano.core.project import Project  # noqa: PLC0415 - see above
        from meltano.core.utils import NotFound  # noqa: PLC0415 - see above

        # Keep Meltano's log lines out of our output.
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
        self.environment = environment
        self.project: Project = Project(root)
        try:
            environments = self.project.meltano.environments
        except Exception as error:  # YAML can be invalid in many ways
            raise ProjectError(f"meltano.yml cannot be read: {unreadable(error)}") from error
        try:
            _ = self.project.dotenv_env
        except (OSError, ValueError) as error:
            raise ProjectError(f".env cannot be read: {unreadable(error)}") from error
        try:
            chosen = Environment.find(environments, environment)
        except NotFound:
            names = ", ".join(known.name for known in self.project.meltano.environments)
            raise ProjectError(f"meltano.yml has no environment {environment}: it has {names}") from None
        self.project.refresh(environment=chosen)

    @cached_property
    def sessions(self) -> sessionmaker[Session]:
        """The session factory of the system database, after its migration to this Meltano version.

        Each Meltano run would migrate it; several at a time would conflict on a new database.

        Raises:
            ProjectError: The database cannot be opened or upgraded.
        """
        from meltano.core.db import project_engine  # noqa: PLC0415 - see __init__
        from meltano.core.migration_service import MigrationService  # noqa: PLC0415 - see __init__

        try:
            engine, sessions = project_engine(self.project)
            MigrationService(engine).upgrade(silent=True)
        except Exception as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
            raise ProjectError(f"Meltano's system database (database_uri) cannot be used: {reason}") from error
        return sessions

    def taps(self) -> list[str]:
        """Return the names of the extractors, in the order of meltano.yml."""
        return [plugin.name for plugin in self._plugins("extractors")]

    def loaders(self) -> list[str]:
        """Return the names of the loaders, in the order of meltano.yml."""
        return [plugin.name for plugin in self._plugins("loaders")]

    def origin(self, tap: str) -> str:
        """Return the name of the extractor that a tap inherits from, or its own."""
        plugin: Any = self._plugin(tap)
        while plugin.inherit_from:
            plugin = plugin.parent
        return str(plugin.name)

    def installed(self, plugin: str) -> bool:
        """Return whether a plugin is installed. Meltano's automatic installation fails with several runs at a time."""
        from meltano.core.venv_service import VirtualEnv  # noqa: PLC0415 - see __init__

        found = self._plugin(plugin)
        if not found.pip_url:
            return True
        folder = self.project.dirs.venvs(found.type, found.plugin_dir_name, make_dirs=False)
        return VirtualEnv(folder).exec_path(str(found.executable)).exists()

    def settings(self, tap: str, names: Sequence[str]) -> dict[str, Any]:
        """Return the values of a tap's settings in a run; None if not set."""
        from meltano.core.plugin.settings_service import PluginSettingsService  # noqa: PLC0415 - see __init__

        service = PluginSettingsService(self.project, self._plugin(tap))
        with self.sessions() as session:
            return {name: service.get(name, session=session) for name in names}

    def state_id(self, tap: str, loader: str) -> str:
        """Return the state id under which `meltano run` keeps the bookmarks of a tap and a loader."""
        # Like meltano.core.block.extract_load.generate_state_id, which needs blocks that are about to run.
        suffix = self.project.environment.state_id_suffix if self.project.environment else None
        return ":".join(part for part in (self.environment, f"{tap}-to-{loader}", suffix) if part)

    def running(self, state_id: str) -> dict[int, Beat]:
        """Return the runs that keep Meltano from starting this state id, by row, including dead ones.

        Excludes runs with a heartbeat older than five minutes, which Meltano ignores.
        """
        from meltano.core.job.finder import JobFinder  # noqa: PLC0415 - see __init__

        with self.sessions() as session:
            jobs = JobFinder(state_id).running(session)
            return {job.id: Beat(job.id, job.started_at, job.last_heartbeat_at) for job in jobs if not job.is_stale()}

    def bury(self, beat: Beat) -> bool:
        """Mark a dead run as failed, as Meltano does after five minutes, unless its heartbeat has changed.

        Unlike `--force`, this keeps Meltano's check for the next run.

        Returns:
            Whether the run was marked.
        """
        from meltano.core.job.job import Job, State  # noqa: PLC0415 - see __init__

        reason = f"No heartbeat for {DEAD_AFTER:.0f} seconds: the process was killed."
        columns = Job.__table__.c
        with self.sessions() as session:
            # One statement, so that only one of two concurrent callers succeeds.
            marked = session.connection().execute(
                update(Job)
                .where(columns.id == beat.row, columns.state == State.RUNNING.name)
                .where(columns.last_heartbeat_at.is_not_distinct_from(beat.last))
                .values({columns.state: State.FAIL.name, columns.ended_at: dt.datetime.now(tz=dt.timezone.utc)})
            )
            if marked.rowcount and (job := session.get(Job, beat.row)):
                job.payload["error"] = reason
            session.commit()
            return bool(marked.rowcount)

    async def free(self, state_id: str) -> list[Beat]:
        """Mark dead runs of a state id as failed; takes 15 seconds if there are any.

        Returns:
            The dead runs, now marked as failed.

        Raises:
            GoingOnError: A run is alive.
        """
        watched = await asyncio.to_thread(self.running, state_id)
        since = time.monotonic()
        while watched:
            await asyncio.sleep(min(1.0, DEAD_AFTER / 5))
            now = await asyncio.to_thread(self.running, state_id)
            # Alive: its heartbeat changed, or it started meanwhile. Runs that have ended do not count.
            if alive := [beat for row, beat in now.items() if watched.get(row) != beat]:
                raise GoingOnError(f"{alive[0].started_at:%Y-%m-%d %H:%M:%S} UTC")
            watched = now
            if time.monotonic() - since >= DEAD_AFTER:
                buried = [beat for beat in watched.values() if await asyncio.to_thread(self.bury, beat)]
                if len(buried) == len(watched):
                    return buried
                watched, since = await asyncio.to_thread(self.running, state_id), time.monotonic()
        return []

    def _plugins(self, kind: str) -> list[ProjectPlugin]:
        from meltano.core.plugin.base import PluginType  # noqa: PLC0415 - see __init__

        return self.project.plugins.get_plugins_of_type(PluginType(kind))

    def _plugin(self, name: str) -> ProjectPlugin:
        return next(
            plugin for kind in ("extractors", "loaders") for plugin in self._plugins(kind) if plugin.name == name
        )


@lru_cache
def meltano_project(environment: str) -> MeltanoProject:
    """Return the project in an environment; cached.

    Raises:
        ProjectError: There is no such environment.
    """
    return MeltanoProject(environment)
