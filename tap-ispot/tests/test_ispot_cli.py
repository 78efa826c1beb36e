"""The program as a user runs it: products that the account did not buy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from singer_adtech.testing import last_line
from tap_ispot.tap import TapISpot
from vendor_simulators.faults import Fault

if TYPE_CHECKING:
    from singer_adtech.testing import Program as Cli
    from vendor_simulators.ispot import ISpotSimulator

AUDIENCE = "/v4/metrics/audience/airings"


def test_test_reads_the_streams_that_are_selected_by_default(cli: Cli, ispot: ISpotSimulator) -> None:
    # Given an account without attention, which is off by default
    ispot.faults.add(Fault(path="/v4/metrics/attention/*", status=403, times=None))
    finished = cli("--test", config={**ispot.settings(), "end_date": "2024-03-08"})
    assert finished.returncode == 0
    on = [stream for stream in TapISpot(validate_config=False).streams.values() if stream.selected_by_default]
    assert len(ispot.journal) == 1 + len(on)


def test_a_vendor_that_refuses_ends_the_program_in_one_line(cli: Cli, ispot: ISpotSimulator) -> None:
    ispot.faults.add(Fault(path=AUDIENCE, status=403, times=None))
    finished = cli(config={**ispot.settings(), "end_date": "2024-03-08", "on_forbidden": "fail"})
    assert finished.returncode == 1
    assert "stream audience_airings, window 2024-03-08..2024-03-08: HTTP 403 Forbidden" in last_line(finished.stderr)
    assert last_line(finished.stderr).endswith(
        "ask iSpot.tv for it, or select tv_airings instead, or deselect it: `meltano select tap-ispot --exclude "
        'audience_airings "*"`, or `"selected": false` in the catalog'
    )
    assert "Traceback" not in finished.stderr
