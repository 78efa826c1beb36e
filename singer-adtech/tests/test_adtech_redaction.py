"""Secrets in logs."""

from __future__ import annotations

import io
import logging
import subprocess
import sys
import threading
from contextlib import redirect_stderr

import pytest
from singer_adtech.redaction import MASK, REDACTOR, Redactor

SECRET = "pa/ss+wörd\"'\\1"
LOGGER = logging.getLogger("some.library")


@pytest.fixture(autouse=True)
def installed() -> None:
    REDACTOR.install()


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        "pa%2Fss%2Bw%C3%B6rd%22%27%5C1",  # urllib.parse.quote(safe="") and quote_plus
        "pa/ss%2Bw%C3%B6rd%22%27%5C1",  # urllib.parse.quote
        r"pa/ss+w\u00f6rd\"'\\1",  # JSON
        repr(SECRET)[1:-1],  # in the message of an exception
    ],
)
def test_a_secret_is_hidden_in_every_spelling(text: str) -> None:
    # given
    redactor = Redactor()
    redactor.add(SECRET)
    # then
    assert redactor.scrub(f"before {text} after") == f"before {MASK} after"


def test_the_address_of_a_link_is_hidden_without_its_host_too() -> None:
    # given: urllib3 logs a path without its host
    redactor = Redactor()
    redactor.add("https://files.example/export/1?sig=abc%2Bd")
    # then
    assert redactor.scrub('https://files.example:443 "GET /export/1?sig=abc%2Bd HTTP/1.1" 200') == (
        f'https://files.example:443 "GET {MASK} HTTP/1.1" 200'
    )


def test_a_longer_secret_that_holds_a_shorter_one_is_hidden_whole() -> None:
    # given
    redactor = Redactor()
    redactor.add("abcd", "abcd-efgh")
    # then
    assert redactor.scrub("abcd-efgh, abcd") == f"{MASK}, {MASK}"


def test_very_short_and_missing_values_are_no_secrets() -> None:
    # given
    redactor = Redactor()
    redactor.add("1", "abc", "", None)
    # then
    assert redactor.scrub("1 abc") == "1 abc"


def test_a_discarded_value_leaves_nothing_behind() -> None:
    # given
    redactor = Redactor()
    # when
    for number in range(3):
        redactor.add(f"https://x.example/a+b/{number}")
        redactor.discard(f"https://x.example/a+b/{number}")
    # then
    assert redactor.scrub("https://x.example/a+b/0 https%3A%2F%2Fx.example%2Fa%2Bb%2F0") == (
        "https://x.example/a+b/0 https%3A%2F%2Fx.example%2Fa%2Bb%2F0"
    )
    assert redactor._secrets == frozenset()  # noqa: SLF001 - memory would grow with every page of a long chain


def test_message_arguments_and_formats_are_scrubbed(log: list[str]) -> None:
    # given
    REDACTOR.add("s3cret-value")
    # when
    LOGGER.debug("login with %s", "s3cret-value")
    LOGGER.warning("plain s3cret-value")
    LOGGER.info({"password": "s3cret-value"})
    LOGGER.info("harmless %d", 1)
    # then
    assert log == [f"login with {MASK}", f"plain {MASK}", f"{{'password': '{MASK}'}}", "harmless 1"]


def test_tracebacks_are_scrubbed_chained_causes_too(log: list[str]) -> None:
    # given
    REDACTOR.add("s3cret-value")
    # when
    try:
        try:
            raise ValueError("s3cret-value in the cause")  # noqa: TRY301 - made to be chained
        except ValueError as cause:
            raise RuntimeError("outer") from cause
    except RuntimeError:
        LOGGER.exception("failed")
    # then
    assert "s3cret-value" not in log[0]
    assert f"ValueError: {MASK} in the cause" in log[0]
    assert "RuntimeError: outer" in log[0]


def test_a_log_call_with_wrong_arguments_gives_nothing_away(monkeypatch: pytest.MonkeyPatch) -> None:
    # given: logging itself prints the arguments of such a call to stderr
    monkeypatch.setattr(logging, "raiseExceptions", True)
    REDACTOR.add("s3cret-value")
    stderr = io.StringIO()
    handler = logging.StreamHandler(stderr)
    LOGGER.addHandler(handler)
    # when
    with redirect_stderr(stderr):
        LOGGER.error("one %s", "s3cret-value", "two")  # noqa: PLE1205 - the mistake that is tested
        LOGGER.error("%(name)s of %(other)s", {"name": "s3cret-value"})
    LOGGER.removeHandler(handler)
    # then
    assert stderr.getvalue() == (
        "'one %s' (with arguments that do not fit)\n'%(name)s of %(other)s' (with arguments that do not fit)\n"
    )


def test_secrets_added_by_many_threads_are_all_hidden() -> None:
    # given
    redactor = Redactor()

    def add(one: int) -> None:
        for i in range(50):
            redactor.add(f"secret-{one}-{i}")

    threads = [threading.Thread(target=add, args=(one,)) for one in range(4)]
    # when
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # then
    text = " ".join(f"secret-{one}-{i}" for one in range(4) for i in range(50))
    assert set(redactor.scrub(text).split()) == {MASK}


def test_installing_twice_wraps_the_factory_once() -> None:
    # given
    factory = logging.getLogRecordFactory()
    # when
    REDACTOR.install()
    # then
    assert logging.getLogRecordFactory() is factory


def test_loggers_handlers_and_formats_made_later_are_covered() -> None:
    # given: a process of its own, where a user's configuration comes after the tap's
    program = (
        "import logging, logging.config\n"
        "from singer_adtech.redaction import REDACTOR\n"
        "REDACTOR.install(); REDACTOR.add('s3cret-value')\n"
        "logging.config.dictConfig({'version': 1, 'handlers': {'h': {'class': 'logging.StreamHandler'}},\n"
        "  'loggers': {'late': {'handlers': ['h'], 'level': 'DEBUG'}}})\n"
        "logging.getLogger('late').debug('it is %s', 's3cret-value')\n"
    )
    # when
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    # then
    assert done.stderr == f"it is {MASK}\n"
