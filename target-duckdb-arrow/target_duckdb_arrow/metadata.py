"""The record metadata columns of the Singer SDK.

https://sdk.meltano.com/en/latest/implementation/record_metadata.html
"""

from __future__ import annotations

from typing import Any

DELETED_AT = "_sdc_deleted_at"
"""Column that marks a row as deleted at the source."""

_MOMENT = {"type": ["null", "string"], "format": "date-time"}
_INTEGER = {"type": ["null", "integer"]}

METADATA_SCHEMA: dict[str, dict[str, Any]] = {
    "_sdc_extracted_at": _MOMENT,
    "_sdc_received_at": _MOMENT,
    "_sdc_batched_at": _MOMENT,
    DELETED_AT: _MOMENT,
    "_sdc_sequence": _INTEGER,
    "_sdc_table_version": _INTEGER,
    "_sdc_sync_started_at": _INTEGER,
}
"""Their JSON Schema, in the SDK's order."""
