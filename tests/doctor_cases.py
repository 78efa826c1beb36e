"""Vendors that break one assumption of a tap each, and the results of the live check that name it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Bad:
    """A vendor that breaks one assumption, and how the report names it."""

    vendor: str
    stream: str
    check: str
    phrase: str
    options: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    fault: Mapping[str, Any] | None = None

    def __str__(self) -> str:
        broken = [f"{name}={value}" for name, value in self.options.items()] or [str((self.fault or {}).get("action"))]
        return f"{self.vendor}-{','.join(broken)}"


AIRINGS, REPORT = "audience_airings", "supply_daily"
EXCLUSIVE_END = "near the end of the range come only if a longer range is requested: the end of a window is exclusive"
BAD = [
    Bad("ispot", AIRINGS, "order", "the vendor ignores the sort", {"sort": "ignored"}),
    Bad("ispot", "brands", "order", "not in the requested order (id)", {"sort": "ignored"}),
    Bad("ispot", AIRINGS, "filter `brand_ids`", "the vendor ignores the filter", {"ignored_filters": "brand"}),
    Bad("ispot", AIRINGS, "range", EXCLUSIVE_END, {"end_date": "exclusive"}),
    Bad(
        "ispot", AIRINGS, "read", "wrong assumption (the zone of days, and the borders of windows)", {"day_zone": "utc"}
    ),
    Bad("ispot", AIRINGS, "totals", "the reported total is too small", {"total_error": -3}),
    Bad(
        "ispot",
        AIRINGS,
        "page size",
        "rows are missing between pages, or their order is not stable",
        {"skipped_rows": 2},
    ),
    Bad(
        "ispot",
        AIRINGS,
        "page size",
        "the vendor caps the page size: responses have at most 10 rows",
        {"clamp_page_size": 10},
    ),
    Bad("ispot", AIRINGS, "read", "wrong assumption (keys are unique)", {"shared_ids": True}),
    Bad(
        "spotwatch",
        "broadcasts",
        "window borders",
        "a border of windows is exclusive; raise `window_overlap_seconds`",
        {"bounds": "exclusive"},
    ),
    Bad("spotwatch", "broadcasts", "range", "the start of a window is exclusive", {"bounds": "lower_exclusive"}),
    Bad(
        "spotwatch",
        "broadcasts",
        "read",
        "wrong assumption (totals count all rows, or pages have all rows)",
        {"total_error": 5},
    ),
    Bad(
        "spotwatch",
        "broadcasts",
        "filter `channels`",
        "the vendor ignores the filter",
        {"ignored_arguments": "channel"},
    ),
    Bad("spotwatch", "broadcasts", "read", "the borders of windows", {"ignored_arguments": "time_to"}),
    Bad(
        "adspect",
        "streams",
        "page size",
        "at most 20 rows, although 100 were requested",
        {"per_page": "default", "streams": 50},
    ),
    Bad("adspect", "funnel_daily", "time zone", "the zone of days", {"time_zone": "display"}),
    Bad(
        "adspect",
        "funnel_daily",
        "filter `stream_id`",
        "the vendor ignores the filter",
        {"ignored_filters": "stream_id"},
    ),
    Bad(
        "adspect",
        "click_log",
        "window borders",
        "long responses are cut, or the end of a window is exclusive; lower `window_days` and `log_window_minutes`",
        {"log_cap": 30},
    ),
    Bad("adspect", "click_log", "read twice", "a second reading has other rows: the list is cut", {"log_cap": 30}),
    Bad("springserve", REPORT, "range", EXCLUSIVE_END, {"last_day": "exclusive"}),
    Bad(
        "springserve",
        REPORT,
        "filter `supply_tag_ids`",
        "wrong assumption (the vendor applies filters)",
        {"report_filters": "ignored"},
    ),
    Bad(
        "springserve",
        "supply_tags",
        "read",
        "wrong assumption (the vendor selects the account)",
        {"context": "ignored"},
        {"account_id": 2},
    ),
    Bad(
        "springserve",
        "supply_tags",
        "read",
        "wrong assumption (the vendor sorts and filters by the last change)",
        {"sort": "ignored"},
        {"page_size": 20},
    ),
    Bad(
        "springserve",
        "campaigns",
        "read",
        "wrong assumption (pages differ and end)",
        {"ignore_page": True, "max_rows_v0": 20},
    ),
    Bad(
        "magnite", "adstats_daily", "time zone", "the vendor ignores the requested time zone", {"time_zones": "ignored"}
    ),
    Bad("magnite", "adstats_daily", "days", "no row of 2025-03-12, the last day", {"to_date": "exclusive"}),
    Bad("magnite", "adstats_daily", "filter `publisher`", "the vendor ignores the filter", {"filters": "ignored"}),
    Bad(
        "magnite",
        "adstats_daily",
        "window borders",
        "they come only with shorter windows: long responses are cut",
        {"row_limit": 70},
    ),
    Bad("magnite", "seats", "read", "resource_paths", fault={"status": 404, "path": "*/seats"}),
]
