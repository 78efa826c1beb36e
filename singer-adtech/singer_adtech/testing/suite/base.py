"""A tap's declarations for the shared suite."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import pytest

from singer_adtech.redaction import REDACTOR
from singer_adtech.testing.programs import Program

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from singer_sdk import Stream

    from singer_adtech.tap import AdTechTap
    from singer_adtech.testing.runs import Run

BUILT_IN = ("stream_map", "faker_", "flattening_", "emit_")
"""First letters of the settings that singer-sdk adds to every tap."""


class Vendor(Protocol):
    """The parts of a vendor's simulator that the suite uses."""

    journal: Any
    violations: list[str]

    @property
    def api_url(self) -> str:
        """Base address of the API."""

    def settings(self) -> Mapping[str, Any]:
        """Return the minimum settings of a tap."""

    def truth(self, stream: str) -> Sequence[Mapping[str, Any]]:
        """Return the records of a stream, sorted by primary key."""


@dataclass(frozen=True)
class Restart:
    """A run that is stopped half way and started again from its last STATE.

    Attributes:
        stream: The stream that is read.
        vendor: The simulator; it responds slowly after the first windows.
        settings: Settings in addition to the simulator's: several windows, no days read again.
        states: STATE messages after which the run is stopped.
        bookmark: The stream's bookmark in the last of them.
        requested: Returns the first day (or the bookmark) of each request for the stream, in order, from the journal.
        after: The result of `requested` after the restart.
        release: Makes the simulator respond normally again.
    """

    stream: str
    vendor: Any
    settings: Mapping[str, Any]
    states: int
    bookmark: str
    requested: Callable[[], Sequence[str | None]]
    after: Sequence[str]
    release: Callable[[], None]


@dataclass(frozen=True)
class Slices:
    """Simultaneous runs of one account with a shared `budget_folder`.

    Attributes:
        stream: The stream that is read.
        vendor: The simulator, slow enough for the runs to meet.
        settings: Settings in addition to the simulator's.
        days: First and last day of each run.
        limits: Checks in the simulator's journal that the runs kept the vendor's limits together.
        source: A program that adapts the tap to the test, in place of the tap's module.
    """

    stream: str
    vendor: Any
    settings: Mapping[str, Any]
    days: Sequence[tuple[str, str]]
    limits: Callable[[], None]
    source: str = ""


class SuiteBase:
    """The declarations of a tap, and fixtures from them.

    Attributes:
        tap_class: The tap.
        now: The tap's current time in runs within this process.
        settings: Settings in addition to the simulator's, so that every stream has rows and some have several pages.
        wrong_credentials: Settings that the vendor refuses.
        dry_runs_skip: Streams that a dry run does not read.
        text_columns: Columns that are text in the schema, although the simulator has only days or instants in them.
    """

    tap_class: ClassVar[type[AdTechTap]]
    now: ClassVar[dt.datetime]
    settings: ClassVar[Mapping[str, Any]] = {}
    wrong_credentials: ClassVar[Mapping[str, Any]]
    dry_runs_skip: ClassVar[frozenset[str]] = frozenset()
    text_columns: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def vendor(cls) -> Any:
        """Make a simulator with several days of data."""
        raise NotImplementedError

    @classmethod
    def truth(cls, vendor: Any, stream: str) -> Sequence[Mapping[str, Any]]:
        """Return the expected records of a stream in a run with `settings`, sorted by primary key."""
        truth: Sequence[Mapping[str, Any]] = vendor.truth(stream)
        return truth

    @classmethod
    def final_bookmark(cls, stream: Stream, records: Sequence[Mapping[str, Any]]) -> str:
        """Return the bookmark of a stream after a complete run with `settings`.

        Args:
            stream: A stream with a replication key.
            records: Its records in that run.
        """
        raise NotImplementedError

    @classmethod
    def repeat_secrets(cls, vendor: Any, text: str) -> Sequence[str]:
        """Make the vendor repeat a text in an error.

        Returns:
            The streams to select; the error ends the last of them.
        """
        raise NotImplementedError

    @classmethod
    def secrets(cls, vendor: Any, config: Mapping[str, Any]) -> Sequence[str]:
        """Return the secrets of a run that has ended; by default the values of secret settings."""
        del vendor
        declared = cls.tap_class.config_jsonschema["properties"]
        return [str(value) for name, value in config.items() if declared[name].get("secret")]

    # Used by the suite

    @classmethod
    def tap(cls, **settings: Any) -> AdTechTap:
        """Make a tap that is not connected to a vendor."""
        return cls.tap_class(config={**cls.settings, **settings}, validate_config=False)

    @classmethod
    def own_settings(cls) -> dict[str, dict[str, Any]]:
        """Return the schema of each setting that singer-sdk does not add."""
        properties = cls.tap_class.config_jsonschema["properties"]
        return {name: one for name, one in properties.items() if not name.startswith(BUILT_IN)}

    @classmethod
    def package(cls) -> str:
        """Return the name of the tap's package."""
        return cls.tap_class.__module__.partition(".")[0]

    @classmethod
    def folder(cls) -> Path:
        """Return the folder of the tap's project, the parent of its tests."""
        return Path(str(sys.modules[cls.__module__].__file__)).parents[1]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run tests with an argument `stream_name` for each stream, with an argument `setting` for each setting."""
        if "stream_name" in metafunc.fixturenames:
            metafunc.parametrize("stream_name", list(self.tap().streams))
        if "setting" in metafunc.fixturenames:
            metafunc.parametrize("setting", list(self.own_settings()))

    @pytest.fixture
    def program(self, tmp_path: Path) -> Iterator[Program]:
        """Run the tap as a program."""
        program = Program(self.package(), tmp_path)
        yield program
        program.end()

    @pytest.fixture(autouse=True)
    @classmethod
    def forget_secrets(cls) -> Iterator[None]:
        """Forget the secrets of taps that a test made without a runner."""
        yield
        REDACTOR.forget()


def assert_truth(run: Run, vendor: Vendor, *streams: str, **asked: Any) -> None:
    """Compare the records of a run with a simulator's truth: every stream, every row, every column.

    Args:
        run: The run.
        vendor: The simulator.
        streams: The streams to compare; each must have rows.
        asked: Options of `truth`.
    """
    for stream in streams:
        truth = vendor.truth(stream, **asked)
        assert truth, stream
        assert run.by_key(stream) == truth, stream
