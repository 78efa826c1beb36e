"""The program as a user runs it: bad reports, streams that the user may not read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_springserve.tap import TapSpringServe
from vendor_simulators.springserve import SpringServeSimulator

if TYPE_CHECKING:
    from singer_adtech.testing import Program as Cli
    from vendor_simulators.pytest_plugin import Simulate


def test_bad_reports_end_the_program_in_one_line(cli: Cli, springserve: SpringServeSimulator) -> None:
    # Given a bad report in a run, and in a discovery
    config = {**springserve.settings(), "reports": [{"name": "mine", "interval": "week"}]}
    for process in (cli.start("--discover", config=config), cli.start(config=config)):
        # When
        out, err = process.communicate(timeout=60)
        # Then
        assert (process.returncode, out) == (1, "")
        [line] = [one for one in err.splitlines() if "| INFO " not in one]
        assert "setting `reports`, report mine: `interval` 'week' is not allowed" in line
    assert len(springserve.journal) == 0


def test_test_reads_the_streams_that_are_selected_by_default(cli: Cli, simulate: Simulate) -> None:
    # Given a user who may not see a part of it
    vendor = simulate(SpringServeSimulator(days=2, rows_per_day=10, polls=0, forbidden=("/supply_partners",)))

    finished = cli("--test", config={**vendor.settings(), "end_date": "2024-03-01"})

    assert finished.returncode == 0
    on = [stream for stream in TapSpringServe(validate_config=False).streams.values() if stream.selected_by_default]
    # The login, and one path each; both reports have the same.
    paths = {stream.path for stream in on}  # type: ignore[attr-defined]  # every stream has a path
    assert len({request.path for request in vendor.journal}) == 1 + len(paths)
