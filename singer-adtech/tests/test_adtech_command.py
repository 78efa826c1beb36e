"""The command line: whatever ends a run badly is said in one last line."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import click
import pytest
from singer_adtech.errors import SettingError, TapError
from singer_adtech.redaction import MASK
from singer_adtech.runs.command import TapCommand, line
from singer_sdk.exceptions import ConfigValidationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from acme_vendor import AcmeVendor
    from click.testing import Result

LOGGER = logging.getLogger("tap-test")


def command(work: Callable[[], Any]) -> TapCommand:
    return TapCommand(name="tap-test", callback=work, logger=LOGGER)


def fail_with(error: BaseException) -> Callable[[], None]:
    def work() -> None:
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (TapError("HTTP 403", "deselect it", stream="airings"), "stream airings: HTTP 403: deselect it"),
        (SettingError("setting `x` is missing"), "setting `x` is missing"),
        (ConfigValidationError("bad", errors=["one", "two"]), "one; two"),
        (ConfigValidationError("bad"), "bad"),
        (FileNotFoundError(2, "No such file or directory", "state.json"), "no such file: state.json"),
        (FileNotFoundError("File at 'x.json' was not found."), "File at 'x.json' was not found."),
        (PermissionError(13, "Permission denied", "config.json"), "Permission denied (config.json)"),
        (OSError("odd"), "odd"),
        (
            KeyError("a\nb"),
            "unexpected KeyError: 'a\\nb': set the log level to debug to see where",
        ),
        (
            MemoryError(),
            "not enough memory: request less at a time (lower `page_size` or the length of windows)",
        ),
        (RecursionError("maximum recursion depth exceeded"), "a value is nested too deep to be read"),
    ],
)
def test_any_error_is_one_line(error: Exception, said: str) -> None:
    assert line(error) == said


@pytest.mark.parametrize("option", ["--config", "--state", "--catalog"])
def test_a_file_that_is_no_json_is_said_to_be_none(
    option: str, tmp_path: Path, invoke: Callable[..., Result], log: list[str]
) -> None:
    # given
    file = tmp_path / "broken.json"
    file.write_text("{")
    # when
    result = invoke(option, str(file))
    # then
    assert result.exit_code == 1
    assert log[-1].startswith(f"tap-acme: `{option}`: {file}: it is not valid JSON: line 1, column 2: ")


def test_a_configuration_file_that_is_missing_is_named(invoke: Callable[..., Result], log: list[str]) -> None:
    # when
    result = invoke("--config", "no-such-file.json")
    # then
    assert result.exit_code == 1
    assert log[-1] == "tap-acme: `--config`: no-such-file.json: file not found"


def test_an_error_of_a_run_is_the_last_line_and_the_exit_code_is_1(log: list[str]) -> None:
    # when
    with pytest.raises(SystemExit) as caught:
        command(fail_with(TapError("HTTP 403", "deselect it"))).main([])
    # then
    assert caught.value.code == 1
    assert log[-1] == "tap-test: HTTP 403: deselect it"


def test_a_traceback_is_shown_at_debug_level_only(log: list[str]) -> None:
    # given
    failing = command(fail_with(ValueError("broken")))
    # when: at level INFO, then at level DEBUG
    for level in (logging.INFO, logging.DEBUG):
        LOGGER.setLevel(level)
        with pytest.raises(SystemExit):
            failing.main([])
    LOGGER.setLevel(logging.NOTSET)
    # then
    last = "tap-test: unexpected ValueError: broken: set the log level to debug to see where"
    assert log[0] == last
    assert log[1].startswith("Where it happened\nTraceback")
    assert log[1].endswith("ValueError: broken")
    assert log[2:] == [last]


@pytest.mark.parametrize(
    ("error", "code", "lines"),
    [
        (SystemExit(143), 143, ["tap-test: stopped by signal 15: run it again to continue from the last STATE"]),
        (SystemExit(130), 130, ["tap-test: stopped by signal 2: run it again to continue from the last STATE"]),
        (SystemExit(0), 0, []),
        (click.exceptions.Exit(0), 0, []),
        (click.UsageError("what?"), 2, []),
        (click.Abort(), 1, []),
    ],
)
def test_what_ends_a_program_in_order_passes(error: BaseException, code: int, lines: list[str], log: list[str]) -> None:
    # when
    with pytest.raises(SystemExit) as caught:
        command(fail_with(error)).main([])
    # then
    assert caught.value.code == code
    assert log == lines


@pytest.mark.parametrize("error", [TapError("HTTP 403"), SystemExit(143)])
def test_nothing_is_logged_after_the_last_line(error: BaseException, log: list[str]) -> None:
    # given: a generator that is left in the middle, as the reading of pages is, and logs when it is closed
    def pages() -> Iterator[int]:
        try:
            yield 1
        finally:
            LOGGER.info("METRIC")

    def work() -> None:
        reading = pages()
        next(reading)
        raise error

    # when
    with pytest.raises(SystemExit):
        command(work).main([])
    # then
    assert log[-2] == "METRIC"
    assert log[-1].startswith("tap-test: ")


def test_a_bad_setting_is_the_last_line_and_no_request_is_sent(
    acme: AcmeVendor, invoke: Callable[..., Result], log: list[str]
) -> None:
    # when
    result = invoke(page_size=20000)
    # then
    assert result.exit_code == 1
    assert result.output == ""
    assert log[-1] == "tap-acme: setting `page_size`: 20000 is not allowed: an integer from 1 to 1000"
    assert [one for one in log if "page_size" in one] == log[-1:]
    assert acme.server.calls == []


def test_several_bad_settings_are_in_one_line(invoke: Callable[..., Result], log: list[str]) -> None:
    # when
    invoke(page_size=0, extra_fields="hide")
    # then
    assert sorted(log[-1].removeprefix("tap-acme: ").split("; ")) == [
        "setting `extra_fields`: 'hide' is not allowed: one of keep, drop, fail",
        "setting `page_size`: 0 is not allowed: an integer from 1 to 1000",
    ]


def test_what_a_tap_checks_itself_is_said_in_the_same_way(invoke: Callable[..., Result], log: list[str]) -> None:
    # when
    result = invoke(end_date="2024-01-01")
    # then
    assert result.exit_code == 1
    assert log[-1] == (
        "tap-acme: setting `end_date`: '2024-01-01' is before `start_date` '2024-03-08': "
        "give a later day, or leave it out to read up to today"
    )


def test_refused_credentials_are_one_request_and_one_line_without_them(
    acme: AcmeVendor, invoke: Callable[..., Result], log: list[str]
) -> None:
    # when
    result = invoke(client_secret="wrong-secret")
    # then
    assert result.exit_code == 1
    assert acme.server.paths() == ["/v1/login"]
    assert log[-1] == (
        "tap-acme: stream airings, window 2024-03-08..2024-03-08: "
        'HTTP 401 Unauthorized "Bad credentials": check the credentials'
    )
    assert not any("wrong-secret" in one for one in log)


def test_a_run_writes_messages_and_exits_with_0(acme: AcmeVendor, invoke: Callable[..., Result]) -> None:
    # given
    acme.airings = {}
    # when
    result = invoke()
    # then
    assert result.exit_code == 0
    assert [json.loads(one)["type"] for one in result.stdout.splitlines()] == [
        "SCHEMA", "STATE", "STATE", "STATE", "SCHEMA", "RECORD", "RECORD", "RECORD", "STATE",
    ]  # fmt: skip


def test_the_connection_test_reads_the_streams_that_are_on_by_default(
    acme: AcmeVendor, invoke: Callable[..., Result]
) -> None:
    # when
    result = invoke("--test")
    # then: one page each, and not of `events`
    assert result.exit_code == 0
    assert acme.server.paths() == ["/v1/login", "/v1/airings", "/v1/spots"]


def test_a_connection_test_that_fails_is_one_line(
    acme: AcmeVendor, invoke: Callable[..., Result], log: list[str]
) -> None:
    # given
    acme.before = lambda _: acme.server.json({"title": "No"}, 403)
    # when
    result = invoke("--test")
    # then
    assert result.exit_code == 1
    assert log[-1].startswith(
        "tap-acme: all selected streams are forbidden: airings, spots: "
        'stream airings, window 2024-03-08..2024-03-08: HTTP 403 Forbidden "No"'
    )


def test_schemas_can_be_written_without_a_request(acme: AcmeVendor, invoke: Callable[..., Result]) -> None:
    # when
    result = invoke("--test=schema")
    # then
    assert result.exit_code == 0
    assert [json.loads(one)["stream"] for one in result.stdout.splitlines()] == ["airings", "events", "spots"]
    assert acme.server.calls == []


def test_discovery_needs_no_settings(acme: AcmeVendor, invoke: Callable[..., Result], tmp_path: Path) -> None:
    # given
    empty = tmp_path / "empty.json"
    empty.write_text("{}")
    # when
    result = invoke("--config", str(empty), "--discover", client_id=None, client_secret=None, start_date=None)
    # then
    assert result.exit_code == 0
    assert [stream["tap_stream_id"] for stream in json.loads(result.stdout)["streams"]] == [
        "airings",
        "events",
        "spots",
    ]
    assert acme.server.calls == []


def test_no_secret_is_in_any_log_line_at_any_level(
    acme: AcmeVendor, invoke: Callable[..., Result], log: list[str]
) -> None:
    # given: a vendor that repeats what it was sent, and an error with a traceback
    acme.before = lambda call: acme.server.reply(403, f"You sent {call.headers} s3cret/of+acme".encode())
    # when
    invoke("--test")
    # then: of the secret, the client's id and the token
    assert not [one for one in log if "s3cret" in one or "acme-client" in one or "of-acme" in one]
    assert any(MASK in one for one in log)
    assert any(one.startswith("Where it happened") for one in log)
    assert any("GET /v1/airings" in one for one in log)
