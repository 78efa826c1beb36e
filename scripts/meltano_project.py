"""The project as Meltano sees it: plugins and their settings, state ids, and its own record of runs.

Meltano refuses to run a state id twice at once. What says that a run is going on is its row in the table `runs` of the
system database, where a living run leaves a heartbeat each second; a run that was killed leaves its row as it was, and
Meltano takes it for living for five minutes. Here such a row is watched: if the heartbeat does not move for 15
seconds, whoever made it is dead.
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
"""Seconds without a heartbeat after which a run is dead; Meltano's runs beat each second."""


class GoingOnError(Exception):
    """A run of the state id is alive; the message says since when."""


@dataclass(frozen=True)
class Beat:
    """A run that Meltano's record calls running.

    Attributes:
        row: Its number in the record.
        started_at: When it began, UTC.
        last: Its last heartbeat, UTC.
    """

    row: int
    started_at: dt.datetime
    last: dt.datetime | None


class MeltanoProject:
    """The project in one of its environments. Reads what Meltano would: meltano.yml, .env, environment variables."""

    def __init__(self, environment: str, root: Path = ROOT) -> None:
        # Meltano takes half a second to import: not for those that only read a log.
        import structlog  # noqa: PLC0415 - see above
        from meltano.core.environment import Environment  # noqa: PLC0415 - see above
        from meltano.core.project import Project  # noqa: PLC0415 - see above
        from meltano.core.utils import NotFound  # noqa: PLC0415 - see above

        # Meltano's own log lines would stand between ours.
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
        self.environment = environment
        self.project: Project = Project(root)
        try:
            environments = self.project.meltano.environments
        except Exception as error:  # a file of YAML can be wrong in any way
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
        """Makes sessions with the system database, which is brought up to Meltano's version first.

        Each Meltano would do that itself; several at once on a new database get in each other's way.

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
        """Return whether a plugin's program is there; Meltano would install it, but not for several runs at once."""
        from meltano.core.venv_service import VirtualEnv  # noqa: PLC0415 - see __init__

        found = self._plugin(plugin)
        if not found.pip_url:
            return True
        folder = self.project.dirs.venvs(found.type, found.plugin_dir_name, make_dirs=False)
        return VirtualEnv(folder).exec_path(str(found.executable)).exists()

    def settings(self, tap: str, names: Sequence[str]) -> dict[str, Any]:
        """Return settings of a tap as a run would get them; those that are not set are none."""
        from meltano.core.plugin.settings_service import PluginSettingsService  # noqa: PLC0415 - see __init__

        service = PluginSettingsService(self.project, self._plugin(tap))
        with self.sessions() as session:
            return {name: service.get(name, session=session) for name in names}

    def state_id(self, tap: str, loader: str) -> str:
        """Return the state id under which `meltano run` keeps the bookmarks of a tap and a loader."""
        # As meltano.core.block.extract_load.generate_state_id makes it, out of blocks that are about to run.
        suffix = self.project.environment.state_id_suffix if self.project.environment else None
        return ":".join(part for part in (self.environment, f"{tap}-to-{loader}", suffix) if part)

    def running(self, state_id: str) -> dict[int, Beat]:
        """Return the runs of a state id that stop Meltano from running it again, by row; dead ones are among them.

        Without those that Meltano takes for dead itself, whose last heartbeat is five minutes old.
        """
        from meltano.core.job.finder import JobFinder  # noqa: PLC0415 - see __init__

        with self.sessions() as session:
            jobs = JobFinder(state_id).running(session)
            return {job.id: Beat(job.id, job.started_at, job.last_heartbeat_at) for job in jobs if not job.is_stale()}

    def bury(self, beat: Beat) -> bool:
        """Mark a dead run as failed, which Meltano does after five minutes; not if its heartbeat has moved since.

        Unlike `--force` it leaves Meltano's own check in place for whoever starts next.

        Returns:
            Whether it was marked.
        """
        from meltano.core.job.job import Job, State  # noqa: PLC0415 - see __init__

        reason = f"No heartbeat for {DEAD_AFTER:.0f} seconds: the process was killed."
        columns = Job.__table__.c
        with self.sessions() as session:
            # In one statement, so that of two that find it dead at once only one goes on.
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
        """Make sure that no run of a state id is going on; takes 15 seconds where a dead one is in the way, else none.

        Returns:
            The dead runs that were in the way and are marked as failed now.

        Raises:
            GoingOnError: A run is alive.
        """
        watched = await asyncio.to_thread(self.running, state_id)
        since = time.monotonic()
        while watched:
            await asyncio.sleep(min(1.0, DEAD_AFTER / 5))
            now = await asyncio.to_thread(self.running, state_id)
            # One that moved, or one that has begun meanwhile. One that has ended is no more in the way.
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
    """Return the project in an environment; opened once.

    Raises:
        ProjectError: There is no such environment.
    """
    return MeltanoProject(environment)
