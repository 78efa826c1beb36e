"""A stock tap: written like singer-sdk's cookiecutter template, with the SDK's defaults.

One tap for all works; the setting `vendor` selects the stream. Schema and key are those of our taps.
"""

from __future__ import annotations

import datetime as dt
import decimal
import hashlib
import json
import time
from typing import TYPE_CHECKING, Any, ClassVar

import requests
from singer_sdk import Tap
from singer_sdk import typing as th
from singer_sdk.helpers.jsonpath import extract_jsonpath
from singer_sdk.pagination import BaseAPIPaginator, BaseHATEOASPaginator, BasePageNumberPaginator
from singer_sdk.streams import RESTStream
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterable

    from singer_sdk.helpers.types import Context, Record


class StockStream(RESTStream[Any]):
    """What the template has in `client.py`."""

    rest_method = "GET"
    records_jsonpath = "$[*]"

    @property
    @override
    def url_base(self) -> str:
        return str(self.config["api_url"])

    @override
    def parse_response(self, response: requests.Response) -> Iterable[Record]:
        yield from extract_jsonpath(self.records_jsonpath, input=response.json(parse_float=decimal.Decimal))

    @property
    def days(self) -> list[str]:
        """The days to read."""
        first, last = (dt.date.fromisoformat(self.config[name]) for name in ("start_date", "end_date"))
        return [(first + dt.timedelta(days=number)).isoformat() for number in range((last - first).days + 1)]


class LastPage(BasePageNumberPaginator):
    """Numbered pages up to the reported last one."""

    def __init__(self, jsonpath: str) -> None:
        super().__init__(1)
        self._jsonpath = jsonpath

    @override
    def has_more(self, response: requests.Response) -> bool:
        return bool(self.current_value < next(extract_jsonpath(self._jsonpath, response.json())))


class Days(BaseAPIPaginator[Any]):
    """One request per day."""

    def __init__(self, days: list[str]) -> None:
        super().__init__(days[0])
        self._days = iter(days[1:])

    @override
    def get_next(self, response: requests.Response) -> str | None:
        return next(self._days, None)


