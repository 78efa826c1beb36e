"""What the library's tests share: a small HTTP server that keeps a journal, a clock that does not wait, a made-up tap.

Test folders are no packages, so these classes reach tests as fixtures; their names are imported for types only.
"""

from __future__ import annotations

import datetime as dt
import importlib.util
import io
import json
import logging
import os
import signal
import subprocess
import sys
import time
from contextlib import redirect_stdout
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import requests
from click.testing import CliRunner
from hypothesis import HealthCheck, settings
from singer_adtech.http.budgets import Budgets
from singer_adtech.http.requester import Requester
from singer_adtech.http.retries import RetryPolicy
from singer_adtech.http.session import Session
from singer_adtech.redaction import REDACTOR
from singer_adtech.testing import FakeClock
from typing_extensions import override

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

    from acme_vendor import AcmeVendor
    from click.testing import Result
    from local_server import Server
    from madeup_tap import TapAcme

# A busy machine is no failure, and nothing is left in the folder.
settings.register_profile("adtech", deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None)
settings.load_profile("adtech")

HERE = Path(__file__).parent
PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def load(name: str) -> Any:
    """Load a module of this folder, which is no package and on no path."""
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


# ---------------------------------------------------------------------------------------------------- the local server


@pytest.fixture
def make_server() -> Iterator[Callable[..., Server]]:
    """Start servers, on a port of its own each."""
    module = load("local_server")
    servers: list[Server] = []

    def make(tls: ssl.SSLContext | None = None) -> Server:
        servers.append(module.Server(tls))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


@pytest.fixture
def server(make_server: Callable[..., Server]) -> Server:
    """Start one server."""
    return make_server()


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the proxies and certificates of this machine out of the tests."""
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(autouse=True)
def clean_signals() -> Iterator[None]:
    """Give this process back its handlers of signals, which a tap replaces."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(autouse=True)
def clean_redactor() -> Iterator[None]:
    """Forget the secrets of a test, so that they do not mask the words of the next."""
    yield
    REDACTOR.discard(*REDACTOR._secrets)  # noqa: SLF001 - there is no public way to forget everything


# --------------------------------------------------------------------------------------------------------- clock, waits


@pytest.fixture(scope="session")
def make_clock() -> Callable[[], FakeClock]:
    """Make clocks that stand at noon UTC on 2024-03-11."""
    return lambda: FakeClock(dt.datetime(2024, 3, 11, 12, tzinfo=dt.timezone.utc))


@pytest.fixture
def clock(make_clock: Callable[[], FakeClock]) -> FakeClock:
    """Make a clock that stands at noon UTC on 2024-03-11."""
    return make_clock()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch, clock: FakeClock) -> list[float]:
    """Note the waits between retries instead of waiting; the clock moves by them."""
    # The module in backoff's own name space is replaced, and not `time.sleep` of the whole process.
    monkeypatch.setattr("backoff._sync.time", SimpleNamespace(sleep=clock.back_off, monotonic=time.monotonic))
    return clock.waits


@pytest.fixture
def make_requester(clock: FakeClock) -> Iterator[Callable[..., Requester]]:
    """Make requesters for a server."""
    sessions: list[Session] = []

    def make(url: str, **options: Any) -> Requester:
        session = Session(
            url,
            connections=options.pop("connections", 4),
            timeout=options.pop("timeout", 5.0),
            follow_redirects=options.pop("follow_redirects", True),
        )
        sessions.append(session)
        return Requester(
            url,
            session=session,
            budgets=options.pop("budgets", None) or Budgets((), clock),
            policy=options.pop("policy", RetryPolicy()),
            clock=clock,
            user_agent="tap-test/1",
            logger=logging.getLogger("tap-test"),
            **options,
        )

    yield make
    for session in sessions:
        session.close()


@pytest.fixture
def send(server: Server, make_requester: Callable[..., Requester]) -> Callable[..., requests.Response]:
    """Send requests to the server."""

    def send(path: str = "/v1/airings", **options: Any) -> requests.Response:
        names = ("auth", "check_status", "check_body")
        call = {"auth": None} | {name: options.pop(name) for name in names if name in options}
        requester = options.pop("requester", None) or make_requester(f"{server.url}/v1", **options)
        return requester.send(requests.Request("GET", server.url + path), label="stream airings", **call)

    return send


# --------------------------------------------------------------------------------------------------- the made-up vendor


@pytest.fixture
def acme(server: Server) -> AcmeVendor:
    """Start the made-up vendor with three days of airings (5, 0 and 2 rows) and three spots."""
    module = load("acme_vendor")
    airing = module.airing
    vendor: AcmeVendor = module.AcmeVendor(server)
    vendor.airings = {
        "2024-03-08": [airing(number, "2024-03-08") for number in range(1, 6)],
        "2024-03-10": [airing(number, "2024-03-10") for number in range(6, 8)],
    }
    vendor.spots = [f'{{"id": {number}, "name": "Spot {number}"}}' for number in range(1, 4)]
    vendor.events = [f'{{"id": {number}}}' for number in range(1, 5)]
    return vendor


