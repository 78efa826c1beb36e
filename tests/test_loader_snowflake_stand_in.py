"""The Snowflake stand-in: how it translates the loader's statements, and that its proxy refuses other hosts."""
# ruff: noqa: S608 - the loader's statements, and names of this test

from __future__ import annotations

import asyncio
import gzip
import json
from typing import TYPE_CHECKING

import duckdb
import pytest
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
from stand_ins.snowflake_tunnel import HOST, Tunnel

if TYPE_CHECKING:
    from pathlib import Path

# As target-snowflake 0.20.4 sends them.
COLUMNS = (
    "$1:id::DECIMAL as id, $1:amount::DECIMAL(38, 4) as amount, $1:share::FLOAT as share, "
    '$1:"a.b"::VARCHAR as "A.B", $1:seen::TIMESTAMP_NTZ as seen, $1:_extra::VARIANT as _extra'
)
MERGE = (
    f'merge into "ADTECH"."S"."T" d using (select {COLUMNS} from \'@~/target-snowflake/t-1\''
    '(file_format => ADTECH.S."tf-t-1") QUALIFY ROW_NUMBER() OVER (PARTITION BY id ORDER BY SEQ8() DESC) = 1) s '
    "on d.id = s.id when matched then update set d.id = s.id, d.amount = s.amount, d.share = s.share, "
    'd."A.B" = s."A.B", d.seen = s.seen, d._extra = s._extra when not matched then insert '
    '(id, amount, share, "A.B", seen, _extra) values (s.id, s.amount, s.share, s."A.B", s.seen, s._extra)'
)
COPY = (
    f'copy into "ADTECH"."S"."T" (id, amount, share, "A.B", seen, _extra) from (select {COLUMNS} '
    "from '@~/target-snowflake/t-1')file_format = (format_name='ADTECH.S.\"tf-t-1\"')"
)


def test_only_statements_about_the_stage_are_parsed() -> None:
    assert parse_statement("put 'file:///folder/a-1.json.gz' '@~/target-snowflake/t-1'") == Put(
        "file:///folder/a-1.json.gz", "target-snowflake/t-1"
    )
    assert parse_statement("remove '@~/target-snowflake/t-1/'") == Remove("target-snowflake/t-1")
    statement = "create or replace file format ADTECH.S.\"tf-t-1\" type = 'JSON' compression = 'AUTO'"
    assert parse_statement(statement) == FileFormat('ADTECH.S."tf-t-1"', dropped=False)
    assert parse_statement('drop file format if exists ADTECH.S."tf-t-1"') == FileFormat(
        'ADTECH.S."tf-t-1"', dropped=True
    )
    assert parse_statement("SHOW DATABASES;") is None
    assert parse_statement("merge into t d using s on d.a = s.a when matched then delete") is None


def test_only_the_primary_key_is_removed_from_a_table() -> None:
    statement = 'CREATE TABLE "ADTECH"."S"."T" (\n\tid DECIMAL NOT NULL, \n\tname VARCHAR, \n\tPRIMARY KEY (id)\n)\n\n'
    assert (
        without_primary_key(statement)
        == 'CREATE TABLE "ADTECH"."S"."T" (\n\tid DECIMAL NOT NULL, \n\tname VARCHAR\n)\n\n'
    )
    assert without_primary_key("select ', primary key (id)'") == "select ', primary key (id)'"


def test_temporary_tables_and_digests_of_dbt_are_replaced() -> None:
    statement = "create or replace temporary table A.B.T as (select hash_agg(rows_.*) from rows_)"
    replaced = "create or replace table A.B.T as (select sum(cast(hash(rows_) as number(38, 0))) from rows_)"
    assert for_fakesnow(statement) == replaced
    assert for_fakesnow("select 'temporary table'") == "select 'temporary table'"


def stage(folder: Path, *lines: str) -> None:
    with gzip.open(folder / "t-1.json.gz", "wt", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)


def test_staged_values_keep_all_digits_and_both_kinds_of_null(tmp_path: Path) -> None:
    # given a row with numbers that a double cannot represent, an offset, and nulls
    extra = '{"n": 12345678901234567890.10, "list": [1.50, null, "é"]}'
    stage(
        tmp_path,
        '{"id": 98765432109876543210, "amount": 12345678901234567890.1000, "share": 0.1, "a.b": "x", '
        f'"seen": "2024-03-10T01:30:00-05:00", "_extra": {extra}}}',
        '{"id": 2, "amount": null, "_extra": null}',
    )
    load = parse_statement(MERGE)
    assert isinstance(load, Load)
    # when
    first, second = staged_rows(tmp_path, load.columns)
    # then numbers are spelled as in the file, and TIMESTAMP_NTZ is the wall-clock time without its offset
    assert first[:5] == ["98765432109876543210", "12345678901234567890.1000", "0.1", "x", "2024-03-10T01:30:00"]
    assert first[5] == '{"n":12345678901234567890.10,"list":[1.50,null,"\\u00e9"]}'
    # and a JSON null is a value in VARIANT and SQL's null elsewhere; missing values are SQL's null
    assert second == ["2", None, None, None, None, "null"]


