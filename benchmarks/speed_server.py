"""A local server for benchmarks: the vendors' responses in their formats, at next to no cost.

Rows come from the vendors' simulators, once. Each page is put together from these rows' text, with a distinct id in
each row, so that the server's CPU does not limit a tap. It does not check credentials, and knows no limits.

    python benchmarks/speed_server.py WORK --rows N --port-file FILE [--delay SECONDS]
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import socket
import threading
import time
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from speed_rows import DAY, ID, POOLS, TIME
from speed_works import FIRST_DAY, FIRST_ID, WORKS, Size
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MIDNIGHT = dt.datetime.combine(FIRST_DAY, dt.time(), dt.timezone.utc)
REPORT_ROWS = 2500
"""Rows per page of SpringServe's reports."""
COUNTS = "/__counts__"

Query = dict[str, str]


class Rows:
    """The rows of a work, by number.

    Args:
        pool: Different rows as text, used in turn.
        size: Number of rows.
    """

    def __init__(self, pool: list[bytes], size: Size) -> None:
        self._pool = pool
        self.size = size

    def between(self, first: dt.date, last: dt.date) -> range:
        """Return the numbers of the rows of some days, both inclusive."""
        start, end = ((day - FIRST_DAY).days * self.size.rows_per_day for day in (first, last + dt.timedelta(days=1)))
        return range(min(max(start, 0), self.size.rows), min(max(end, 0), self.size.rows))

    def text(self, numbers: range, separator: bytes = b",") -> bytes:
        """Return rows as text, with their ids and days."""
        return separator.join(self.texts(numbers))

    def texts(self, numbers: range) -> Iterator[bytes]:
        """Return each row as text, with its id and day."""
        position = numbers.start
        while position < numbers.stop:
            day = position // self.size.rows_per_day
            end = min(numbers.stop, (day + 1) * self.size.rows_per_day)
            sent = (FIRST_DAY + dt.timedelta(days=day)).isoformat().encode()
            parts = [row.replace(DAY, sent).split(ID) for row in self._pool]
            for number in range(position, end):
                yield (b"%d" % (FIRST_ID + number)).join(parts[number % len(parts)])
            position = end


def page_of(numbers: range, page: int, size: int) -> range:
    """Return the numbers of a page, counted from 1."""
    return numbers[(page - 1) * size : page * size]


