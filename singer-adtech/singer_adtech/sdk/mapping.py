"""singer-sdk's stream maps and flattening, with one-line errors."""

from __future__ import annotations

from singer_sdk import Tap
from singer_sdk.exceptions import MapExpressionError, StreamMapConfigError
from typing_extensions import override

from singer_adtech.errors import SettingError, shorten

MAPPING = ("stream_maps", "flattening_enabled")
"""Settings of singer-sdk that change streams and columns."""


class MappedTap(Tap):
    """A tap with one-line errors for stream maps and flattening."""

    @override
    def setup_mapper(self) -> None:
        mapped = [name for name in MAPPING if self.config.get(name)]
        _ = self.catalog if mapped else None
        try:
            super().setup_mapper()
        except Exception as error:
            if not mapped:
                raise
            # singer-sdk's schema accepts values that later raise arbitrary exceptions.
            meant_for_users = isinstance(error, (ValueError, MapExpressionError, StreamMapConfigError))
            why = shorten(str(error)) if meant_for_users else "it does not have the form that singer-sdk expects"
            raise SettingError(f"setting {' or '.join(f'`{name}`' for name in mapped)}: {why}", "correct it") from error
