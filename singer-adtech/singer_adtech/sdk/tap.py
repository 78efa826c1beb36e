"""singer-sdk's tap with hooks.

singer-sdk's methods for runs are final, and those for settings and signals are private. They are overridden only here.
Taps override the hooks.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.plugin_base import _ConfigInput
from typing_extensions import override

from singer_adtech.sdk.mapping import MappedTap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from contextlib import AbstractContextManager
    from types import FrameType

    from singer_sdk.streams import Stream

ConfigInput: TypeAlias = _ConfigInput
"""The option `--config` as singer-sdk passes it to `invoke`, `--discover` and `--test`."""

RunKind = Literal["sync", "test", "schemas", "discovery"]
"""The kind of a run: read the tap's streams, test the connection, write SCHEMA messages only, or write the catalog."""


class HookedTap(MappedTap):
    """A tap with hooks for its settings, its runs and signals."""

    run_kind: RunKind | None = None
    """The current or last run; None before the first."""

    @property
    def testing(self) -> bool:
        """Whether this run is a connection test (one record per stream)."""
        return self.run_kind == "test"

    # Hooks

    @abstractmethod
    def environment_settings(self) -> dict[str, Any]:
        """Read the settings from environment variables."""

    @abstractmethod
    def settings_problems(self, settings: dict[str, Any]) -> list[str]:
        """Complete the settings in place and check them.

        Args:
            settings: The settings; they can be changed only here.

        Returns:
            One line per problem.
        """

    def settings_checked(self) -> None:
        """Handle the settings after their check; called before invalid ones are refused."""

    @abstractmethod
    def run_context(self, kind: RunKind) -> AbstractContextManager[None]:
        """Return the context of a run, entered before its first request and exited even after an error."""

    def check_inputs(self) -> None:
        """Refuse a catalog or a state that this run cannot use; called before the first request and message."""

    @abstractmethod
    def read_streams(self, streams: Sequence[Stream]) -> None:
        """Read streams.

        Args:
            streams: All streams of the tap, or those of a connection test.
        """

    def tested_streams(self, streams: Sequence[Stream]) -> Sequence[Stream]:
        """Return the streams of a connection test, given those that singer-sdk would test."""
        return streams

    def stop(self, signum: int) -> None:
        """End the run because of a signal."""
        raise SystemExit(128 + signum)

    @property
    def states_written(self) -> int:
        """STATE messages written so far."""
        return 0

    @abstractmethod
    def compiled_writer(self, stream: str, version: int | None) -> Callable[[Any], None]:
        """Return a function that writes the RECORD message of a compiled record."""

    def flush(self) -> None:
        """Write the messages that the message writer has gathered."""

    # singer-sdk's private and final methods

    def validate_settings(self) -> None:
        """Check the settings; not called by `--discover`.

        Raises:
            ConfigValidationError: They are invalid.
        """
        self._validate_config()

    @property
    @override
    def _env_var_config(self) -> dict[str, Any]:
        # singer-sdk's own reader prefers a `.env` file to exported variables.
        return self.environment_settings()

    @override
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        # singer-sdk's own messages quote secrets and take several lines.
        problems = self.settings_problems(self._config)
        if raise_errors:
            self.settings_checked()
        if problems and raise_errors:
            raise ConfigValidationError("Config validation failed", errors=problems)
        return problems

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        # singer-sdk would exit with 0, as if everything had been read.
        self.stop(signum)

    @override  # type: ignore[misc]  # final in singer-sdk, where the first stream that fails ends the run
    def sync_all(self) -> None:
        with self._run("sync"):
            self.check_inputs()
            # singer-sdk would turn its progress markers into bookmarks at the end of a stream.
            self._reset_state_progress_markers()
            if self.state:
                self.state_writer.write_state(self.state)
            self.read_streams(list(self.streams.values()))

    @override  # type: ignore[misc]  # final in singer-sdk, where the first stream that fails ends the test
    def run_sync_dry_run(self, dry_run_record_limit: int | None = 1, streams: Iterable[Stream] | None = None) -> bool:
        tested = list(self.streams.values() if streams is None else streams)
        for stream in tested:
            stream.ABORT_AT_RECORD_COUNT = dry_run_record_limit
            stream.selected = True
        with self._run("test"):
            self.read_streams(tested)
        return True

    @override  # type: ignore[misc]  # final in singer-sdk, which tests all streams
    def run_connection_test(self) -> bool:
        return self.run_sync_dry_run(1, self.tested_streams(list(self.streams.values())))

    @override  # type: ignore[misc]  # final in singer-sdk, which has no hook at the end of a run
    def write_schemas(self) -> None:
        with self._run("schemas"):
            super().write_schemas()
            self.flush()

    @override
    def run_discovery(self) -> str:
        with self._run("discovery"):
            return super().run_discovery()

    def _run(self, kind: RunKind) -> AbstractContextManager[None]:
        self.run_kind = kind
        return self.run_context(kind)
