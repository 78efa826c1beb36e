"""A vendor that does not exist, on a local server: what the made-up tap talks to."""

from __future__ import annotations

import gzip
import json
import threading
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_server import Call, Reply, Server


class AcmeVendor:
    """A made-up vendor on a server: a login, a list of spots, airings by day, pages by number, and an event log.

    Attributes:
        airings: Rows by day, `YYYY-MM-DD`, as JSON texts.
        spots: Rows of the list, as JSON texts.
        before: Called with each data request first; a reply it returns is sent instead.
        lifetime: Seconds that a token lives.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self.airings: dict[str, list[str]] = {}
        self.spots: list[str] = []
        self.events: list[str] = []
        self.before: Callable[[Call], Reply | None] = lambda _: None
        self.lifetime = 86400
        self.tokens = 0
        self.totals_off_by = 0
        self._lock = threading.Lock()
        server.answer = self._answer

    def data_calls(self) -> list[tuple[str, str]]:
        """Return first day (or path) and page of each data request, in order."""
        return [
            (call.query.get("start", call.path), call.query.get("page", ""))
            for call in self.server.calls
            if call.method == "GET"
        ]

    def _answer(self, call: Call) -> Reply:
        if call.path == "/v1/login":
            return self._login(call)
        if call.headers.get("Authorization") != f"Bearer token-{self.tokens}-of-acme":
            return self.server.json({"title": "Unauthorized"}, 401)
        reply = self.before(call)
        if reply is not None:
            return reply
        if call.path == "/v1/events":
            return self._events(call)
        rows = self.spots if call.path == "/v1/spots" else self._days(call.query["start"], call.query["end"])
        return self._page(call, rows)

    def _login(self, call: Call) -> Reply:
        secret = dict(parse_qsl(call.body)).get("client_secret")
        if secret != "s3cret/of+acme":
            return self.server.json({"title": "Bad credentials"}, 401)
        with self._lock:
            self.tokens += 1
            return self.server.json({"access_token": f"token-{self.tokens}-of-acme", "expires_in": self.lifetime})

    def _days(self, start: str, end: str) -> list[str]:
        return [row for day in sorted(self.airings) if start <= day <= end for row in self.airings[day]]

    def _page(self, call: Call, rows: list[str]) -> Reply:
        size, number = int(call.query["size"]), int(call.query["page"])
        last = max(1, -(-len(rows) // size))
        if number > last:
            return self.server.json({"title": "No such page"}, 400)
        page = ",".join(rows[(number - 1) * size : number * size])
        # Written as text: the digits of numbers are what several tests are about.
        meta = f'{{"total": {len(rows) + self.totals_off_by}, "pages": {last}}}'
        body = f'{{"data": [{page}], "meta": {meta}}}'.encode()
        return self.server.reply(
            200, gzip.compress(body), {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        )

    def _events(self, call: Call) -> Reply:
        number = int(call.query.get("cursor", "0"))
        following = number + 1 if number + 1 < len(self.events) else None
        return self.server.reply(200, f'{{"data": [{self.events[number]}], "next": {json.dumps(following)}}}'.encode())


def airing(number: int, day: str, spend: str = '"845199.10"') -> str:
    """Write a row as the made-up vendor sends it."""
    return (
        f'{{"airing": {{"data": {{"id": "{number}", "day": "{day}", "spend": {spend}}}}}, '
        f'"spot": {{"data": {{"id": {number * 10}}}}}}}'
    )
