"""A tap for a vendor that does not exist, as an author would write it: the whole library at work.

Run as a program it is the tap; tests in the same process load it as a module.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar
from zoneinfo import ZoneInfo

import requests
from singer_adtech import settings
from singer_adtech.fetching.pages import CountedPagesPaginator
from singer_adtech.http.auth import Authenticator, Token, TokenAuthenticator
from singer_adtech.http.budgets import Family, Limit
from singer_adtech.http.retries import RetryPolicy
from singer_adtech.progress.bookmarks import InstantBookmark
from singer_adtech.progress.windows import DayWindow, midnight
from singer_adtech.records.exact_json import exact_json
from singer_adtech.streams.base import AdTechStream
from singer_adtech.streams.windowed import DayWindowStream
from singer_adtech.tap import AdTechTap
from singer_sdk import typing as th
from singer_sdk.pagination import BaseAPIPaginator
from singer_sdk.streams.rest import HTTPRequest
from typing_extensions import override

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

    from singer_adtech.progress.bookmarks import BookmarkKind
    from singer_sdk.streams.rest import PageContext

NEW_YORK = ZoneInfo("America/New_York")


class AcmeAuthenticator(TokenAuthenticator):
    """A token for a client id and secret."""

    def __init__(self, tap: TapAcme) -> None:
        super().__init__(tap.clock)
        self._tap = tap

    @override
    def login(self) -> Token:
        form = {name: self._tap.config[name] for name in ("client_id", "client_secret")}
        request = requests.Request("POST", f"{self._tap.api_url}/login", data=form)
        answer = exact_json(self._tap.requester.send(request, auth=None, label="login").content)
        return Token(answer["access_token"], answer["expires_in"])


class AcmeStream(AdTechStream[DayWindow]):
    """Pages by number, rows under `data`."""

    @override
    def get_new_paginator(self) -> BaseAPIPaginator[Any]:
        return CountedPagesPaginator(lambda response: exact_json(response.content)["meta"]["pages"])

    @override
    def get_http_request(self, *, page: PageContext[Any]) -> HTTPRequest:
        return HTTPRequest(
            url=self.url_base + self.path,
            params={"page": page.next_page_token, "size": self.config["page_size"]},
        )

    @override
    def parse_response(self, response: requests.Response) -> Iterable[Any]:
        yield from exact_json(response.content)["data"]

    @override
    def total_rows(self, response: requests.Response) -> int | None:
        total: int | None = exact_json(response.content).get("meta", {}).get("total")
        return total


class Airings(DayWindowStream, AcmeStream):
    """Airings by day, days of New York."""

    name = "airings"
    path = "/airings"
    primary_keys = ("airing_id",)
    replication_key = "airing_day"
    schema: ClassVar[dict[str, Any]] = th.PropertiesList(
        th.Property("airing_id", th.StringType, required=True),
        th.Property("airing_day", th.StringType),
        th.Property("airing_spend", th.NumberType),
        th.Property("spot_id", th.IntegerType),
        th.Property("_extra", th.CustomType({"type": ["object", "null"]})),
    ).to_dict()

    @property
    @override
    def bookmark_kind(self) -> BookmarkKind:
        return InstantBookmark(NEW_YORK)

    @property
    @override
    def parallel_windows(self) -> int:
        windows: int = self.config["parallel_windows"]
        return windows

    @override
    def bookmark_day(self, position: dt.datetime) -> dt.date:
        return position.astimezone(NEW_YORK).date()

    @override
    def position_after(self, window: DayWindow) -> dt.datetime:
        return midnight(window.next_day, NEW_YORK)

    @override
    def get_http_request(self, *, page: PageContext[Any]) -> HTTPRequest:
        request = super().get_http_request(page=page)
        window = self.window_of(page)
        request.params |= {"start": window.first.isoformat(), "end": window.last.isoformat()}
        return request


class Spots(AcmeStream):
    """The list of spots."""

    name = "spots"
    path = "/spots"
    primary_keys = ("id",)
    schema: ClassVar[dict[str, Any]] = th.PropertiesList(
        th.Property("id", th.IntegerType, required=True),
        th.Property("name", th.StringType),
        th.Property("_extra", th.CustomType({"type": ["object", "null"]})),
    ).to_dict()


class CursorPaginator(BaseAPIPaginator[Any]):
    """A chain: each page names the next."""

    def __init__(self) -> None:
        super().__init__(None)

    @override
    def get_next(self, response: requests.Response) -> Any:
        return exact_json(response.content)["next"]


class Events(AcmeStream):
    """An event log, in a chain of cursors."""

    name = "events"
    path = "/events"
    primary_keys = ("id",)
    selected_by_default = False
    schema: ClassVar[dict[str, Any]] = Spots.schema

    @override
    def get_new_paginator(self) -> BaseAPIPaginator[Any]:
        return CursorPaginator()

    @override
    def get_http_request(self, *, page: PageContext[Any]) -> HTTPRequest:
        return HTTPRequest(url=self.url_base + self.path, params={"cursor": page.next_page_token})


class TapAcme(AdTechTap):
    """A tap for Acme Ads."""

    name = "tap-acme"
    allowed_requests = (("POST", "/login"), ("GET", "/airings"), ("GET", "/spots"), ("GET", "/events"))
    package_name = "singer-adtech"
    config_jsonschema: ClassVar[dict[str, Any]] = th.PropertiesList(
        th.Property("client_id", th.StringType(min_length=1), required=True, secret=True),
        th.Property("client_secret", th.StringType(min_length=1), required=True, secret=True),
        settings.api_url("https://api.acme.example/v1"),
        settings.allow_http(),
        settings.start_date("days of New York"),
        settings.end_date("days of New York"),
        settings.lookback_days(3, 30, "as rows change"),
        settings.window_days(1, 31),
        settings.page_size(100, 1000, "any stream"),
        settings.parallel_requests(2, 10, "pages of one window"),
        settings.budget_folder(),
        settings.request_timeout(),
        settings.max_response_mb(),
        settings.extra_fields(),
        settings.row_count_check(),
        settings.user_agent(name),
        th.Property("parallel_windows", th.IntegerType(minimum=1), default=1),
        th.Property("factor", th.NumberType(minimum=0, maximum=1), default=1),
    ).to_dict()
    families = (Family("everything", ("*",), (Limit(10_000, 1),)),)
    # Tests of the program do not wait; tests of waits have a policy of their own.
    retry_policy = RetryPolicy(waits=(0.01,) if os.environ.get("ACME_IMPATIENT") else (1, 2, 4, 8, 16))

    @override
    def make_authenticator(self) -> Authenticator:
        return AcmeAuthenticator(self)

    @property
    @override
    def day_zone(self) -> ZoneInfo:
        return NEW_YORK

    @override
    def discover_streams(self) -> list[AcmeStream]:
        return [Airings(self), Spots(self), Events(self)]


if __name__ == "__main__":
    TapAcme.cli()
