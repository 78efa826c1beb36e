"""Rows for benchmarks: some hundred rows of each vendor's simulator as text, with marks for ids and days."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import requests
from speed_works import FIRST_DAY, FIRST_ID
from vendor_simulators.adspect import AdspectSimulator
from vendor_simulators.ispot import ISpotSimulator
from vendor_simulators.magnite import MagniteSimulator
from vendor_simulators.server import serve
from vendor_simulators.spotwatch import SpotwatchSimulator
from vendor_simulators.springserve import SpringServeSimulator

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ID, DAY, TIME = b"@ID@", b"@DAY@", b"@TIME@"
NUMBER = "@NUMBER@"
"""Mark of an id that is a JSON number."""

ROWS = 300
"""Different rows."""

Row = Any

AIRING_PARTS = "brand,network,show,genre,industry"
"""Includes with which an airing has about 40 values and 1.1 kB."""
ALL_PARTS = (
    "brand,brand.parent,parent_brand,spot,creative,day_of_week,day_part,episode,industry,industry.parent,network,"
    "genre,sub_genre,show,product"
)
WIDE_ROW = 4100
"""Bytes per row in the sample of the Quickstart: 41.31 MB for 10,000 rows."""

_decode = msgspec.json.Decoder(float_hook=Decimal).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode


def _pool(rows: list[Row], mark: Callable[[Row], None]) -> list[bytes]:
    texts = []
    for row in rows:
        mark(row)
        text = _encode(row).replace(b'"@NUMBER@"', ID).replace(FIRST_DAY.isoformat().encode(), DAY)
        if text.count(ID) != 1 or str(FIRST_ID)[:7].encode() in text:
            raise ValueError("a row of the simulator has no id, or a value that looks like an id of the benchmark")
        texts.append(text)
    return texts


def _ispot(parts: str, change: Callable[[Row], None] = lambda _: None) -> list[bytes]:
    simulator = ISpotSimulator(first_day=FIRST_DAY, days=1, rows_per_day=2 * ROWS, extremes=False, undeclared=False)
    with serve(simulator):
        settings = simulator.settings()
        form = {name: settings[name] for name in ("client_id", "client_secret")}
        login = {**form, "grant_type": "client_credentials"}
        token = requests.post(f"{settings['api_url']}/oauth2/token", data=login, timeout=60).json()["access_token"]
        response = requests.get(
            f"{settings['api_url']}/metrics/audience/airings",
            params={
                **dict.fromkeys(("filter[start_date]", "filter[end_date]"), FIRST_DAY.isoformat()),
                "filter[airing_type]": "N,R",
                "page[size]": str(ROWS),
                "include": parts,
            },
            headers={"Authorization": f"Bearer {token}"},
            timeout=60,
        )

    def mark(row: Row) -> None:
        change(row)
        row["airing"]["data"]["id"] = ID.decode()

    return _pool(_decode(response.content)["data"], mark)


def _unannounced(row: Row) -> None:
    """Add twelve fields that the schema does not name."""
    for name in ("airing", "spot"):
        row[name]["data"] |= {"rating": 7, "rating_text": "seven", "reviewed": True, "reviewer": None}
    row["campaign"] = {"data": {"id": 12, "name": "Spring", "budget": "1200.50", "open": False}}


def _wide(row: Row) -> None:
    """Fill every field, and lengthen the texts to the size of the vendor's sample."""
    row["spot"]["data"] |= dict.fromkeys(("title_custom", "custom_id", "description", "hash"), "Made up")
    for name in ("parent_brand", "sub_genre", "product", "episode"):
        row[name]["data"] = row[name]["data"] or {"id": 31, "name": "Made up"}
    texts = [
        (part["data"], name)
        for entity, part in row.items()
        if entity not in {"airing", "audience"}
        for name, value in part["data"].items()
        if isinstance(value, str)
    ]
    words = " and so on"
    each, more = divmod((WIDE_ROW - len(_encode(row))) // len(words), len(texts))
    for position, (entity, name) in enumerate(texts):
        entity[name] += words * (each + (position < more))


def _adspect() -> list[bytes]:
    columns = "timestamp ip_address asn account_id stream_id country_code os browser engine languages cost sub_id"
    columns += " click_id mode sequence target tags"
    simulator = AdspectSimulator(first_day=FIRST_DAY, days=1, rows_per_day=ROWS, extremes=False)
    midnight = dt.datetime.combine(FIRST_DAY, dt.time(), dt.timezone.utc).timestamp()
    params: Mapping[str, Any] = {
        "date_from": int(midnight),
        "date_to": int(midnight) + 86_400,
        "time_zone": "UTC",
        "columns[]": columns.split(),
    }
    with serve(simulator):
        settings = simulator.settings()
        response = requests.get(
            f"{settings['api_url']}/reports/log",
            params=params,
            auth=(settings["api_key"], ""),
            headers={"Content-Type": "application/json"},
            timeout=60,
        )
    click_id, sequence = (columns.split().index(name) for name in ("click_id", "sequence"))

    def mark(row: Row) -> None:
        row[click_id] = ID.decode()
        # All are clicks, so that the funnel's count is the number of rows.
        row[sequence] = 0

    return _pool([_decode(line) for line in response.content.splitlines()], mark)


def _springserve(path: str, body: Mapping[str, Any] | None = None) -> list[bytes]:
    simulator = SpringServeSimulator(
        first_day=FIRST_DAY, days=1, rows_per_day=ROWS, polls=0, report_rows=ROWS, undeclared=False
    )
    with serve(simulator):
        settings = simulator.settings()
        login = {name: settings[name] for name in ("email", "password")}
        token = requests.post(f"{settings['api_url']}/v0/auth", json=login, timeout=60).json()["token"]
        response = requests.request(
            "GET" if body is None else "POST",
            f"{settings['api_url']}{path}",
            json=body,
            headers={"Authorization": token},
            timeout=60,
        )
    if body is None:

        def mark(row: Row) -> None:
            row.update(id=NUMBER, updated_at=TIME.decode())

        return _pool(_decode(response.content)["results"], mark)
    return _pool(_decode(response.content)["data"], partial(_set, "supply_tag_id"))


def _set(name: str, row: Row) -> None:
    row[name] = NUMBER


REPORT = {
    "start_date": FIRST_DAY.isoformat(),
    "end_date": FIRST_DAY.isoformat(),
    "interval": "day",
    "timezone": "UTC",
    "dimensions": ["supply_tag_id"],
    "metrics": [
        "total_requests",
        "usable_requests",
        "blocked_requests",
        "impressions",
        "clicks",
        "revenue",
        "cost",
        "profit",
        "fill_rate",
    ],
    "async": True,
}


def _spotwatch() -> list[bytes]:
    simulator = SpotwatchSimulator(first_day=FIRST_DAY, days=1, rows_per_day=ROWS)
    with serve(simulator):
        settings = simulator.settings()
        response = requests.get(
            f"{settings['api_url']}/get-broadcasts",
            params={
                "time_from": f"{FIRST_DAY}T00:00:00Z",
                "time_to": f"{FIRST_DAY + dt.timedelta(days=1)}T00:00:00Z",
                "broadcast_fields": "id,time,ad,region,channel,block,blockindex,block_length,pic_in_pic,program,genre,"
                "subgenre",
                "time_fmt": "iso8601",
                "page_lim": str(ROWS),
            },
            headers={"Authorization": f"key {settings['api_key']}"},
            timeout=60,
        )
    return _pool(_decode(response.content)["results"], partial(_set, "id"))


QUERY = {
    "source": "adstats-publisher",
    "fields": [
        *("day", "publisher", "supply", "adUnit", "currency"),
        *("requests", "impressions", "fillRate", "useRate", "netRevenue", "grossRevenue"),
    ],
    "orderings": [{"field": "day", "direction": "asc"}],
    "range": {"fromDate": FIRST_DAY.isoformat(), "toDate": FIRST_DAY.isoformat(), "timeZone": "UTC"},
}


def _magnite() -> list[bytes]:
    simulator = MagniteSimulator(first_day=FIRST_DAY, days=1, rows_per_day=ROWS, extremes=False)
    session = requests.Session()
    session.headers["Accept"] = "application/json"
    with serve(simulator):
        settings = simulator.settings()
        url = settings["api_url"]
        keys = {"accessKey": settings["access_key"], "secretKey": settings["secret_key"]}
        session.headers["Cookie"] = f"ApiSession={session.post(f'{url}/sessions', json=keys).json()['sessionCode']}"
        code = session.post(f"{url}/queries", json=QUERY).json()["code"]
        while session.get(f"{url}/queries/{code}").json()["status"] not in {3, "3", "COMPLETED"}:
            pass
        response = session.get(f"{url}/queries/{code}/results?fmt=json")
    return _pool(_decode(response.content), partial(_set, "adUnitIdLink"))


POOLS: Mapping[str, Callable[[], list[bytes]]] = {
    "ispot": partial(_ispot, AIRING_PARTS),
    "ispot-unannounced": partial(_ispot, AIRING_PARTS, _unannounced),
    "ispot-wide": partial(_ispot, ALL_PARTS, _wide),
    "adspect-click-log": _adspect,
    "springserve-entities": partial(_springserve, f"/v1/supply_tags?sort=updated_at,id&per={ROWS}&page=1"),
    "springserve-reports": partial(_springserve, "/v0/report", REPORT),
    "spotwatch-broadcasts": _spotwatch,
    "magnite-reports": _magnite,
}
"""Creates the rows of each work."""
