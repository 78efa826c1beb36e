"""The process behind `stand_ins.snowflake`: fakesnow's server, what target-snowflake needs beside it, and a proxy.

    python -m stand_ins.snowflake_server FOLDER ACCOUNT USER PORT

It runs in the stand-in's own environment, reads the passphrase of the key from its first line of input, and ends when
its input does.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import logging
import shutil
import sys
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

# Of the stand-in's own environment: the project's has neither fakesnow nor what it brings.
import fakesnow.server as fakesnow  # type: ignore[import-not-found,unused-ignore] # not in the project's environment
import jwt  # type: ignore[import-not-found,unused-ignore] # same
import pyarrow as pa
import uvicorn  # type: ignore[import-not-found,unused-ignore] # same
from fakesnow import transforms  # type: ignore[import-not-found,unused-ignore] # same
from sqlglot import exp  # type: ignore[import-not-found,unused-ignore] # same
from starlette.applications import Starlette  # type: ignore[import-not-found,unused-ignore] # same
from starlette.concurrency import run_in_threadpool  # type: ignore[import-not-found,unused-ignore] # same
from starlette.requests import Request  # type: ignore[import-not-found,unused-ignore] # same
from starlette.responses import JSONResponse  # type: ignore[import-not-found,unused-ignore] # same
from starlette.routing import Route  # type: ignore[import-not-found,unused-ignore] # same

from stand_ins.snowflake_keys import write_certificate, write_key_pair
from stand_ins.snowflake_statements import (
    STAGED,
    FileFormat,
    Load,
    Put,
    Remove,
    staged_rows,
    understood,
    without_primary_key,
)
from stand_ins.snowflake_tunnel import DOMAIN, HOST, Tunnel

logger = logging.getLogger("stand_ins.snowflake")

DONE = "select 'Statement executed successfully.' as status"
QUERY_FAILED = "000904"
JWT_INVALID = "390144"
IDLE_SECONDS = 3600  # a tunnel that ends means that the client has gone, so it must not end for being idle


class Login(NamedTuple):
    """What a client said of itself."""

    user: str
    authenticator: str
    database: str | None
    warehouse: str | None
    role: str | None


class StandIn:
    """The state of a server: the stage, file formats, and which session came through which tunnel."""

    def __init__(self, folder: Path, account: str, user: str, public_key: str) -> None:
        self.stage = folder / "stage"
        self.subject = f"{account}.{user}".upper()
        self.public_key = public_key
        self.tunnel = Tunnel(0)
        self.logins: list[Login] = []
        self.statements: Counter[str] = Counter()
        self._formats: set[str] = set()
        self._ports: dict[str, int] = {}
        # One statement at a time: DuckDB answers a conflict with an error, where Snowflake waits.
        self._turn = asyncio.Lock()

    def routes(self) -> list[Any]:
        """Return fakesnow's routes, with those of this class in their place."""
        return [
            Route("/session/v1/login-request", self.login, methods=["POST"]),
            Route("/queries/v1/query-request", self.query, methods=["POST"]),
            Route("/telemetry/send", self.ignore, methods=["POST"]),
            Route("/stand-in/query", self.read, methods=["POST"]),
            Route("/stand-in/seen", self.seen, methods=["GET"]),
            *fakesnow.routes,
        ]

    async def login(self, request: Any) -> Any:
        """Check the signature of a key pair, and let fakesnow do the rest. Other ways to log in are refused."""
        data = json.loads(await _body(request))["data"]
        asked = request.query_params
        user = data.get("LOGIN_NAME", "")
        self.logins.append(
            Login(
                user,
                data.get("AUTHENTICATOR", ""),
                asked.get("databaseName"),
                asked.get("warehouse"),
                asked.get("roleName"),
            )
        )
        try:
            claims = jwt.decode(data.get("TOKEN") or "", self.public_key, algorithms=["RS256"])
        except jwt.PyJWTError as error:
            return _refused(JWT_INVALID, f"JWT token is invalid: {error}")
        if claims.get("sub") != self.subject:
            return _refused(JWT_INVALID, f"JWT token is invalid: it is of {claims.get('sub')}")
        return await fakesnow.login_request(request)

    async def query(self, request: Any) -> Any:
        """Run one statement: what fakesnow does not know in its place, all failures as errors of SQL."""
        body = json.loads(await _body(request))
        try:
            token = fakesnow.to_token(request)
            connection = fakesnow.to_conn(token)
        except fakesnow.ServerError as error:
            return _refused(error.code, error.message)
        async with self._turn:
            self._ports[token] = request.client.port
            self._roll_back_abandoned()
            sql = body["sqlText"]
            self.statements[sql.split(None, 1)[0].upper()] += 1
            try:
                statement = understood(sql)
                if isinstance(statement, Put):
                    return self._upload(statement)
                body["sqlText"] = await run_in_threadpool(self._prepared, connection, statement, sql)
                answer = await fakesnow.query_request(await _with_body(request, body))
            except Exception as error:  # noqa: BLE001 - whatever it is, the client has to hear of it at once
                logger.warning("%s: %s", sql, error)
                return _refused(QUERY_FAILED, f"{type(error).__name__}: {error}")
        if answer.status_code != 200:  # noqa: PLR2004 - the connector would try again for minutes
            return _refused(QUERY_FAILED, f"fakesnow cannot run this: {sql}")
        return answer

    def _roll_back_abandoned(self) -> None:
        """End transactions of clients that have gone away. Snowflake does so too, though not at once."""
        for token, port in list(self._ports.items()):
            if port in self.tunnel.open:
                continue
            del self._ports[token]
            connection = fakesnow.sessions.pop(token, None)
            if connection is not None:
                with contextlib.suppress(Exception):  # nothing is open
                    connection.rollback()

    def _prepared(self, connection: Any, statement: Remove | FileFormat | Load | None, sql: str) -> str:
        """Do what is to be done before a statement, and return what fakesnow is to run instead."""
        if isinstance(statement, Remove):
            shutil.rmtree(self.stage / statement.folder, ignore_errors=True)
            return DONE
        if isinstance(statement, FileFormat):
            (self._formats.discard if statement.dropped else self._formats.add)(statement.name)
            return DONE
        if isinstance(statement, Load):
            if statement.file_format not in self._formats:
                raise ValueError(f"File format '{statement.file_format}' does not exist or not authorized.")
            return _load(connection, statement, list(staged_rows(self.stage / statement.folder, statement.columns)))
        return without_primary_key(sql)

    def _upload(self, put: Put) -> Any:
        """Tell the connector where to put the file: this machine's, so it copies it itself."""
        folder = self.stage / put.folder
        folder.mkdir(parents=True, exist_ok=True)
        place = {"locationType": "LOCAL_FS", "location": str(folder), "creds": {}}
        data = {
            "stageInfo": place,
            "src_locations": [unquote(urlsplit(put.file).path)],
            "parallel": 1,
            "autoCompress": True,
            "sourceCompression": "auto_detect",
            "overwrite": False,
            "command": "UPLOAD",
        }
        return JSONResponse({"data": data, "success": True})

    async def read(self, request: Any) -> Any:
        """Run SQL of DuckDB on what the server holds: `{"columns": [[name, type]], "rows": [...]}`."""
        sql = json.loads(await _body(request))["sql"]
        async with self._turn:
            return await run_in_threadpool(_answer, sql)

    async def seen(self, _request: Any) -> Any:
        """Tell who logged in, and how many statements of which kind there were."""
        return JSONResponse({"logins": [one._asdict() for one in self.logins], "statements": self.statements})

    async def ignore(self, _request: Any) -> Any:
        """Take telemetry, and forget it."""
        return JSONResponse({"success": True})