def flatten(row: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Join nested names by underscores, without the wrappers `{"data": ...}`."""
    flat: dict[str, Any] = {}
    for name, value in row.items():
        inner = value["data"] if isinstance(value, dict) and "data" in value else value
        if isinstance(inner, dict):
            flat |= flatten(inner, f"{prefix}{name}_")
        elif inner != []:
            flat[f"{prefix}{name}"] = inner
    return flat


class ISpot(StockStream):
    """Airings."""

    path = "/metrics/audience/airings"
    records_jsonpath = "$.data[*]"

    @property
    @override
    def http_headers(self) -> dict[str, str]:
        if not hasattr(self, "_token"):
            url = f"{self.url_base}/oauth2/token"
            self._token = requests.post(url, data=self.config["login"], timeout=300).json()["access_token"]
        return {"Authorization": f"Bearer {self._token}"}

    @override
    def get_new_paginator(self) -> LastPage:
        return LastPage("$.meta.pagination.total_pages")

    @override
    def get_url_params(self, context: Context | None, next_page_token: Any) -> dict[str, Any]:
        return {
            "filter[start_date]": self.config["start_date"],
            "filter[end_date]": self.config["end_date"],
            "page[size]": self.config["page_size"],
            "page[number]": next_page_token,
        }

    @override
    def post_process(self, row: Record, context: Context | None = None) -> Record | None:
        return flatten(row)


class Adspect(StockStream):
    """The click log, one array per line."""

    path = "/reports/log"
    columns = (
        *("timestamp", "ip_address", "asn", "account_id", "stream_id", "country_code", "os", "browser", "engine"),
        *("languages", "cost", "sub_id", "click_id", "mode", "sequence", "target", "tags"),
    )
    keys = ("timestamp", "stream_id", "click_id", "sequence", "ip_address")

    @override
    def get_new_paginator(self) -> Days:
        return Days(self.days)

    @override
    def get_url_params(self, context: Context | None, next_page_token: Any) -> dict[str, Any]:
        midnight = dt.datetime.fromisoformat(next_page_token).replace(tzinfo=dt.timezone.utc).timestamp()
        return {
            "date_from": int(midnight),
            "date_to": int(midnight) + 86_400,
            "time_zone": "UTC",
            "columns[]": self.columns,
        }

    @override
    def parse_response(self, response: requests.Response) -> Iterable[Record]:
        for line in response.iter_lines():
            yield dict(zip(self.columns, json.loads(line, parse_float=decimal.Decimal), strict=True))

    @override
    def post_process(self, row: Record, context: Context | None = None) -> Record | None:
        row["timestamp"] = f"{row['timestamp'].replace(' ', 'T')}Z"
        # Without an id, the key is a digest of the columns that identify a row.
        row["_row_key"] = hashlib.sha256(json.dumps([row[name] for name in self.keys]).encode()).hexdigest()
        return row


class SpringServe(StockStream):
    """The list of supply tags."""

    path = "/v1/supply_tags"
    records_jsonpath = "$.results[*]"

    @override
    def get_new_paginator(self) -> LastPage:
        return LastPage("$.total_pages")

    @override
    def get_url_params(self, context: Context | None, next_page_token: Any) -> dict[str, Any]:
        return {"per": self.config["page_size"], "page": next_page_token, "sort": "updated_at,id"}


class SpringServeReport(StockStream):
    """A report: submitted, polled, and read page by page, one day at a time."""

    path = "/v0/report"
    records_jsonpath = "$.data[*]"
    metrics = (
        *("total_requests", "usable_requests", "blocked_requests", "impressions", "clicks"),
        *("revenue", "cost", "profit", "fill_rate"),
    )

    @override
    def request_records(self, context: Context | None) -> Iterable[Record]:
        url = f"{self.url_base}{self.path}"
        for day in self.days:
            body: dict[str, Any] = {
                "start_date": day,
                "end_date": day,
                "interval": "day",
                "timezone": "UTC",
                "dimensions": ["supply_tag_id"],
                "metrics": self.metrics,
                "async": True,
            }
            report = self.requests_session.post(url, json=body).json()
            body["report_id"] = report["report_id"]
            page, pages = 1, 1
            while page <= pages:
                response = self.requests_session.post(url, json={**body, "page": page})
                if response.json()["status"] != "COMPLETE":
                    time.sleep(0.1)
                    continue
                yield from self.parse_response(response)
                page, pages = page + 1, response.json()["total_pages"]

    @override
    def post_process(self, row: Record, context: Context | None = None) -> Record | None:
        row["date"] = row["date"][:10]
        for name in self.metrics:
            if isinstance(row[name], str):
                row[name] = decimal.Decimal(row[name])
        return row


class Links(BaseHATEOASPaginator):
    """Pages connected by links, one day after the other."""

    @override
    def get_next_url(self, response: requests.Response) -> str | None:
        link = response.json()["page"]["next"]
        return None if link is None else str(link)


class Spotwatch(StockStream):
    """Broadcasts of the whole range."""

    path = ""
    records_jsonpath = "$.results[*]"

    @override
    def get_new_paginator(self) -> Links:
        return Links()

    @override
    def get_url(self, context: Context | None) -> str:
        return self.url_base

    @override
    def prepare_request(self, context: Context | None, next_page_token: Any) -> requests.PreparedRequest:
        if next_page_token is not None:
            return self.build_prepared_request(method="GET", url=f"{self.url_base}{next_page_token.path}")
        last = dt.date.fromisoformat(self.config["end_date"]) + dt.timedelta(days=1)
        params = {
            "time_from": f"{self.config['start_date']}T00:00:00Z",
            "time_to": f"{last}T00:00:00Z",
            "time_fmt": "iso8601",
            "page_lim": self.config["page_size"],
        }
        return self.build_prepared_request(method="GET", url=f"{self.url_base}/get-broadcasts", params=params)


class Magnite(StockStream):
    """A query: submitted, polled and fetched, one day at a time."""

    path = "/queries"
    dimensions: ClassVar = ("adUnit", "currency", "day", "publisher", "supply")

    @override
    def request_records(self, context: Context | None) -> Iterable[Record]:
        url = f"{self.url_base}{self.path}"
        for day in self.days:
            query = {
                "source": "adstats-publisher",
                "range": {"fromDate": day, "toDate": day, "timeZone": "UTC"},
            }
            code = self.requests_session.post(url, json=query).json()["code"]
            while self.requests_session.get(f"{url}/{code}").json()["status"] != 3:  # noqa: PLR2004 - completed
                time.sleep(0.1)
            yield from self.parse_response(self.requests_session.get(f"{url}/{code}/results?fmt=json"))

    @override
    def post_process(self, row: Record, context: Context | None = None) -> Record | None:
        parts = [[name, row.get(f"{name}IdLink", row[name])] for name in self.dimensions]
        row["row_key"] = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
        return row


STREAMS: dict[str, type[StockStream]] = {
    "ispot": ISpot,
    "adspect": Adspect,
    "springserve-entities": SpringServe,
    "springserve-reports": SpringServeReport,
    "spotwatch": Spotwatch,
    "magnite": Magnite,
}


class TapStock(Tap):
    """The tap."""

    name = "tap-stock"
    config_jsonschema = th.PropertiesList(
        th.Property("api_url", th.StringType, required=True),
        th.Property("stream", th.StringType, required=True, description="Class of the stream."),
        th.Property("name", th.StringType, required=True, description="Name of the stream."),
        th.Property("schema", th.ObjectType(additional_properties=True), required=True),
        th.Property("keys", th.ArrayType(th.StringType), required=True),
        th.Property("login", th.ObjectType(additional_properties=True)),
        th.Property("start_date", th.StringType, required=True),
        th.Property("end_date", th.StringType, required=True),
        th.Property("page_size", th.IntegerType, required=True),
    ).to_dict()

    @override
    def discover_streams(self) -> list[StockStream]:
        kind = STREAMS[self.config["stream"]]
        stream = kind(self, name=self.config["name"], schema=self.config["schema"])
        stream.primary_keys = self.config["keys"]
        return [stream]


if __name__ == "__main__":
    TapStock.cli()
