"""Settings shared by all taps, and error messages for invalid values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from singer_sdk import typing as th

from singer_adtech.dates import ALLOWED as DATES_ALLOWED
from singer_adtech.errors import SettingError, shorten
from singer_adtech.http.addresses import may_hold_credentials

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jsonschema import ValidationError
    from jsonschema.protocols import Validator


def api_url(default: str) -> th.Property[str]:
    """Base address of the vendor's API."""
    return th.Property(
        "api_url",
        th.StringType,
        default=default,
        title="API address",
        description="Base address of the vendor's API: https (or http to this machine), without user name or query.",
    )


def allow_http() -> th.Property[bool]:
    """Whether credentials may go unencrypted; see `addresses.check_api_url`."""
    return th.Property(
        "allow_http",
        th.BooleanType,
        default=False,
        title="Allow http",
        description="Allow `api_url` to be http to another machine: credentials and rows are then sent unencrypted.",
    )


def max_response_mb() -> th.Property[int]:
    """Maximum size of a response; see `downloads`."""
    return th.Property(
        "max_response_mb",
        th.IntegerType(minimum=1, maximum=16_384),
        default=512,
        title="Largest response in MB",
        description="Largest decompressed response in megabytes; the run fails on a larger one (1 to 16384). Its "
        "rows take about seven times as much memory.",
    )


def start_date(day: str) -> th.Property[str]:
    """First day to read; `day` describes its time zone."""
    return th.Property(
        "start_date",
        th.StringType,
        required=True,
        title="Start date",
        description=f"First day to read, {day}: ISO 8601 (`2024-03-01`), `today`, `yesterday` or `3 days ago`. "
        "Earlier days are never read.",
    )


def end_date(day: str) -> th.Property[str]:
    """Last day to read; `day` describes its time zone."""
    return th.Property(
        "end_date",
        th.StringType,
        title="End date",
        description=f"Last day to read, inclusive, {day}; same formats as `start_date`. Today if omitted or in the "
        "future.",
    )


def lookback_days(default: int, most: int, why: str) -> th.Property[int]:
    """Days re-read before the bookmark."""
    return th.Property(
        "lookback_days",
        th.IntegerType(minimum=0, maximum=most),
        default=default,
        title="Look-back in days",
        description=f"Days before the bookmark to read again on later runs, {why} (0 to {most}).",
    )


def window_days(default: int, most: int) -> th.Property[int]:
    """Days per request window."""
    return th.Property(
        "window_days",
        th.IntegerType(minimum=1, maximum=most),
        default=default,
        title="Window in days",
        description=f"Days per request window; the bookmark advances window by window (1 to {most}).",
    )


def page_size(default: int, most: int, of: str) -> th.Property[int]:
    """Rows per page."""
    return th.Property(
        "page_size",
        th.IntegerType(minimum=1, maximum=most),
        default=default,
        title="Page size",
        description=f"Rows per page of {of} (1 to {most}).",
    )


def parallel_requests(default: int, most: int, of: str) -> th.Property[int]:
    """Maximum requests in flight."""
    return th.Property(
        "parallel_requests",
        th.IntegerType(minimum=1, maximum=most),
        default=default,
        title="Parallel requests",
        description=f"Most requests in flight at a time: {of} (1 to {most}).",
    )


def budget_folder() -> th.Property[str]:
    """Folder shared by concurrent runs; see `shared_budgets`."""
    return th.Property(
        "budget_folder",
        th.StringType(min_length=1),
        title="Budget folder",
        description="Folder through which concurrent runs on one machine share the vendor's request limits; use one "
        "folder per account. Without it, each run counts only its own requests.",
    )


def request_timeout() -> th.Property[int]:
    """Seconds without a response."""
    return th.Property(
        "request_timeout",
        th.IntegerType(minimum=1, maximum=3600),
        default=300,
        title="Request timeout",
        description="Seconds without a response before a request is retried (1 to 3600). A response that is still "
        "incomplete by then must average 10 kB per second.",
    )


def extra_fields() -> th.Property[str]:
    """Handling of undeclared fields."""
    return th.Property(
        "extra_fields",
        th.StringType(allowed_values=["keep", "drop", "fail"]),
        default="keep",
        title="Undeclared fields",
        description="Fields that are not in the schema: `keep` them in the column `_extra`, `drop` them, or `fail`.",
    )


def row_count_check() -> th.Property[str]:
    """Handling of rows missing compared with the reported total."""
    return th.Property(
        "row_count_check",
        th.StringType(allowed_values=["fail", "warn", "off"]),
        default="fail",
        title="Row count check",
        description="If a second reading still has fewer rows than the vendor's total: `fail` (the bookmark stays), "
        "`warn` (the run continues without them), or `off` (totals are not compared).",
    )


