"""The tap: what its streams share, its settings, and how it stops."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import pytest
import requests
from singer_adtech.errors import SettingError
from singer_adtech.records.writer import MessageWriter
from singer_adtech.redaction import MASK, REDACTOR
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers.capabilities import PluginCapabilities
from singer_sdk.singerlib import StateMessage
from singer_sdk.singerlib.encoding.simple import SimpleSingerWriter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from acme_vendor import AcmeVendor
    from adtech_fixtures import Run
    from madeup_tap import TapAcme
    from singer_adtech.connection import ConnectedTap


@pytest.fixture
def make_tap(acme_module: Any, acme_config: dict[str, Any]) -> Callable[..., TapAcme]:
    """Make the made-up tap with some settings changed."""

    def make(options: dict[str, Any] | None = None, **settings: Any) -> TapAcme:
        tap: TapAcme = acme_module.TapAcme(config=acme_config | settings, **(options or {}))
        return tap

    return make


def test_streams_share_what_belongs_to_the_run(make_tap: Callable[..., TapAcme]) -> None:
    # given
    tap = make_tap()
    airings, spots = (tap.streams[name] for name in ("airings", "spots"))
    # then
    assert airings.authenticator is spots.authenticator  # type: ignore[attr-defined]
    assert airings.requests_session is spots.requests_session  # type: ignore[attr-defined]
    assert airings.tap.requester is spots.tap.requester  # type: ignore[attr-defined]
    assert tap.run_start is tap.run_start


def test_a_slash_at_the_end_of_the_address_does_not_matter(make_tap: Callable[..., TapAcme]) -> None:
    assert make_tap(api_url="http://localhost:1/v1/").api_url == "http://localhost:1/v1"


@pytest.mark.usefixtures("acme")
def test_the_user_agent_is_name_and_version_by_default(run_tap: Callable[..., Run], acme: AcmeVendor) -> None:
    # when
    run_tap("spots", patch=lambda tap: setattr(type(tap), "package_name", "no-such-package"))
    # then
    agents = {call.headers["User-Agent"] for call in acme.server.calls}
    assert len(agents) == 1
    assert agents.pop().startswith("tap-acme/")


def test_batch_is_not_offered_and_the_rest_is(acme_module: Any) -> None:
    # given
    capabilities = acme_module.TapAcme.capabilities
    # then: batch files would bypass selection and stream maps
    assert PluginCapabilities.BATCH not in capabilities
    assert PluginCapabilities.STREAM_MAPS in capabilities


def test_secret_settings_are_secrets_from_the_start(make_tap: Callable[..., TapAcme]) -> None:
    # when
    make_tap(client_secret="another-s3cret")
    # then
    assert REDACTOR.scrub("another-s3cret") == MASK


def test_settings_that_are_refused_are_secrets_too(make_tap: Callable[..., TapAcme]) -> None:
    # when
    with pytest.raises(ConfigValidationError):
        make_tap(client_secret="another-s3cret", page_size=0)
    # then
    assert REDACTOR.scrub("another-s3cret") == MASK


def test_problems_are_listed_where_settings_need_not_be_valid(make_tap: Callable[..., TapAcme]) -> None:
    # when: as in discovery
    tap = make_tap({"validate_config": False}, page_size=0)
    # then
    assert tap._validate_config(raise_errors=False) == [  # noqa: SLF001 - what singer-sdk calls
        "setting `page_size`: 0 is not allowed: an integer from 1 to 1000"
    ]


def test_numbers_may_come_as_text_from_the_environment(
    make_tap: Callable[..., TapAcme], monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    monkeypatch.setenv("TAP_ACME_FACTOR", "0.25")
    monkeypatch.setenv("TAP_ACME_PAGE_SIZE", "7")
    # when
    tap = make_tap({"parse_env_config": True})
    # then
    assert (tap.config["factor"], tap.config["page_size"]) == (0.25, 7)


def test_a_number_that_is_none_is_refused_with_its_setting(
    make_tap: Callable[..., TapAcme], monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    monkeypatch.setenv("TAP_ACME_FACTOR", "a lot")
    # when
    with pytest.raises(SettingError) as caught:
        make_tap({"parse_env_config": True})
    # then
    assert str(caught.value) == "setting `factor`: 'a lot' is not allowed: a number from 0 to 1"


def test_an_integer_that_is_none_is_refused_with_its_setting_although_singer_sdk_fails_on_it(
    make_tap: Callable[..., TapAcme], monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    monkeypatch.setenv("TAP_ACME_PAGE_SIZE", "many")
    # when
    with pytest.raises(SettingError) as caught:
        make_tap({"parse_env_config": True})
    # then
    assert str(caught.value) == "setting `page_size`: 'many' is not allowed: an integer from 1 to 1000"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_run_with_its_code(
    make_tap: Callable[..., TapAcme], number: signal.Signals, code: int
) -> None:
    # given
    tap = make_tap()
    # when
    with pytest.raises(SystemExit) as caught:
        tap._handle_termination(number, None)  # noqa: SLF001 - what singer-sdk installs
    # then
    assert caught.value.code == code


def test_a_signal_while_a_line_is_written_waits_for_the_line_and_a_second_one_does_not(
    make_tap: Callable[..., TapAcme],
) -> None:
    # given
    tap = make_tap()
    writer = tap.message_writer
    assert isinstance(writer, MessageWriter)
    writer.writing = True
    # when / then
    tap._handle_termination(signal.SIGTERM, None)  # noqa: SLF001 - what singer-sdk installs
    assert writer.stop_after_writing == 143
    with pytest.raises(SystemExit):
        tap._handle_termination(signal.SIGTERM, None)  # noqa: SLF001 - what singer-sdk installs


def test_the_handlers_of_signals_are_in_place(make_tap: Callable[..., TapAcme]) -> None:
    # given
    tap = make_tap()
    # then
    assert signal.getsignal(signal.SIGTERM) == tap._handle_termination  # noqa: SLF001 - what singer-sdk installs


@pytest.mark.usefixtures("acme")
def test_another_message_writer_may_be_given(
    make_tap: Callable[..., TapAcme], capsys: pytest.CaptureFixture[str]
) -> None:
    # given
    tap = make_tap({"message_writer": SimpleSingerWriter()})
    for stream in tap.streams.values():
        stream.selected = stream.name == "spots"
    # when
    tap.sync_all()
    tap.session.close()
    # then
    assert capsys.readouterr().out.count('"type":"RECORD"') == 3
    assert tap.states_written == 0


def test_the_tap_counts_the_states_it_wrote(
    make_tap: Callable[..., TapAcme], capsys: pytest.CaptureFixture[str]
) -> None:
    # given
    tap: ConnectedTap = make_tap()
    # when
    tap.write_message(StateMessage(value={}))
    # then
    assert tap.states_written == 1
    assert capsys.readouterr().out == '{"type":"STATE","value":{}}\n'


def test_the_environment_wins_and_no_env_file_is_read(
    acme_module: Any, acme_config: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # given: a `.env` where singer-sdk looks for one, above its own folder
    env = tmp_path / ".env"
    env.write_text("TAP_ACME_PAGE_SIZE=7\nTAP_ACME_WINDOW_DAYS=9\n")
    monkeypatch.setattr("singer_sdk.configuration._dict_config.find_dotenv", lambda: str(env))
    for name in ("client_id", "client_secret", "start_date", "page_size"):
        monkeypatch.setenv(f"TAP_ACME_{name.upper()}", str(acme_config[name]))
    # when
    tap = acme_module.TapAcme(parse_env_config=True)
    # then
    assert (tap.config["page_size"], tap.config["window_days"]) == (acme_config["page_size"], 1)
    assert "TAP_ACME_WINDOW_DAYS" not in os.environ


def test_unknown_settings_and_variables_are_one_warning_each(
    acme_module: Any, acme_config: dict[str, Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # given
    monkeypatch.setenv("TAP_ACME_PAGE_SIZ", "7")
    # when: discovery, which Meltano does first, looks at settings without judging them
    acme_module.TapAcme(config={**acme_config, "window_day": 7}, validate_config=False)
    acme_module.TapAcme(config={**acme_config, "window_day": 7})
    # then
    assert [one.getMessage() for one in caplog.records if one.levelname == "WARNING"] == [
        "setting `window_day` is unknown and ignored: did you mean `window_days`?",
        "variable `TAP_ACME_PAGE_SIZ` does not belong to a setting and is ignored: did you mean `TAP_ACME_PAGE_SIZE`?",
    ]


def test_a_misspelt_required_setting_is_named_before_the_error(
    acme_module: Any, acme_config: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    # given
    del acme_config["start_date"]
    # when
    with pytest.raises(ConfigValidationError) as raised:
        acme_module.TapAcme(config={**acme_config, "start_dat": "2024-01-01"})
    # then
    assert raised.value.errors == [
        "setting `start_date` is missing: set it, with Meltano as `TAP_ACME_START_DATE` in .env"
    ]
    assert [one.getMessage() for one in caplog.records if one.levelname == "WARNING"] == [
        "setting `start_dat` is unknown and ignored: did you mean `start_date`?"
    ]


def test_a_request_outside_of_streams_is_authenticated_and_its_body_checked(
    make_tap: Callable[..., TapAcme], acme: AcmeVendor, waits: list[float]
) -> None:
    # given: a response that is cut off once
    tap = make_tap()
    replies = [acme.server.reply(200, b'{"data": ['), acme.server.json({"data": []})]
    acme.before = lambda _: replies.pop(0)
    # when
    response = tap.send(requests.Request("GET", f"{tap.api_url}/spots"), label="metadata")
    tap.session.close()
    # then
    assert response.json() == {"data": []}
    assert [call.path for call in acme.server.calls] == ["/v1/login", "/v1/spots", "/v1/spots"]
    assert tap.run_metrics.own.requests == 3
    assert waits == [1]
