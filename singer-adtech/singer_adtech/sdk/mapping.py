"""What singer-sdk makes of streams and columns by its own settings, and the one line that a bad one gets."""

from __future__ import annotations

from singer_sdk import Tap
from singer_sdk.exceptions import MapExpressionError, StreamMapConfigError
from typing_extensions import override

from singer_adtech.errors import SettingError, shorten

MAPPING = ("stream_maps", "flattening_enabled")
"""Settings of singer-sdk from which it makes other streams and columns."""


class MappedTap(Tap):
    """singer-sdk's tap, whose stream maps and flattening fail in one line."""

    @override
    def setup_mapper(self) -> None:
        mapped = [name for name in MAPPING if self.config.get(name)]
        _ = self.catalog if mapped else None
        try:
            super().setup_mapper()
        except Exception as error:
            if not mapped:
                raise
            # singer-sdk fails in whatever way it happens to, on what its schema of these settings lets through.
            told = isinstance(error, (ValueError, MapExpressionError, StreamMapConfigError))
            why = shorten(str(error)) if told else "it does not have the form that singer-sdk expects"
            raise SettingError(f"setting {' or '.join(f'`{name}`' for name in mapped)}: {why}", "correct it") from error
