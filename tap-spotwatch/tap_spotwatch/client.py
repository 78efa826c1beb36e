"""The base stream: calls and errors (https://api.spotwatch.io: "Schema")."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from singer_adtech.errors import AuthError, ForbiddenError, ReadAgainError, VendorError
from singer_adtech.http.responses import check_status, describe
from singer_adtech.http.retries import TransientError
from singer_adtech.progress.windows import InstantWindow
from singer_adtech.streams.base import AdTechStream
from singer_sdk import SchemaDirectory, StreamSchema
from singer_sdk.pagination import BaseAPIPaginator
from singer_sdk.streams.rest import HTTPRequest, PageContext
from typing_extensions import override

from tap_spotwatch import schemas
from tap_spotwatch.responses import LINK

if TYPE_CHECKING:
    from collections.abc import Mapping

    import requests
    from singer_sdk.streams import Stream

SCHEMAS = SchemaDirectory(schemas)

LONGEST_QUERY = 4000
"""Characters of a query; longer arguments are sent as JSON, because proxies may refuse longer addresses."""

_AD_FIELDS = ("ad_brand", "ad_categories", "ad_description", "ad_duration", "ad_nbroadcasts", "ad_user_payload")

OPTIONAL_COLUMNS = {
    "media": "include_media",
    "user_payload": "include_user_payload",
    **dict.fromkeys(_AD_FIELDS, "include_ad_fields"),
}
"""Columns that exist only if a setting is true."""

_KEY = re.compile(r"\bkey\b", re.IGNORECASE)
_EXPIRED = {HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE}


class ExpiredLinkError(VendorError, ReadAgainError):
    """A page link has expired; its window must be read again from the beginning."""

    most = 2
    reason = "the page link expired"


class OptionalColumns(StreamSchema[str]):
    """A schema file without the columns of settings that are false, and with keys that are never null."""

    def __init__(self) -> None:
        super().__init__(SCHEMAS)
        self._cut: dict[tuple[str, frozenset[str], tuple[str, ...]], dict[str, Any]] = {}

    @override
    def get_stream_schema(self, stream: Any, stream_class: type[Stream]) -> dict[str, Any]:
        off = frozenset(name for name, setting in OPTIONAL_COLUMNS.items() if not stream.config.get(setting))
        keys = tuple(stream.primary_keys)
        key = stream.name, off, keys
        if key not in self._cut:
            whole = super().get_stream_schema(stream, stream_class)
            columns = {name: declared for name, declared in whole["properties"].items() if name not in off}
            for name in keys:
                kinds = columns[name]["type"]
                if isinstance(kinds, list):
                    columns[name] = {**columns[name], "type": [kind for kind in kinds if kind != "null"]}
            required = [*dict.fromkeys((*whole.get("required", ()), *keys))]
            self._cut[key] = {**whole, "properties": columns, "required": required}
        return self._cut[key]


def make_call(url: str, arguments: Mapping[str, Any]) -> HTTPRequest:
    """Build the request of a call.

    Args:
        url: The address of the call.
        arguments: Strings, numbers, booleans, and lists of strings or numbers. Lists are comma-separated in a query and
            arrays in a body.

    Returns:
        A GET, or a POST with the arguments as JSON if the query would be too long.
    """
    request = HTTPRequest(
        url=url, params={name: _query_value(value) for name, value in arguments.items()}, safe_query_chars=",:"
    )
    if len(request.encode_params()) > LONGEST_QUERY:
        return HTTPRequest(url=url, method="POST", data=dict(arguments))
    return request


def _query_value(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(map(str, value)) if isinstance(value, list) else value


class SpotwatchStream(AdTechStream[InstantWindow]):
    """A call without paging."""

    schema = OptionalColumns()
    # All documented fields are at the top level; others are kept as sent.
    nested = False

    def arguments(self, window: InstantWindow | None) -> dict[str, Any]:  # noqa: ARG002 - for calls with arguments
        """Return the arguments of the call, without the key."""
        return {}

    @override
    def get_http_request(self, *, page: PageContext[str]) -> HTTPRequest:
        window = self.part_of(page)
        return make_call(f"{self.url_base}{page.next_page_token}", self.arguments(window))

    @override
    def get_new_paginator(self) -> CallsPaginator:
        return CallsPaginator(self.path)

    @override
    def validate_response(self, response: requests.Response) -> None:
        # The body of an error is a line of text; it is read as JSON only if its content type is JSON.
        if response.status_code < HTTPStatus.MULTIPLE_CHOICES:
            return
        # Assumed: once the key was accepted, 403 is a missing right. If wrong, the key was revoked during the run, and
        # the remaining streams are skipped with a warning, unless `on_forbidden` is `fail`.
        errors: dict[int, type[VendorError]] = {
            HTTPStatus.FORBIDDEN: ForbiddenError if self.tap.requester.answered else AuthError
        }
        refused = "the API refused the key: check `api_key`, or ask Spotwatch for access"
        about_key = _KEY.search(describe(response))
        remedies: dict[int, str] = {
            HTTPStatus.BAD_REQUEST: "check `api_key`"
            if about_key
            else "check the settings, especially `regions` and `channels`",
            HTTPStatus.UNAUTHORIZED: refused,
            HTTPStatus.FORBIDDEN: refused,
            HTTPStatus.NOT_FOUND: "check `api_url`",
        }
        if LINK.fullmatch(urlsplit(response.url).path.removeprefix(urlsplit(self.url_base).path)):
            errors.update(dict.fromkeys(_EXPIRED, ExpiredLinkError))
            remedies.update(dict.fromkeys(_EXPIRED, "the page link expired: raise `page_size` or lower `window_days`"))
        check_status(response, remedies=remedies, errors=errors)

    @override
    def check_body(self, response: requests.Response) -> None:
        kind = response.headers.get("Content-Type", "application/json").partition(";")[0].strip()
        if "json" not in kind.lower():
            raise TransientError(
                f"HTTP {response.status_code} with {kind or 'no content type'} instead of JSON", response
            )
        super().check_body(response)


class CallsPaginator(BaseAPIPaginator[str]):
    """Several calls that together return one list.

    Args:
        paths: Their paths, in the order of requests.
    """

    def __init__(self, *paths: str) -> None:
        super().__init__(paths[0])
        self._following = iter(paths[1:])

    @override
    def get_next(self, response: requests.Response) -> str | None:
        return next(self._following, None)