@pytest.mark.parametrize("statement", [MERGE, COPY])
def test_staged_rows_reach_the_table(tmp_path: Path, statement: str) -> None:
    # given a table with a row, and a file with two rows of that key and one of another
    stage(
        tmp_path,
        '{"id": 1, "amount": 1.5}',
        '{"id": 1, "amount": 12345678901234567890.1234, "share": 0.1, "a.b": "new", "_extra": {"a": 1}}',
        '{"id": 98765432109876543210, "amount": 3}',
    )
    load = parse_statement(statement)
    assert isinstance(load, Load)
    assert (load.folder, load.file_format) == ("target-snowflake/t-1", 'ADTECH.S."tf-t-1"')
    with duckdb.connect() as connection:
        connection.execute("attach ':memory:' as adtech; create schema adtech.s")
        connection.execute(
            "create table adtech.s.t (id decimal(38, 0), amount decimal(38, 4), share double, "
            '"A.B" varchar, seen timestamp, _extra json)'
        )
        connection.execute("insert into adtech.s.t values (1, 9, null, 'old', null, null)")
        # when
        names = ", ".join(f"c{index} varchar" for index in range(6))
        connection.execute(f"create temp table {STAGED} ({names}, row_index bigint)")
        for index, row in enumerate(staged_rows(tmp_path, load.columns)):
            connection.execute(f"insert into {STAGED} values (?, ?, ?, ?, ?, ?, ?)", [*row, index])
        connection.execute(load.sql)
        rows = connection.execute(
            'select id::varchar, amount::varchar, share, "A.B", _extra from adtech.s.t'
        ).fetchall()
    # then MERGE replaces rows by the last row of their key, and COPY appends all rows
    new = ("1", "12345678901234567890.1234", 0.1, "new", '{"a":1}')
    other = ("98765432109876543210", "3.0000", None, None, None)
    copied = [("1", "9.0000", None, "old", None), ("1", "1.5000", None, None, None), new, other]
    assert sorted(rows, key=str) == sorted([new, other] if statement is MERGE else copied, key=str)


def test_a_column_that_cannot_be_parsed_is_an_error() -> None:
    with pytest.raises(ValueError, match="cannot parse a column"):
        parse_statement(MERGE.replace("$1:id::DECIMAL as id", "upper($1:id) as id"))


async def _responses(requests: list[bytes]) -> list[bytes]:
    """Send each request through a tunnel to a server that echoes one line, and return the responses."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        writer.close()

    answers = []
    async with await asyncio.start_server(echo, HOST, 0) as upstream:
        tunnel = Tunnel(upstream.sockets[0].getsockname()[1])
        async with await tunnel.start() as proxy:
            for request in requests:
                reader, writer = await asyncio.open_connection(HOST, proxy.sockets[0].getsockname()[1])
                writer.write(request)
                answers.append(await reader.read())
                writer.close()
        assert tunnel.open == set()
    return answers


def test_the_proxy_serves_snowflake_accounts_only() -> None:
    # given a proxy, when it receives CONNECT for an account, another host and a similar host, and a GET
    account, other, alike, page = asyncio.run(
        _responses(
            [
                b"CONNECT stand-in.snowflakecomputing.com:443 HTTP/1.1\r\n\r\nhello\n",
                b"CONNECT example.com:443 HTTP/1.1\r\n\r\n",
                b"CONNECT snowflakecomputing.com.example.com:443 HTTP/1.1\r\n\r\n",
                b"GET http://a.snowflakecomputing.com/ HTTP/1.1\r\n\r\n",
            ]
        )
    )
    # then only the connection to the account is tunnelled
    assert account == b"HTTP/1.1 200 connected\r\n\r\nhello\n"
    assert {answer.split(b"\r\n")[0] for answer in (other, alike, page)} == {
        b"HTTP/1.1 403 only Snowflake accounts are served"
    }


def test_every_package_of_the_environment_is_pinned(request: pytest.FixtureRequest) -> None:
    # given the requirements file of the environment
    lines = (request.config.rootpath / "stand-ins" / "requirements" / "snowflake.txt").read_text().splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    # then every line is a pin without a URL, and the connector is a version that fakesnow supports
    assert all("==" in pin and "/" not in pin and "@" not in pin for pin in pins)
    assert [pin for pin in pins if pin.startswith("snowflake-connector-python==4.")] != []
    assert json.dumps(pins).count("fakesnow==0.12.1") == 1