def _load(connection: Any, load: Load, rows: list[list[str | None]]) -> str:
    """Merge or append rows, in the session's transaction; return SQL that gives the loader its counts."""
    columns = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
    places = pa.array(range(len(rows)), pa.int64())
    names = [*(f"c{place}" for place in range(len(columns))), "place"]
    # fakesnow's own MERGE goes by way of a table in the session's schema, and this loader sets none.
    duck = connection._duck_conn  # noqa: SLF001 - fakesnow has no other way to the database
    if not connection._autocommit and not connection._in_transaction:  # noqa: SLF001 - same
        duck.begin()
        connection._in_transaction = True  # noqa: SLF001 - same
    duck.register("staged_arrow", pa.Table.from_arrays([*columns, places], names=names))
    try:
        duck.execute(f"create or replace temp table {STAGED} as from staged_arrow")
        duck.execute(load.sql)
    finally:
        duck.unregister("staged_arrow")
    if load.copies:
        counts = f"{len(rows)} as rows_parsed, {len(rows)} as rows_loaded"
        return f"select '{load.folder}' as file, 'LOADED' as status, {counts}"
    return f"select {len(rows)} as rows_merged"


def _exact_integers(expression: Any) -> Any:
    """Keep NUMBER as it is in Snowflake, 38 digits, where fakesnow makes it 64 bits wide."""
    if (
        isinstance(expression, exp.DataType)
        and expression.this == exp.DataType.Type.DECIMAL
        and not expression.expressions
    ):
        return exp.DataType.build("DECIMAL(38, 0)")
    return expression


