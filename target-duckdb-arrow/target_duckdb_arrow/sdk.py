"""The only module that touches singer-sdk's private names. Its test lists every SDK name that the loader uses.

The SDK's private handlers of messages are not overridden: the loader passes its own reader, and the reader calls the
loader's handlers. The loader also keeps its own sinks, batches and STATE, so `drain_all` is never called.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, NoReturn

from singer_sdk import Target
from singer_sdk.helpers._flattening import FlatteningOptions, flatten_key
from singer_sdk.plugin_base import _ConfigInput as ConfigInput
from singer_sdk.sinks import BatchSink
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import FrameType

    from singer_sdk.mapper import StreamMap

__all__ = ["ConfigInput", "FlatteningOptions", "SDKSink", "SDKTarget", "flatten_key", "set_flattener"]
# ConfigInput: the type that the SDK passes from its option --config to `invoke`.
# flatten_key, FlatteningOptions: flattened names must match those of the SDK's flattened schema.


class SDKTarget(Target):
    """A target with public hooks for private methods of the SDK."""

    @abstractmethod
    def stop(self, number: int) -> NoReturn:
        """End the run because of a signal."""

    @abstractmethod
    def read_environment(self) -> dict[str, Any]:
        """Read settings from environment variables."""

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        # The SDK would write all sinks and exit with 0, even in the middle of a batch: rows would be written twice, or
        # a partial table would replace a complete one. Only private: the SDK installs this method as the signal
        # handler.
        self.stop(signum)

    @property
    def _env_var_config(self) -> dict[str, Any]:
        # The SDK would also read a .env file above the installed package, and let it override the environment.
        return self.read_environment()


class SDKSink(BatchSink):
    """Access to the SDK's record metadata."""

    def add_metadata(self, record: dict[str, Any], message: Mapping[str, Any]) -> None:
        """Add the SDK's `_sdc_` values to a record.

        The SDK's own methods are called, so that the columns mean the same as in every other SDK target.
        """
        self._add_sdc_metadata_to_record(record, dict(message), self._get_context(record))


def set_flattener(stream_map: StreamMap, flatten: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Replace the function with which a stream map flattens records.

    The method is public, but the mapper creates its stream maps itself: a subclass would never be used.
    """
    stream_map.flatten_record = flatten  # type: ignore[method-assign, assignment]
