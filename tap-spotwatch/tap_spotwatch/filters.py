"""The optional filters of the paged calls, each a setting: the stream's name and the vendor's argument."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from singer_adtech.dates import read_moment
from singer_adtech.errors import SettingError
from singer_adtech.progress.windows import DAY
from singer_adtech.streams.instants import UTC, utc_text
from singer_sdk import typing as th

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping


@dataclass(frozen=True)
class Filter:
    """One documented argument.

    Args:
        argument: Its name in the call.
        kind: The type of its setting.
        description: What the filter selects.
        default: The vendor's default, which is not sent.
    """

    argument: str
    kind: th.JSONTypeHelper[Any] | type[th.JSONTypeHelper[Any]]
    description: str
    default: Any = None


_NAMES = th.ArrayType(th.StringType)
_IDS = th.ArrayType(th.IntegerType(minimum=1))
_SECONDS = th.IntegerType(minimum=0, maximum=86_400)
_LATER = "Ads that are identified later than the look-back are missed."

FILTERS: Mapping[str, tuple[Filter, ...]] = {
    "ads": (
        Filter("ids", _IDS, "Only these ids.", []),
        Filter("category", _NAMES, f"Only ads of these categories. {_LATER}", []),
        Filter("brand", _NAMES, f"Only ads of these brands. {_LATER}", []),
        Filter("keyword", _NAMES, "Only ads that contain one of these keywords.", []),
        Filter(
            "unidentified", th.BooleanType, f"Whether to include ads that are not identified. {_LATER}", default=True
        ),
        Filter("self_promo", th.BooleanType, "Whether to include self-promotion of broadcasters.", default=True),
        Filter("created_from", th.StringType, "Only ads created from this UTC day or instant on."),
        Filter("created_to", th.StringType, "Only ads created up to this UTC day (inclusive) or instant."),
        Filter("duration_from", _SECONDS, "Only ads of at least this many seconds (0 to 86400)."),
        Filter("duration_to", _SECONDS, "Only ads of at most this many seconds (0 to 86400)."),
    ),
    "broadcasts": (
        Filter("ad_id", _IDS, "Only airings of the ads with these ids.", []),
        Filter("ad_brand", _NAMES, f"Only airings of ads of these brands. {_LATER}", []),
        Filter("ad_category", _NAMES, f"Only airings of ads of these categories. {_LATER}", []),
        Filter(
            "ad_identified", th.BooleanType, f"Whether to read only airings of identified ads. {_LATER}", default=False
        ),
        Filter("block_id", _IDS, "Only airings in the breaks with these ids.", []),
    ),
    "blocks": (Filter("ad_id", _IDS, "Only breaks that contain one of the ads with these ids.", []),),
}
"""The filters by stream, except `region` and `channel`, which have settings in common."""

NAMES = (
    "regions",
    "channels",
    *(f"{stream}_{one.argument}" for stream, of in FILTERS.items() for one in of if one.kind is _NAMES),
)
"""The settings with lists of names."""

ID_COLUMNS: Mapping[str, str] = {
    "ads_ids": "id",
    "broadcasts_ad_id": "ad",
    "broadcasts_block_id": "block",
    "blocks_ad_id": "ads",
}
"""The columns that filters by id select by."""

_INSTANTS = ("ads_created_from", "ads_created_to")


def properties() -> list[th.Property[Any]]:
    """Return the settings."""
    return [
        th.Property(
            f"{stream}_{one.argument}",
            one.kind,
            title=f"{stream.capitalize()}: {one.argument}",
            description=f"{one.description} The argument `{one.argument}` of `/get-{stream}`.",
            **({} if one.default is None else {"default": one.default}),
        )
        for stream, of_stream in FILTERS.items()
        for one in of_stream
    ]


def configured(stream: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the filters of a stream that differ from the vendor's defaults, as setting to value."""
    defaults = {f"{stream}_{one.argument}": one.default for one in FILTERS[stream]}
    return {name: config[name] for name, default in defaults.items() if config.get(name) not in (default, None, "", [])}


def filter_arguments(stream: str, config: Mapping[str, Any], now: dt.datetime) -> dict[str, Any]:
    """Return the arguments of the configured filters of a stream.

    Args:
        stream: The stream.
        config: The settings.
        now: The start of the run, for relative days.

    Raises:
        SettingError: A day or instant is invalid.
    """
    return {
        setting.removeprefix(f"{stream}_"): _instant(setting, value, now) if setting in _INSTANTS else value
        for setting, value in configured(stream, config).items()
    }


def check(config: Mapping[str, Any], now: dt.datetime) -> None:
    """Check the filters.

    Args:
        config: The settings.
        now: The start of the run, for relative days.

    Raises:
        SettingError: A name is blank or has a comma, a day or instant is invalid, or a range is empty.
    """
    for setting in NAMES:
        check_names(setting, config[setting])
    ads = filter_arguments("ads", config, now)
    for first, last in (("created_from", "created_to"), ("duration_from", "duration_to")):
        if first in ads and last in ads and ads[first] > ads[last]:
            shown = f"setting `ads_{last}`: {config[f'ads_{last}']!r} is less than `ads_{first}`"
            raise SettingError(f"{shown} {config[f'ads_{first}']!r}", "change one of them, or omit it")


def check_names(setting: str, names: list[str]) -> None:
    """Check a setting with names.

    Raises:
        SettingError: A name is blank or has a comma.
    """
    for name in names:
        if "," in name or not name.strip():
            raise SettingError(
                f"setting `{setting}`: {name!r} is not allowed", "use one name per entry, without commas"
            )


def _instant(setting: str, text: str, now: dt.datetime) -> str:
    moment = read_moment(text, setting, UTC, now)
    # Assumed: `created_to` is exclusive. If wrong, an ad created at the first second after the last day is loaded too.
    return utc_text(moment.at + DAY if moment.whole_day and setting.endswith("_to") else moment.at)
