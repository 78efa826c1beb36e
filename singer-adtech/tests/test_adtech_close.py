"""Taking leave of the vendor: once, at the end of whatever was done, however it ended."""

from __future__ import annotations

import io
import logging
import signal
from contextlib import redirect_stdout
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from singer_adtech.errors import VendorError

if TYPE_CHECKING:
    from collections.abc import Callable

    from madeup_tap import TapAcme


@pytest.fixture
def leaving(acme_module: Any, acme_config: dict[str, Any], clean_signals: None) -> Callable[..., TapAcme]:  # noqa: ARG001 - for its effect
    """Make the made-up tap, which notes what it did when."""

    def make(closing: Callable[[], None] = lambda: None, **attributes: Any) -> TapAcme:
        class Leaving(acme_module.TapAcme):  # type: ignore[misc]  # loaded by its path
            def reopen(self) -> None:
                self.notes.append("opened")

            def close(self) -> None:
                self.notes.append("closed")
                closing()

        for name, value in {"notes": [], **attributes}.items():
            setattr(Leaving, name, value)
        tap: TapAcme = Leaving(config=acme_config)
        return tap

    return make


def notes(tap: Any) -> list[str]:
    """Return what a tap noted."""
    found: list[str] = tap.notes
    return found


def select(tap: TapAcme, *names: str) -> None:
    """Select these streams."""
    for stream in tap.streams.values():
        stream.selected = stream.name in names


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize(
    "action", ["sync_all", "run_connection_test", "run_sync_dry_run", "write_schemas", "run_discovery"]
)
def test_a_tap_closes_once(leaving: Callable[..., TapAcme], action: str) -> None:
    tap = leaving()
    assert notes(tap) == []
    with redirect_stdout(io.StringIO()):
        getattr(tap, action)()
    assert notes(tap) == ["opened", "closed"]


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize(
    "error", [VendorError("no"), SystemExit(143), KeyboardInterrupt()], ids=["error", "exit", "ctrl-c"]
)
def test_a_tap_closes_after_whatever_ends_a_run(
    leaving: Callable[..., TapAcme], monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    # given
    tap = leaving()
    select(tap, "spots")

    def fail(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(tap.streams["spots"], "get_records", fail)
    # when
    with redirect_stdout(io.StringIO()), pytest.raises(type(error)):
        tap.sync_all()
    # then
    assert notes(tap) == ["opened", "closed"]


@pytest.mark.parametrize("error", [VendorError("no"), SystemExit(143)], ids=["error", "exit"])
def test_a_tap_closes_when_discovery_fails(leaving: Callable[..., TapAcme], error: BaseException) -> None:
    def fail(_: Any) -> Any:
        raise error

    told: list[str] = []
    with pytest.raises(type(error)):
        leaving(notes=told, discover_streams=fail)
    assert told == ["opened", "closed"]


@pytest.mark.usefixtures("acme")
def test_an_error_on_leaving_changes_nothing(leaving: Callable[..., TapAcme], caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise VendorError("gone already")

    tap = leaving(fail)
    select(tap, "spots")
    with redirect_stdout(io.StringIO()), caplog.at_level(logging.INFO):
        tap.sync_all()
    assert "The connection could not be closed: gone already" in caplog.text


@pytest.mark.usefixtures("acme")
def test_a_signal_does_not_cut_the_leave_short(leaving: Callable[..., TapAcme]) -> None:
    # given a tap that is asked to stop while it is leaving
    left: list[bool] = []

    def leave() -> None:
        signal.raise_signal(signal.SIGTERM)
        left.append(True)

    tap = leaving(leave)
    select(tap, "spots")
    # when
    with redirect_stdout(io.StringIO()):
        tap.sync_all()
    # then it left, and the next signal counts again
    assert left == [True]
    with pytest.raises(SystemExit, match="143"):
        signal.raise_signal(signal.SIGTERM)


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize(("named", "expected"), [(None, {"airings", "spots", "events"}), (("spots",), {"spots"})])
def test_a_connection_test_reads_what_it_is_told_to(
    leaving: Callable[..., TapAcme], acme: Any, named: Any, expected: set[str]
) -> None:
    tap = leaving(connection_test=named)
    with redirect_stdout(io.StringIO()):
        tap.run_connection_test()
    assert {call.path.removeprefix("/v1/") for call in acme.server.calls} - {"login"} == expected


@pytest.mark.parametrize("given", [Decimal("0.5"), "0.5"])
def test_a_number_from_a_file_or_the_environment_is_a_float(
    acme_module: Any, acme_config: dict[str, Any], given: Any
) -> None:
    tap = acme_module.TapAcme(config={**acme_config, "factor": given})
    assert type(tap.config["factor"]) is float
