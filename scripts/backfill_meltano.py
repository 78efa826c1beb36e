"""What a backfill asks of Meltano: settings and catalog of a tap, what state ids have read, and bookmarks to set."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backfill_plan import BackfillError, Position, Record, Stream

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Mapping

    from meltano_project import MeltanoProject

PROBE = Path(__file__).with_name("backfill_tap.py")
_SINGER = "singer_state"
"""Where Meltano keeps a tap's state within its own."""

Bookmarks = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Answer:
    """How a tap would cut a range; see `backfill_tap.plan`.

    Attributes:
        last: The last day that is over, at most the one asked for.
        streams: The selected streams that are cut by date.
        left_out: The other selected streams, with the reason.
        overrides: Settings of every slice.
        settings: Names of the tap's settings.
    """

    last: dt.date
    streams: tuple[Stream, ...]
    left_out: Mapping[str, str]
    overrides: Mapping[str, str]
    settings: frozenset[str]


@dataclass(frozen=True)
class TapSetup:
    """A tap as Meltano would start it, and the loader's settings."""

    name: str
    program: Path
    config: Mapping[str, Any]
    catalog: Mapping[str, Any]
    loader_config: Mapping[str, Any]

    def plan(self, first: dt.date, last: dt.date) -> Answer:
        """Ask how a range of days, both included, would be cut.

        Raises:
            BackfillError: The settings are not good, or the tap is none of this repository's making.
        """
        answer = self._ask({"ask": "plan", "first": first.isoformat(), "last": last.isoformat()})
        streams = (
            Stream(one["name"], tuple(one["selects"]), one["signature"], one["ends"]) for one in answer["streams"]
        )
        return Answer(
            type(last).fromisoformat(answer["last"]),
            tuple(streams),
            answer["left_out"],
            answer["overrides"],
            frozenset(answer["settings"]),
        )

    def place(self, first: dt.date, last: dt.date, bookmarks: Bookmarks) -> dict[str, Position]:
        """Ask where bookmarks stand, seen from a range of days, both included.

        Raises:
            BackfillError: As for `plan`.
        """
        days = {"first": first.isoformat(), "last": last.isoformat()}
        answer = self._ask({"ask": "place", **days, "bookmarks": bookmarks})
        return {name: Position(**members) for name, members in answer.items()}

    def _ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        question = {**question, "program": self.program.name, "config": self.config, "catalog": self.catalog}
        done = subprocess.run(  # noqa: S603 - our own script, with the Python of the tap
            [str(self.program.with_name("python")), str(PROBE)],
            input=json.dumps(question),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise BackfillError(f"{self.name}: {_last_words(done.stderr) or 'it did not say why'}")
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer


def read_setup(project: MeltanoProject, tap: str, loader: str) -> TapSetup:
    """Return what Meltano would give a tap and a loader in a run. The tap is asked for its catalog.

    Raises:
        BackfillError: Meltano cannot tell.
    """
    from meltano.core.elt_context import ELTContextBuilder  # noqa: PLC0415 - half a second, not for a bad command line
    from meltano.core.job.job import Job  # noqa: PLC0415 - see above
    from meltano.core.utils import new_run_id  # noqa: PLC0415 - see above

    async def ask() -> TapSetup:
        with project.sessions() as session:
            run_id = new_run_id()
            # With a job, which is never saved, the run folder is its own: the folder `meltano run` uses is left alone.
            job = Job(job_name=f"backfill:{project.environment}:{tap}-to-{loader}:plan", run_id=run_id)
            builder = ELTContextBuilder(project.project).with_session(session).with_job(job).with_run_id(run_id)
            context = builder.with_extractor(tap).with_loader(loader).context()
            reader, writer = context.extractor_invoker(), context.loader_invoker()
            async with reader.prepared(session):
                config = json.loads(await reader.dump("config"))
                catalog = json.loads(await reader.dump("catalog"))
                program = Path(shutil.which(reader.exec_path()) or reader.exec_path())
            async with writer.prepared(session):
                loader_config = json.loads(await writer.dump("config"))
        return TapSetup(tap, program, config, catalog, loader_config)

    try:
        return asyncio.run(ask())
    except Exception as error:
        raise BackfillError(f"{tap}: Meltano cannot prepare it: {_last_words(str(error)) or repr(error)}") from error


def _last_words(text: str) -> str:
    """Return the last line of what a program said; of a line of its JSON log, the message."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for line in lines[-1:]:
        with suppress(ValueError, AttributeError):
            return str(json.loads(line).get("message", line))
    return lines[-1] if lines else ""


def read_records(project: MeltanoProject, state_ids: Iterable[str]) -> dict[str, Record]:
    """Return what Meltano knows of state ids, in whichever state backend the project has."""
    from meltano.core.job.job import Job, State  # noqa: PLC0415 - see read_setup

    wanted = list(state_ids)
    with project.sessions() as session:
        runs = session.query(Job).filter(Job.job_name.in_(wanted)).order_by(Job.started_at)
        # Edits of a state by hand leave rows too, which are no runs. The last run of a state id overwrites the earlier.
        states = {run.job_name: run.state for run in runs if run.state is not State.STATE_EDIT}
        return {
            state_id: Record(states.get(state_id) is State.SUCCESS, bookmarks)
            for state_id, bookmarks in _bookmarks(project, session, wanted).items()
        }


def forget(project: MeltanoProject, state_ids: Iterable[str]) -> None:
    """Clear states, so that what they say is read anew."""
    from meltano.core.state_service import StateService  # noqa: PLC0415 - see read_setup

    with project.sessions() as session, StateService(project.project, session) as states:
        for state_id in state_ids:
            if states.get_state(state_id):
                states.clear_state(state_id)


def _bookmarks(project: MeltanoProject, session: Any, state_ids: Iterable[str]) -> dict[str, Bookmarks]:
    from meltano.core.state_service import StateService  # noqa: PLC0415 - see read_setup

    with StateService(project.project, session) as states:
        found = {state_id: states.get_state(state_id) for state_id in state_ids}
    return {state_id: (state.get(_SINGER) or {}).get("bookmarks") or {} for state_id, state in found.items()}


def edit_bookmarks(project: MeltanoProject, state_id: str, edit: Callable[[Bookmarks], Bookmarks]) -> None:
    """Change bookmarks of a state while no run of it can begin; the rest of the state stays as it is.

    Args:
        project: The project.
        state_id: The state id.
        edit: Gets the bookmarks; returns the entries to set, by stream.

    Raises:
        GoingOnError: A run of the state id is alive: its state would overwrite this one, or the other way round.
    """
    asyncio.run(_edit_bookmarks(project, state_id, edit))


async def _edit_bookmarks(project: MeltanoProject, state_id: str, edit: Callable[[Bookmarks], Bookmarks]) -> None:
    from meltano.core.job.job import Job  # noqa: PLC0415 - see read_setup
    from meltano.core.state_service import StateService  # noqa: PLC0415 - see read_setup
    from meltano_project import GoingOnError  # noqa: PLC0415 - see read_setup

    await project.free(state_id)
    with project.sessions() as session, project.sessions() as editing:
        job = Job(job_name=state_id)
        # Meltano's own lock: from here on a run of the state id is refused, as one is going on.
        async with job.run(session):
            others = [beat for row, beat in project.running(state_id).items() if row != job.id]
            if others:
                # Both looked before either had begun.
                raise GoingOnError(f"{others[0].started_at:%Y-%m-%d %H:%M:%S} UTC")
            with StateService(project.project, editing) as states:
                state = states.get_state(state_id)
                singer = state.get(_SINGER) or {}
                bookmarks = singer.get("bookmarks") or {}
                # In a thread, as the lock needs its heartbeat meanwhile.
                changed = await asyncio.to_thread(edit, bookmarks)
                if changed:
                    whole = {**state, _SINGER: {**singer, "bookmarks": {**bookmarks, **changed}}}
                    states.set_state(state_id, json.dumps(whole))