def on_forbidden() -> th.Property[str]:
    """Handling of forbidden streams."""
    return th.Property(
        "on_forbidden",
        th.StringType(allowed_values=["skip", "fail"]),
        default="skip",
        title="Forbidden streams",
        description="A stream that the account may not read: `skip` it with a warning, or `fail`. A run always fails "
        "if all selected streams are forbidden.",
    )


def user_agent(tap_name: str) -> th.Property[str]:
    """The User-Agent header."""
    return th.Property(
        "user_agent",
        th.StringType(min_length=1, pattern=r"^[\x20-\x7e]+$"),
        title="User agent",
        description=f"User-Agent header of each request; `{tap_name}/<version>` by default.",
    )


def non_empty_list(items: th.JSONTypeHelper[Any]) -> th.CustomType:
    """Return the type of a list with at least one item."""
    return th.CustomType({"type": ["array"], "items": items.to_dict(), "minItems": 1})


def zone(name: str, setting: str = "time_zone") -> ZoneInfo:
    """Return a time zone.

    Args:
        name: IANA name.
        setting: Name of the setting, for error messages.

    Raises:
        SettingError: The time zone does not exist.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise SettingError(
            f"setting `{setting}`: {name!r} is not a time zone", "give an IANA name such as `Europe/Berlin`"
        ) from None


_NO_BATCHES = (
    "setting `batch_config` is not allowed: BATCH files would contain deselected columns, and follow the STATE that "
    "covers them: remove the setting to send records one by one"
)


def find_problems(
    validator: Validator, config: Mapping[str, Any], properties: Mapping[str, Any], prefix: str
) -> list[str]:
    """Describe invalid settings in one line each; see `explain`.

    Args:
        validator: A JSON Schema validator for the settings.
        config: The settings.
        properties: Schemas of the settings, with secrets marked.
        prefix: Prefix of the settings' environment variables.
    """
    problems = [_NO_BATCHES] if "batch_config" in config else []
    try:
        return [*(explain(error, properties, prefix) for error in validator.iter_errors(config)), *problems]
    except AttributeError:
        # singer-sdk's declaration of `__else__` is not a valid schema; validation fails on invalid values.
        if "stream_maps" not in config:
            raise
        return ["setting `stream_maps`: it does not have the form that singer-sdk expects: correct it", *problems]


def explain(error: ValidationError, properties: Mapping[str, Any], prefix: str) -> str:
    """Describe an invalid setting and its allowed values in one line.

    Args:
        error: The validation error.
        properties: Schemas of the settings, with secrets marked.
        prefix: Prefix of the settings' environment variables.

    Returns:
        Text such as `setting page_size: 20000 is not allowed: an integer from 1 to 10000`, without secrets.
    """
    if error.validator == "required" and not error.path:
        name = error.message.split("'")[1]
        return f"setting `{name}` is missing: set it, with Meltano as `{prefix}{name.upper()}` in .env"
    if not error.path:
        # The message would quote the settings, including credentials.
        return f"the settings are not allowed: {allowed(cast('Mapping[str, Any]', error.schema))} was expected"
    setting = str(error.path[0])
    declared = properties.get(setting, {})
    where = setting + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in list(error.path)[1:])
    secret = declared.get("secret") or declared.get("writeOnly") or may_hold_credentials(error.instance)
    shown = "the value" if secret and error.instance != "" else shorten(repr(error.instance), 80)
    if setting in {"start_date", "end_date"}:
        return f"setting `{where}`: {shown} is not allowed: {DATES_ALLOWED}"
    return f"setting `{where}`: {shown} is not allowed: {allowed(cast('Mapping[str, Any]', error.schema))}"


def allowed(declared: Mapping[str, Any] | bool) -> str:  # noqa: FBT001 - a JSON schema may be a boolean
    """Describe a JSON schema's allowed values in words."""
    if isinstance(declared, bool):
        return "anything" if declared else "nothing"
    if "enum" in declared:
        return "one of " + ", ".join(str(value) for value in declared["enum"])
    types = declared.get("type", "value")
    kind = next((name for name in ([types] if isinstance(types, str) else types) if name != "null"), "null")
    text = f"{'an' if kind[0] in 'aeio' else 'a'} {kind}"
    low, high = declared.get("minimum"), declared.get("maximum")
    if kind == "array" and isinstance(declared.get("items"), dict):
        size = "not empty, " if declared.get("minItems") else ""
        size += f"of at most {declared['maxItems']}, " if "maxItems" in declared else ""
        text = f"a list, {size}each item {allowed(declared['items'])}"
    elif low is not None:
        text += f" from {low} to {high}" if high is not None else f" of at least {low}"
    elif "pattern" in declared:
        text = declared.get("description") or f"{text} like {declared['pattern']}"
    elif declared.get("minLength"):
        text += " that is not empty"
    return text