def _answer(sql: str) -> Any:
    with fakesnow.shared_fs.duck_conn.cursor() as cursor:
        try:
            cursor.execute(sql)
        except Exception as error:  # noqa: BLE001 - told to the caller
            return JSONResponse({"error": str(error)}, status_code=400)
        columns = [[name, str(kind)] for name, kind, *_ in cursor.description]
        # Decimals and instants as text: JSON has neither.
        text = json.dumps({"columns": columns, "rows": cursor.fetchall()}, default=str)
    return JSONResponse(json.loads(text))


async def _body(request: Any) -> bytes:
    body: bytes = await request.body()
    return gzip.decompress(body) if request.headers.get("Content-Encoding") == "gzip" else body


async def _with_body(request: Any, body: dict[str, Any]) -> Any:
    """Make the same request with another body."""
    data = json.dumps(body).encode()
    if request.headers.get("Content-Encoding") == "gzip":
        data = gzip.compress(data, 1)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": data, "more_body": False}

    return Request(request.scope, receive)


def _refused(code: str, message: str) -> Any:
    data = {"errorCode": code, "sqlState": "42000"}
    return JSONResponse({"data": data, "code": code, "message": message, "success": False})


async def run(folder: Path, account: str, user: str, passphrase: str, port: int) -> None:
    """Serve until standard input ends; `ready.json` then has had the ports."""
    write_certificate(folder, [f"*{DOMAIN}", f"{account}{DOMAIN}"])
    transforms.integer_precision = _exact_integers
    stand_in = StandIn(folder, account, user, write_key_pair(folder, passphrase))
    config = uvicorn.Config(
        Starlette(routes=stand_in.routes()),
        host=HOST,
        port=0,
        ssl_certfile=folder / "tls.pem",
        ssl_keyfile=folder / "tls.key",
        log_level="warning",
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn tells it in no other way
        await asyncio.sleep(0.01)
    stand_in.tunnel.upstream = server.servers[0].sockets[0].getsockname()[1]
    async with await stand_in.tunnel.start(port) as proxy:
        ports = {"https": stand_in.tunnel.upstream, "proxy": proxy.sockets[0].getsockname()[1]}
        written = folder / "ready.json.new"
        written.write_text(json.dumps(ports))
        written.rename(folder / "ready.json")
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.should_exit = True
    await serving


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.stdin.readline().strip(), int(sys.argv[4])))
