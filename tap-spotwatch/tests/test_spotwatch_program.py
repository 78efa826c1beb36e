"""The program as a user runs it: dry runs leave the queue alone, page links stay secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

from singer_adtech.testing import select
from tap_spotwatch.tap import TapSpotwatch
from vendor_simulators.faults import Fault

if TYPE_CHECKING:
    from singer_adtech.testing import Program
    from vendor_simulators.spotwatch import SpotwatchSimulator

QUEUE = "/get-message-queue"


def test_test_and_discover_leave_the_queue_alone(program: Program, spotwatch: SpotwatchSimulator) -> None:
    # given the queue selected by the setting and by a catalog
    config = {**spotwatch.settings(), "message_queue": True, "end_date": "2024-06-09"}
    catalog = program.file("catalog.json", select(TapSpotwatch, "broadcast_messages", "regions"))
    # when
    runs = [
        program.start(*arguments, config=config)
        for arguments in (("--test",), ("--test", "--catalog", catalog), ("--discover",))
    ]
    codes = [(run.communicate(timeout=60), run.returncode)[1] for run in runs]
    # then
    assert codes == [0, 0, 0]
    assert spotwatch.journal.matching(QUEUE) == []
    assert spotwatch.journal.matching("/get-ads")
    assert len(spotwatch.truth("broadcast_messages")) == 250
    assert spotwatch.violations == []


def test_no_secret_and_no_link_in_any_output_at_debug(program: Program, spotwatch: SpotwatchSimulator) -> None:
    # given settings from the environment, and links that fail in several ways, and then each time
    link = "/????????????????????"
    spotwatch.faults.add(
        Fault(path=link, action="drop"),
        Fault(path=link, action="expire_token", nth=3),
        Fault(path=link, action="expire_token", nth=9, times=None),
    )
    given = {**spotwatch.settings(), "page_size": "20", "regions": '["de", "at"]', "loglevel": "DEBUG"}
    environment = {f"TAP_SPOTWATCH_{name.upper()}": value for name, value in given.items()}
    # when
    catalog = program.file("catalog.json", select(TapSpotwatch, "broadcasts"))
    finished = program("--config=ENV", "--catalog", catalog, environment=environment)
    # then
    assert finished.returncode == 1
    assert "the page link expired: raise `page_size` or lower `window_days`" in finished.stderr.splitlines()[-1]
    assert "Traceback" in finished.stderr
    assert "DEBUG" in finished.stderr
    secrets = [spotwatch.api_key, *(one[1:] for one in spotwatch.chains.issued)]
    assert len(secrets) > 5
    assert [secret for secret in secrets if secret in finished.stdout + finished.stderr] == []
