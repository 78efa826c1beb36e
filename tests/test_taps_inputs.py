"""Any command line input of all taps ends with exit code 0 or with one line."""

from __future__ import annotations

import json
import logging
import random
import signal
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import pytest
from click.testing import CliRunner
from generate import TAPS, logins, tap_class
from singer_adtech.errors import VendorError
from singer_adtech.http.requester import Requester
from singer_adtech.redaction import REDACTOR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from singer_adtech.tap import AdTechTap

ALL_TAPS = [cast("type[AdTechTap]", tap_class(name)) for name in TAPS]
SETTINGS: dict[type[AdTechTap], dict[str, Any]] = {
    tap: dict.fromkeys(set(logins(tap.name)[-1]) - {"start_date"}, "k" * 20) for tap in ALL_TAPS
}
STREAMS: dict[type[AdTechTap], str] = {
    tap: next(
        stream.name
        for stream in tap(validate_config=False).streams.values()
        if stream.replication_key and stream.selected_by_default
    )
    for tap in ALL_TAPS
}
"""An incremental stream of each tap, on by default."""
ALL = pytest.mark.parametrize("tap", SETTINGS, ids=lambda tap: tap.name)
DEEP, MANY = "[" * 100_000, "9" * 5_000
NO_VENDOR = "no vendor in this test"


@dataclass
class Ended:
    """Result of a command."""

    code: int
    log: list[tuple[int, str]]
    started: bool

    @property
    def last(self) -> str:
        """The last log line."""
        return self.log[-1][1] if self.log else ""

    def warnings(self) -> list[str]:
        """Return the warnings."""
        return [text for level, text in self.log if level == logging.WARNING]

    def check(self) -> None:
        """Check the promises of every command."""
        critical = [text for level, text in self.log if level == logging.CRITICAL]
        assert not [text for _, text in self.log if "unexpected" in text or "Traceback" in text], self.log[-3:]
        # click reports wrong options without the log.
        assert len(critical) == bool(self.code and (self.log or self.code != 2)), (self.code, self.log[-3:])
        assert all("\n" not in text for text in critical)


