"""The server process of `stand_ins.snowflake`: fakesnow's server, extensions for target-snowflake, and a proxy.

    python -m stand_ins.snowflake_server FOLDER ACCOUNT USER PORT

It runs in the stand-in's own environment, reads the passphrase of the key from the first line of standard input, and
ends when standard input does.
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

# From the stand-in's own environment: the project's environment has neither fakesnow nor its dependencies.
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
    for_fakesnow,
    parse_statement,
    staged_rows,
    without_primary_key,
)
from stand_ins.snowflake_tunnel import DOMAIN, HOST, Tunnel

logger = logging.getLogger("stand_ins.snowflake")

DONE = "select 'Statement executed successfully.' as status"
QUERY_FAILED = "000904"
JWT_INVALID = "390144"
IDLE_SECONDS = 3600  # long, because a closed tunnel means that the client has disconnected


class Login(NamedTuple):
    """Parameters of a login."""

    user: str
    authenticator: str
    database: str | None
    warehouse: str | None
    role: str | None


class StandIn:
    """State of the server: the stage, file formats, and the tunnel of each session."""

    def __init__(self, folder: Path, account: str, user: str, public_key: str) -> None:
        self.stage = folder / "stage"
        self.subject = f"{account}.{user}".upper()
        self.public_key = public_key
        self.tunnel = Tunnel(0)
        self.logins: list[Login] = []
        self.statements: Counter[str] = Counter()
        self._formats: set[str] = set()
        self._ports: dict[str, int] = {}
        # One statement at a time: DuckDB reports conflicts as errors, where Snowflake waits.
        self._statement_lock = asyncio.Lock()

    def routes(self) -> list[Any]:
        """Return fakesnow's routes, preceded by those of this class."""
        return [
            Route("/session/v1/login-request", self.login, methods=["POST"]),
            Route("/queries/v1/query-request", self.query, methods=["POST"]),
            Route("/telemetry/send", self.ignore, methods=["POST"]),
            Route("/stand-in/query", self.read, methods=["POST"]),
            Route("/stand-in/seen", self.seen, methods=["GET"]),
            *fakesnow.routes,
        ]

    async def login(self, request: Any) -> Any:
        """Check the signature of the key pair, then delegate to fakesnow. Other authenticators are refused."""
        data = json.loads(await _body(request))["data"]
        params = request.query_params
        user = data.get("LOGIN_NAME", "")
        self.logins.append(
            Login(
                user,
                data.get("AUTHENTICATOR", ""),
                params.get("databaseName"),
                params.get("warehouse"),
                params.get("roleName"),
            )
        )
        try:
            claims = jwt.decode(data.get("TOKEN") or "", self.public_key, algorithms=["RS256"])
        except jwt.PyJWTError as error:
            return _error_response(JWT_INVALID, f"JWT token is invalid: {error}")
        if claims.get("sub") != self.subject:
            return _error_response(JWT_INVALID, f"JWT token is invalid: it was issued for {claims.get('sub')}")
        return await fakesnow.login_request(request)

    async def query(self, request: Any) -> Any:
        """Run one statement, replacing those that fakesnow does not support; report all failures as SQL errors."""
        body = json.loads(await _body(request))
        try:
            token = fakesnow.to_token(request)
            connection = fakesnow.to_conn(token)
        except fakesnow.ServerError as error:
            return _error_response(error.code, error.message)
        async with self._statement_lock:
            self._ports[token] = request.client.port
            self._roll_back_abandoned()
            sql = body["sqlText"]
            self.statements[sql.split(None, 1)[0].upper()] += 1
            try:
                statement = parse_statement(sql)
                if isinstance(statement, Put):
                    return self._upload(statement)
                body["sqlText"] = await run_in_threadpool(self._prepare, connection, statement, sql)
                answer = await fakesnow.query_request(await _with_body(request, body))
            except Exception as error:  # noqa: BLE001 - report any error to the client immediately
                logger.warning("%s: %s", sql, error)
                return _error_response(QUERY_FAILED, f"{type(error).__name__}: {error}")
        if answer.status_code != 200:  # noqa: PLR2004 - the connector would retry for minutes
            return _error_response(QUERY_FAILED, f"fakesnow cannot run this: {sql}")
        return answer

    def _roll_back_abandoned(self) -> None:
        """Roll back the transactions of disconnected clients. Snowflake does so too, but later."""
        for token, port in list(self._ports.items()):
            if port in self.tunnel.open:
                continue
            del self._ports[token]
            connection = fakesnow.sessions.pop(token, None)
            if connection is not None:
                with contextlib.suppress(Exception):  # no open transaction
                    connection.rollback()

    def _prepare(self, connection: Any, statement: Remove | FileFormat | Load | None, sql: str) -> str:
        """Run the side effects of a statement and return the SQL for fakesnow to run in its place."""
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
        return for_fakesnow(without_primary_key(sql))

    def _upload(self, put: Put) -> Any:
        """Return the upload location: a local folder, to which the connector copies the file itself."""
        folder = self.stage / put.folder
        folder.mkdir(parents=True, exist_ok=True)
        location = {"locationType": "LOCAL_FS", "location": str(folder), "creds": {}}
        data = {
            "stageInfo": location,
            "src_locations": [unquote(urlsplit(put.file).path)],
            "parallel": 1,
            "autoCompress": True,
            "sourceCompression": "auto_detect",
            "overwrite": False,
            "command": "UPLOAD",
        }
        return JSONResponse({"data": data, "success": True})

    async def read(self, request: Any) -> Any:
        """Run SQL on DuckDB and return `{"columns": [[name, type]], "rows": [...]}`."""
        sql = json.loads(await _body(request))["sql"]
        async with self._statement_lock:
            return await run_in_threadpool(_answer, sql)

    async def seen(self, _request: Any) -> Any:
        """Return the logins and the number of statements by first word."""
        return JSONResponse({"logins": [one._asdict() for one in self.logins], "statements": self.statements})

    async def ignore(self, _request: Any) -> Any:
        """Accept and discard telemetry."""
        return JSONResponse({"success": True})