@pytest.fixture(scope="session")
def write_airing() -> Callable[..., str]:
    """Write rows as the made-up vendor sends them."""
    writer: Callable[..., str] = load("acme_vendor").airing
    return writer


# ------------------------------------------------------------------------------------------------------ the made-up tap


@pytest.fixture(scope="session")
def acme_module() -> Any:
    """Load the module of the made-up tap."""
    return load("madeup_tap")


@pytest.fixture
def acme_config(server: Server) -> dict[str, Any]:
    """Give settings of the made-up tap: pages of two rows, days in New York, the range of the vendor's data."""
    return {
        "api_url": f"{server.url}/v1",
        "client_id": "acme-client",
        "client_secret": "s3cret/of+acme",
        "start_date": "2024-03-08",
        "end_date": "2024-03-10",
        "page_size": 2,
        "lookback_days": 2,
        "window_days": 1,
        "request_timeout": 10,
    }


class Run:
    """One run of a tap in this process.

    Attributes:
        output: What it wrote to stdout.
        error: What ended it, if it did not end well.
    """

    def __init__(self, output: str, error: BaseException | None) -> None:
        self.output = output
        self.error = error

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The messages; a line that is cut fails here."""
        assert not self.output or self.output.endswith("\n")
        return [json.loads(line) for line in self.output.splitlines()]

    @property
    def states(self) -> list[dict[str, Any]]:
        """The values of the STATE messages."""
        return [message["value"] for message in self.messages if message["type"] == "STATE"]

    def bookmarks(self, stream: str) -> list[Any]:
        """Return the bookmark of a stream in each STATE."""
        return [state.get("bookmarks", {}).get(stream, {}).get("replication_key_value") for state in self.states]

    def records(self, stream: str) -> list[dict[str, Any]]:
        """Return the records of a stream."""
        return [
            message["record"]
            for message in self.messages
            if message["type"] == "RECORD" and message["stream"] == stream
        ]


@pytest.fixture
def run_tap(acme_module: Any, acme_config: dict[str, Any]) -> Iterator[Callable[..., Run]]:
    """Run the made-up tap in this process, with some streams only and other settings if told so."""
    taps: list[TapAcme] = []

    def run(*streams: str, state: Any = None, catalog: Any = None, patch: Any = None, **settings: Any) -> Run:
        config = {name: value for name, value in (acme_config | settings).items() if value is not None}
        stdout = io.StringIO()
        error = None
        with redirect_stdout(stdout):
            try:
                tap = acme_module.TapAcme(config=config, state=state, catalog=catalog)
                taps.append(tap)
                if patch is not None:
                    patch(tap)
                for stream in tap.streams.values():
                    stream.selected = not streams or stream.name in streams
                tap.sync_all()
            except (Exception, SystemExit) as caught:  # noqa: BLE001 - tests look at what ended a run
                error = caught
        return Run(stdout.getvalue(), error)

    yield run
    for tap in taps:
        tap.session.close()


@pytest.fixture
def start_tap(acme_config: dict[str, Any], tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start the made-up tap as a program of its own."""
    running: list[subprocess.Popen[str]] = []

    def start(*arguments: str, env: dict[str, str] | None = None, **options: Any) -> subprocess.Popen[str]:
        config = tmp_path / "config.json"
        config.write_text(json.dumps(acme_config))
        command = [sys.executable, str(HERE / "madeup_tap.py"), *(arguments or ("--config", str(config)))]
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
        process: subprocess.Popen[str] = subprocess.Popen(command, env=os.environ | (env or {}), **options)
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


@pytest.fixture
def invoke(
    acme_module: Any, acme_config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """Give the made-up tap a command line, in this process; without arguments, its settings."""
    # singer-sdk sets a hook of its own, which would stay.
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)

    def invoke(*arguments: str, **settings: Any) -> Result:
        config = tmp_path / "config.json"
        config.write_text(json.dumps({k: v for k, v in (acme_config | settings).items() if v is not None}))
        command = acme_module.TapAcme.get_singer_command()
        return CliRunner().invoke(command, ["--config", str(config), *arguments])

    return invoke


@pytest.fixture
def wait_until() -> Callable[[Callable[[], object]], None]:
    """Wait until something is true, for as long as a busy machine may take."""

    def wait(happened: Callable[[], object]) -> None:
        end = time.monotonic() + 40
        while not happened():
            assert time.monotonic() < end, "it did not happen in forty seconds"
            time.sleep(0.005)

    return wait


# ----------------------------------------------------------------------------------------------------------------- logs


class LogCapture(logging.Handler):
    """Keeps log lines as a program would print them, tracebacks included."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def log() -> Iterator[list[str]]:
    """Take every log line of the process, at every level."""
    root = logging.getLogger()
    handler, level = LogCapture(), root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield handler.lines
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