class Notes(logging.Handler):
    """Handler that keeps log lines from INFO up."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: list[tuple[int, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self.lines.append((record.levelno, record.getMessage()))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Ended]]:
    """Run a tap's command line in this process without a vendor.

    Files are given by content: bytes and strings unchanged, other values as JSON. None omits the option.
    """
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    requests: list[object] = []

    def send(*_: object, **__: object) -> None:
        requests.append(1)
        raise VendorError(NO_VENDOR)

    monkeypatch.setattr(Requester, "send", send)
    # singer-sdk sets a hook and does not restore it.
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    root = logging.getLogger()

    def run(tap: type[AdTechTap], *arguments: str, config: Any = ..., **files: Any) -> Ended:
        options = {"config": {**SETTINGS[tap], "start_date": "2024-03-08"} if config is ... else config, **files}
        given = list(arguments)
        for option, content in options.items():
            if content is None and option == "config":
                continue
            path = tmp_path / f"{option}.json"
            text = content if isinstance(content, (bytes, str)) else json.dumps(content)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
            given += [f"--{option}", str(path)]
        notes = Notes()
        level = root.level
        root.addHandler(notes)
        root.setLevel(logging.INFO)
        requests.clear()
        try:
            result = CliRunner().invoke(tap.get_singer_command(), given)
        finally:
            root.removeHandler(notes)
            root.setLevel(level)
        ended = Ended(result.exit_code, notes.lines, bool(requests))
        ended.check()
        return ended

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)
    REDACTOR.forget()


BROKEN: dict[str, Any] = {
    "a text": '"x"',
    "null": "null",
    "a list": "[]",
    "empty": "",
    "blank": " \n",
    "binary": b"\x00\xff\xfe\x80",
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "cut": '{"a": ',
    "deep": DEEP,
    "a deep member": f'{{"a": {DEEP}',
    "many digits": f'{{"a": {MANY}}}',
    "NaN": '{"a": NaN}',
}


@ALL
@pytest.mark.parametrize("option", ["config", "state", "catalog"])
@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
def test_a_file_that_is_not_a_json_object_is_one_line_that_names_it(
    run: Callable[..., Ended], tap: type[AdTechTap], option: str, content: Any
) -> None:
    # when
    ended = run(tap, **{option: content})
    # then
    assert (ended.code, ended.started) == (1, False)
    assert ended.last.startswith(f"{tap.name}: `--{option}`: ")


@ALL
@pytest.mark.parametrize("option", ["--config", "--state", "--catalog"])
def test_a_file_that_cannot_be_read_is_one_line_that_names_it(
    run: Callable[..., Ended], tap: type[AdTechTap], option: str, tmp_path: Path
) -> None:
    for path in (tmp_path, tmp_path / "none.json", "x" * 5000, "a\x00b"):
        # when
        ended = run(tap, option, str(path))
        # then
        assert (ended.code, ended.started) == (1, False)
        assert ended.last.startswith(f"{tap.name}: `{option}`: {path}: ")


@ALL
def test_files_with_a_byte_order_mark_are_read_and_configurations_are_merged(
    run: Callable[..., Ended], tap: type[AdTechTap], tmp_path: Path
) -> None:
    # given
    first = tmp_path / "first.json"
    first.write_bytes(b"\xef\xbb\xbf" + json.dumps({**SETTINGS[tap], "start_date": "2024-03-08"}).encode())
    # then
    assert NO_VENDOR in run(tap, "--config", str(first), config=None).last
    assert "`start_date`: 'soon' is not allowed" in run(tap, "--config", str(first), config={"start_date": "soon"}).last


STATES: dict[str, tuple[Any, str]] = {
    "bookmarks is a list": ({"bookmarks": []}, "its `bookmarks` is a list"),
    "bookmarks is null": ({"bookmarks": None}, "its `bookmarks` is null"),
    "a bookmark is null": ({"bookmarks": {"STREAM": None}}, "its bookmark of stream STREAM is null"),
    "a bookmark is a text": ({"bookmarks": {"STREAM": "2024-03-08"}}, "its bookmark of stream STREAM is a string"),
    "a value is a number": ({"bookmarks": {"STREAM": {"replication_key_value": 5}}}, "bookmark 5 is not a date"),
    "a value is an object": ({"bookmarks": {"STREAM": {"replication_key_value": {}}}}, "bookmark {} is not a date"),
    "a value is of year 1": (
        {"bookmarks": {"STREAM": {"replication_key_value": "0001-01-01T00:00:00Z"}}},
        "not a date",
    ),
    "another key": (
        {"bookmarks": {"STREAM": {"replication_key": 5, "replication_key_value": "2024-03-08"}}},
        "the state's bookmark belongs to 5",
    ),
    "partitions is null": ({"bookmarks": {"STREAM": {"partitions": None}}}, "its `partitions` is not a list"),
    "a message with a list": ({"type": "STATE", "value": []}, "it is a list"),
}


@ALL
@pytest.mark.parametrize(("state", "error"), STATES.values(), ids=STATES.keys())
def test_a_state_that_cannot_be_continued_is_refused_before_the_first_request(
    run: Callable[..., Ended], tap: type[AdTechTap], state: Any, error: str
) -> None:
    # given
    stream = STREAMS[tap]
    # when
    ended = run(tap, state=json.dumps(state).replace("STREAM", stream))
    # then
    assert (ended.code, ended.started) == (1, False)
    assert error.replace("STREAM", stream) in ended.last


@ALL
def test_a_wrapped_state_is_found(run: Callable[..., Ended], tap: type[AdTechTap]) -> None:
    # given: a state whose refusal proves that it was read
    bad = {"bookmarks": {STREAMS[tap]: {"replication_key_value": "soon"}}}
    for state in (
        bad,
        {"type": "STATE", "value": bad},
        {"singer_state": bad},
        {"singer_state": {"type": "STATE", "value": bad}},
        {"completed": {"singer_state": bad}, "partial": {}},
        {"completed": {"singer_state": {"bookmarks": {}}}, "partial": {"singer_state": bad}},
    ):
        # then
        assert "'soon' is not a date" in run(tap, state=state).last


@ALL
def test_a_state_of_another_tap_is_a_warning(run: Callable[..., Ended], tap: type[AdTechTap]) -> None:
    # given
    other = {"bookmarks": {f"stream_{number}": {"replication_key_value": "2024-03-08"} for number in range(7)}}
    # when
    states: list[dict[str, Any]] = [other, {"something": 1}, {"bookmarks": {}}]
    first, second, third = (run(tap, state=state) for state in states)
    # then
    (line,) = [one for one in first.warnings() if "the state has" in one]
    assert line == (
        "the state has bookmarks of unknown streams: stream_0, stream_1, stream_2, stream_3, "
        "stream_4 and 2 more: they are ignored; they belong to removed reports, or to another tap"
    )
    assert [one for one in second.warnings() if "the state has" in one] == [
        "the state has no `bookmarks`, only something: it is ignored, and everything is read"
    ]
    assert not [one for one in third.warnings() if "the state has" in one]


@ALL
def test_a_bookmark_in_the_future_is_one_warning(run: Callable[..., Ended], tap: type[AdTechTap]) -> None:
    # given
    stream = STREAMS[tap]
    state = {"bookmarks": {stream: {"replication_key_value": "2999-01-01T00:00:00Z"}}}
    # when
    ended = run(tap, state=state)
    # then
    (line,) = [one for one in ended.warnings() if "in the future" in one]
    assert line == (
        f"the state's bookmark is in the future, so little or nothing is read until then: {stream}: check this "
        "machine's clock, or repair the state"
    )


CATALOGS: dict[str, tuple[Any, str]] = {
    "no streams": ({}, "it has no streams, so nothing would be read"),
    "an empty list": ({"streams": []}, "it has no streams, so nothing would be read"),
    "an object": ({"streams": {}}, "its `streams` is an object"),
    "no id": ({"streams": [{"stream": "airings"}]}, "stream 1 has no `tap_stream_id`"),
    "a number": ({"streams": [{"tap_stream_id": 5}]}, "stream 1 has no `tap_stream_id`"),
    "no schema": ({"streams": [{"tap_stream_id": "STREAM"}]}, "stream STREAM has no `schema`"),
    "an empty schema": ({"streams": [{"tap_stream_id": "STREAM", "schema": {}}]}, "its `schema` has no `properties`"),
    "metadata": ({"streams": [{"tap_stream_id": "S", "schema": {"properties": {}}, "metadata": 5}]}, "is a number"),
    "a breadcrumb": (
        {"streams": [{"tap_stream_id": "S", "schema": {"properties": {}}, "metadata": [{"metadata": {}}]}]},
        "an item of its `metadata`",
    ),
    "another tap's": (
        {"streams": [{"tap_stream_id": "S", "schema": {"properties": {}}}]},
        "it has streams of another tap (S), so nothing would be read",
    ),
}


@ALL
@pytest.mark.parametrize(("catalog", "error"), CATALOGS.values(), ids=CATALOGS.keys())
def test_a_catalog_from_which_nothing_would_be_read_is_refused(
    run: Callable[..., Ended], tap: type[AdTechTap], catalog: Any, error: str
) -> None:
    # given
    stream = STREAMS[tap]
    # when
    ended = run(tap, catalog=json.dumps(catalog).replace("STREAM", stream))
    # then
    assert (ended.code, ended.started) == (1, False)
    assert error.replace("STREAM", stream) in ended.last


@ALL
def test_a_catalog_in_which_everything_is_deselected_is_refused(
    run: Callable[..., Ended], tap: type[AdTechTap]
) -> None:
    # given
    catalog = tap(config=SETTINGS[tap], validate_config=False).catalog_dict
    for stream in catalog["streams"]:
        for one in stream["metadata"]:
            one["metadata"]["selected"] = False
    # when
    ended = run(tap, catalog=json.dumps(catalog, default=list))
    # then
    assert (ended.code, ended.started) == (1, False)
    assert ended.last.startswith(f"{tap.name}: no stream is selected, so nothing would be read: select streams in the ")


ODD: list[dict[str, Any]] = [
    {"stream_maps": {"__else__": "x"}},
    {"stream_maps": {"STREAM": "x"}},
    {"stream_maps": {"STREAM": {"a": "b("}}},
    {"stream_maps": {"STREAM": {"a": "no_such_function(1)"}}},
    {"stream_maps": {"STREAM": {"__key_properties__": "x"}}},
    {"stream_maps": {"STREAM": {"__source__": "no such stream"}}},
    {"stream_maps": {"STREAM": 5}},
    {"stream_maps": "x"},
    {"stream_map_config": 5},
    {"flattening_enabled": "perhaps"},
    {"flattening_enabled": True, "flattening_max_depth": "x"},
    {"flattening_enabled": True, "flattening_max_depth": -1},
    {"flattening_enabled": True, "flattening_max_depth": 1, "flattening_separator": ""},
    {"flattening_enabled": True, "flattening_max_depth": 1, "flattening_max_key_length": 0},
    {"faker_config": {"seed": []}},
    {"api_url": "http://127.0.0.1:99999"},
    {"api_url": "http://[::1"},
    {"start_date": 5},
    {"start_date": ["2024-03-08"]},
    {"end_date": "9999-12-31"},
    {"end_date": "0001-01-01"},
    {"lookback_days": 10**4000},
    {"request_timeout": 1e300},
    {"reports": [None]},
    {"reports": {}},
]


@ALL
@pytest.mark.parametrize("odd", ODD, ids=lambda odd: json.dumps(odd)[:60])
def test_an_invalid_setting_is_one_line(run: Callable[..., Ended], tap: type[AdTechTap], odd: dict[str, Any]) -> None:
    text = json.dumps({**SETTINGS[tap], "start_date": "2024-03-08", **odd}).replace("STREAM", STREAMS[tap])
    for arguments in ((), ("--discover",), ("--test=schema",)):
        run(tap, *arguments, config=text)


@ALL
@pytest.mark.parametrize("seed", range(20))
def test_fuzzed_files_succeed_or_end_in_one_line(run: Callable[..., Ended], tap: type[AdTechTap], seed: int) -> None:
    # given
    chance = random.Random(f"{tap.name} {seed}")  # noqa: S311 - a test that can be repeated
    settings = {**SETTINGS[tap], "start_date": "2024-03-08"}
    names = list(tap.config_jsonschema["properties"])
    catalog = tap(config=settings, validate_config=False).catalog_dict
    catalog["streams"] = [chance.choice(catalog["streams"]), chance.choice(catalog["streams"])]
    state = {
        "bookmarks": {
            STREAMS[tap]: {"replication_key": "date", "replication_key_value": "2024-03-08", "read_from": "2024-03-01"}
        }
    }
    files: dict[str, Any] = {
        "config": settings | {chance.choice(names): odd_value(chance)},
        "state": damaged(state, chance) if seed % 2 else state,
        "catalog": damaged(json.loads(json.dumps(catalog, default=list)), chance),
    }
    # when
    run(tap, **files)


def odd_value(chance: random.Random) -> Any:
    """Return a random odd JSON value."""
    return chance.choice([None, True, False, 0, -1, 1e300, 10**400, "", "x", "2024-03-08", [], ["x"], {}, {"x": None}])


def damaged(value: Any, chance: random.Random) -> Any:
    """Replace or remove a random part of a value."""
    if isinstance(value, dict) and value and chance.random() < 0.85:
        name = chance.choice(list(value))
        if chance.random() < 0.1:
            return {other: value[other] for other in value if other != name}
        return {**value, name: damaged(value[name], chance)}
    if isinstance(value, list) and value and chance.random() < 0.85:
        place = chance.randrange(len(value))
        return [*value[:place], damaged(value[place], chance), *value[place + 1 :]]
    return odd_value(chance)