class Vendors:
    """The responses of each vendor; each method returns a body, or None for an unknown path."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._queries: dict[str, range] = {}

    def ispot(self, path: str, query: Query, _: Any) -> bytes | None:
        """Airings in numbered pages."""
        if path.endswith("/oauth2/token"):
            return b'{"token_type":"Bearer","expires_in":86400,"access_token":"made-up"}'
        numbers = self._rows.between(*(dt.date.fromisoformat(query[f"filter[{end}_date]"]) for end in ("start", "end")))
        number, size = int(query["page[number]"]), int(query["page[size]"])
        page = page_of(numbers, number, size)
        pagination = {
            "total": len(numbers),
            "count": len(page),
            "per_page": size,
            "current_page": number,
            "total_pages": max(-(-len(numbers) // size), 1),
            "links": {},
        }
        meta = json.dumps({"pagination": pagination}).encode()
        return b'{"data":[%b],"meta":%b}' % (self._rows.text(page), meta)

    def adspect(self, path: str, query: Query, _: Any) -> bytes | None:
        """The click log, one array per line, and the funnel's counts."""
        moments = [dt.datetime.fromtimestamp(int(query[name]), dt.timezone.utc) for name in ("date_from", "date_to")]
        # Whole days only: `date_to` is midnight of the following day.
        numbers = self._rows.between(moments[0].date(), moments[1].date() - dt.timedelta(days=1))
        if path.endswith("/reports/funnel"):
            return b"[%d,0]\n" % len(numbers)
        return self._rows.text(numbers, b"\n") + b"\n"

    def springserve(self, path: str, query: Query, body: Any) -> bytes | None:
        """The list of supply tags, sorted by change, and reports."""
        if path.endswith("/v0/auth"):
            return b'{"token":"made-up","expiration":"2099-01-01T00:00:00.000Z"}'
        if path.endswith("/v0/report"):
            return self._report(body)
        bound = query.get("updated_at::gte")
        first = 0
        if bound is not None:
            elapsed = dt.datetime.fromisoformat(bound.replace("Z", "+00:00")) - MIDNIGHT
            first = max(-(-elapsed // dt.timedelta(seconds=1)), 0)
        numbers = range(min(first, self._rows.size.rows), self._rows.size.rows)
        number, size = int(query["page"]), int(query["per"])
        page = page_of(numbers, number, size)
        envelope = {
            "count": len(page),
            "total_count": len(numbers),
            "current_page": number,
            "total_pages": max(-(-len(numbers) // size), 1),
            "includable_fields": [],
            "additional_data_fields": [],
        }
        return b'%b,"results":[%b]}' % (json.dumps(envelope).encode()[:-1], b",".join(self._changed(page)))

    def _changed(self, page: range) -> Iterator[bytes]:
        for number, row in zip(page, self._rows.texts(page), strict=True):
            changed = (MIDNIGHT + dt.timedelta(seconds=number)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
            yield row.replace(TIME, changed.encode())

    def _report(self, body: Mapping[str, Any]) -> bytes:
        if "report_id" not in body:
            return b'{"status":"QUEUED","report_id":"made-up"}'
        numbers = self._rows.between(*(dt.date.fromisoformat(body[name]) for name in ("start_date", "end_date")))
        number = int(body.get("page", 1))
        envelope = {
            "status": "COMPLETE",
            "report_id": "made-up",
            "page": number,
            "total_rows": len(numbers),
            "total_pages": max(-(-len(numbers) // REPORT_ROWS), 1),
        }
        text = self._rows.text(page_of(numbers, number, REPORT_ROWS))
        return b'%b,"data":[%b]}' % (json.dumps(envelope).encode()[:-1], text)

    def spotwatch(self, path: str, query: Query, _: Any) -> bytes | None:
        """Broadcasts in pages connected by links."""
        if path.startswith("/v"):
            first, end, size, index = (int(part) for part in path.removeprefix("/v").split("x"))
        else:
            moments = [dt.date.fromisoformat(query[name][:10]) for name in ("time_from", "time_to")]
            numbers = self._rows.between(moments[0], moments[1] - dt.timedelta(days=1))
            first, end, size, index = numbers.start, numbers.stop, int(query["page_lim"]), 0
        pages = max(-(-(end - first) // size), 1)
        following = f"/v{first}x{end}x{size}x{index + 1}" if index + 1 < pages else None
        page = {"index": index, "prev": None, "next": following, "results_total": end - first, "pages_total": pages}
        text = self._rows.text(page_of(range(first, end), index + 1, size))
        return b'{"page":%b,"results":[%b]}' % (json.dumps(page).encode(), text)

    def magnite(self, path: str, _: Query, body: Any) -> bytes | None:
        """Queries: submitted, polled once, and fetched."""
        resource = path.removeprefix("/v1/resources/").split("/")
        if resource[0] == "sessions":
            return b'{"id":1,"sessionCode":"made-up"}'
        if len(resource) == 1:
            days = (dt.date.fromisoformat(body["range"][name]) for name in ("fromDate", "toDate"))
            code = f"query{len(self._queries)}"
            self._queries[code] = self._rows.between(*days)
            return b'{"code":"%b","status":2}' % code.encode()
        if resource[-1] != "results":
            return b'{"code":"%b","status":3}' % resource[1].encode()
        return b"[%b]" % self._rows.text(self._queries[resource[1]])


class Handler(BaseHTTPRequestHandler):
    """Handles the requests of one connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def respond(self) -> None:
        """Send the response, in one piece."""
        address = urlsplit(self.path)
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if address.path == COUNTS:
            self._send(200, json.dumps(self.server.take_counts()).encode())
            return
        is_json = "json" in self.headers.get("Content-Type", "")
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        with self.server.counted(address.path):
            time.sleep(self.server.delay)
            body = self.server.respond(address.path, query, json.loads(sent) if is_json and sent else None)
        self._send(404 if body is None else 200, body or b"")

    do_GET = do_POST = do_DELETE = do_HEAD = respond  # noqa: N815 - names of the base class

    def _send(self, status: int, body: bytes) -> None:
        head = f"HTTP/1.1 {status} OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self.connection.sendall(head.encode())
        self.connection.sendall(body)

    @override
    def log_message(self, format: str, *args: Any) -> None:
        return


class Server(ThreadingHTTPServer):
    """The server of one work.

    Args:
        work: Name of the work.
        size: Number of rows.
        delay: Seconds before each response.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, work: str, size: Size, delay: float = 0.0) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        self.delay = delay
        vendor = WORKS[work].vendor
        self.respond = getattr(Vendors(Rows(POOLS[WORKS[work].pool or work](), size)), vendor)
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._in_flight = 0

    @override
    def server_bind(self) -> None:
        # Not HTTPServer's, which resolves the host name.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    @contextmanager
    def counted(self, path: str) -> Iterator[None]:
        """Count a request, and how many are in flight."""
        with self._lock:
            self._in_flight += 1
            self._counts[path] += 1
            self._counts["in flight"] = max(self._counts["in flight"], self._in_flight)
        yield
        with self._lock:
            self._in_flight -= 1

    def take_counts(self) -> dict[str, int]:
        """Return the number of requests by path since the last call, and the most in flight."""
        with self._lock:
            counts, self._counts = dict(self._counts), Counter()
        return counts


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", choices=WORKS)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--port-file", type=Path, required=True)
    given = parser.parse_args()
    with Server(given.work, WORKS[given.work].size(given.rows), given.delay) as server:
        waiting = given.port_file.with_suffix(".new")
        waiting.write_text(str(server.server_port))
        waiting.rename(given.port_file)
        server.serve_forever()


if __name__ == "__main__":
    main()