def _load(connection: Any, load: Load, rows: list[list[str | None]]) -> str:
    """Merge or append rows in the session's transaction; return the SQL for the loader's row counts."""
    columns = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
    indexes = pa.array(range(len(rows)), pa.int64())
    names = [*(f"c{index}" for index in range(len(columns))), "row_index"]
    # fakesnow's MERGE needs a table in the session's schema, but this loader does not set a schema.
    duck = connection._duck_conn  # noqa: SLF001 - fakesnow has no public access to the database
    if not connection._autocommit and not connection._in_transaction:  # noqa: SLF001 - same
        duck.begin()
        connection._in_transaction = True  # noqa: SLF001 - same
    duck.register("staged_arrow", pa.Table.from_arrays([*columns, indexes], names=names))
    try:
        duck.execute(f"create or replace temp table {STAGED} as from staged_arrow")
        duck.execute(load.sql)
    finally:
        duck.unregister("staged_arrow")
    if load.is_copy:
        counts = f"{len(rows)} as rows_parsed, {len(rows)} as rows_loaded"
        return f"select '{load.folder}' as file, 'LOADED' as status, {counts}"
    return f"select {len(rows)} as rows_merged"


def _exact_integers(expression: Any) -> Any:
    """Make NUMBER 38 digits wide as in Snowflake, rather than fakesnow's 64 bits."""
    if (
        isinstance(expression, exp.DataType)
        and expression.this == exp.DataType.Type.DECIMAL
        and not expression.expressions
    ):
        return exp.DataType.build("DECIMAL(38, 0)")
    return expression


def _unchanged(expression: Any) -> Any:
    return expression


def _answer(sql: str) -> Any:
    with fakesnow.shared_fs.duck_conn.cursor() as cursor:
        try:
            cursor.execute(sql)
        except Exception as error:  # noqa: BLE001 - reported to the caller
            return JSONResponse({"error": str(error)}, status_code=400)
        columns = [[name, str(kind)] for name, kind, *_ in cursor.description]
        # Decimals and instants as text, because JSON has neither.
        text = json.dumps({"columns": columns, "rows": cursor.fetchall()}, default=str)
    return JSONResponse(json.loads(text))


async def _body(request: Any) -> bytes:
    body: bytes = await request.body()
    return gzip.decompress(body) if request.headers.get("Content-Encoding") == "gzip" else body


async def _with_body(request: Any, body: dict[str, Any]) -> Any:
    """Return the same request with another body."""
    data = json.dumps(body).encode()
    if request.headers.get("Content-Encoding") == "gzip":
        data = gzip.compress(data, 1)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": data, "more_body": False}

    return Request(request.scope, receive)


def _error_response(code: str, message: str) -> Any:
    data = {"errorCode": code, "sqlState": "42000"}
    return JSONResponse({"data": data, "code": code, "message": message, "success": False})


async def run(folder: Path, account: str, user: str, passphrase: str, port: int) -> None:
    """Serve until standard input ends; writes the ports to `ready.json` once the server is ready."""
    write_certificate(folder, [f"*{DOMAIN}", f"{account}{DOMAIN}"])
    transforms.integer_precision = _exact_integers
    # fakesnow converts the arguments of SUM to doubles, in case they are text.
    transforms.numeric_agg_implicit_cast = _unchanged
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
    while not server.started:  # noqa: ASYNC110 - uvicorn offers no event for it
        await asyncio.sleep(0.01)
    stand_in.tunnel.upstream = server.servers[0].sockets[0].getsockname()[1]
    async with await stand_in.tunnel.start(port) as proxy:
        ports = {"https": stand_in.tunnel.upstream, "proxy": proxy.sockets[0].getsockname()[1]}
        partial = folder / "ready.json.new"
        partial.write_text(json.dumps(ports))
        partial.rename(folder / "ready.json")
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.should_exit = True
    await serving


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.stdin.readline().strip(), int(sys.argv[4])))
