"""Budgets that several runs keep as one: counts, holds, places, and what kills and broken disks do to them."""

from __future__ import annotations

import json
import logging
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import requests
from singer_adtech.errors import SettingError, VendorError
from singer_adtech.http.budgets import Family, Limit
from singer_adtech.http.retries import RetryPolicy
from singer_adtech.http.shared_budgets import LONGEST_HOLD, SHARED_MARGIN, SharedBudgets, SharedFolder

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from acme_vendor import AcmeVendor
    from adtech_fixtures import Run
    from click.testing import Result
    from local_server import Server
    from singer_adtech.http.requester import Requester
    from singer_adtech.testing import FakeClock

    WaitUntil = Callable[[Callable[[], object]], None]
    Start = Callable[..., "subprocess.Popen[str]"]

AIRINGS = Family("airings", ("/airings", "/airings/*"), (Limit(2, 10), Limit(3, 60)))
REPORTS = Family("reports/all", ("/reports/*",), (Limit(1, 5),))
LOGGER = logging.getLogger("tap-test")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "new" / "budget"


@pytest.fixture
def join(folder: Path, clock: FakeClock) -> Callable[..., SharedBudgets]:
    """Make the budgets of one more run."""

    def join(
        *families: Family, in_flight: int = 4, tap: str = "tap-test", host: str = "api.acme.example", clock: Any = clock
    ) -> SharedBudgets:
        where = SharedFolder(str(folder), tap=tap, api_url=f"https://{host}/v1")
        return SharedBudgets(families or (AIRINGS, REPORTS), clock, folder=where, in_flight=in_flight, logger=LOGGER)

    return join


def counts(folder: Path, family: str = "airings") -> Path:
    return folder / f"tap-test.api.acme.example.family.{family}.json"


# ----------------------------------------------------------------------------------------------------- counts and holds


def test_runs_count_their_starts_together(join: Callable[..., SharedBudgets]) -> None:
    # Given two runs, and 2 starts in 10 s and 3 in 60 s
    one, other = join(), join()
    # When they start by turns
    waited = [budgets.acquire("/airings") for budgets in (one, other, one, other)]
    # Then the third waits for the first limit, the fourth for the second, as if one had sent all
    assert waited == [0, 0, 10.5, pytest.approx(60 - 10)]


def test_families_taps_and_hosts_have_counts_of_their_own(join: Callable[..., SharedBudgets]) -> None:
    one = join()
    assert [one.acquire("/airings"), one.acquire("/airings")] == [0, 0]

    assert one.acquire("/reports/1") == 0
    assert one.acquire("/users") == 0
    assert join(tap="tap-other").acquire("/airings") == 0
    assert join(host="other.acme.example:8443").acquire("/airings") == 0
    assert join().acquire("/airings") == 10 + SHARED_MARGIN


def test_a_run_with_a_lower_limit_does_not_forget_what_others_sent(join: Callable[..., SharedBudgets]) -> None:
    # Given a run that may send five, and one whose user allows it two
    wide, narrow = (join(Family("all", ("*",), (Limit(number, 60),))) for number in (5, 2))
    for _ in range(3):
        wide.acquire("/any")
    # When the second has waited and sent one
    assert narrow.acquire("/any") == 60 + SHARED_MARGIN
    wide.acquire("/any")
    wide.acquire("/any")
    narrow.hold("/any", 0)
    # Then the first still knows of all that were sent within a minute
    assert [wide.acquire("/any") for _ in range(3)] == [0, 0, 60 + SHARED_MARGIN]


def test_what_the_vendor_said_to_one_run_holds_the_others(
    server: Server, make_requester: Callable[..., Requester], join: Callable[..., SharedBudgets], clock: FakeClock
) -> None:
    # Given two runs, and a vendor that says that nothing is left for 30 s
    one, other = (make_requester(server.url, budgets=join()) for _ in range(2))
    server.script(server.json([], X_RateLimit_Remaining="0", X_RateLimit_Reset="30"))
    server.answer = lambda _: server.json([])
    # When the first run is told so
    one.send(requests.Request("GET", f"{server.url}/airings"), auth=None, label="one")
    assert clock.slept == []
    clock.pass_by(10)
    other.send(requests.Request("GET", f"{server.url}/airings"), auth=None, label="other")
    # Then the second waits for the rest of it
    assert clock.slept == [20]


def test_a_rate_limit_of_one_run_holds_the_others(
    server: Server, make_requester: Callable[..., Requester], join: Callable[..., SharedBudgets], clock: FakeClock
) -> None:
    # Given a run that the vendor refuses for 40 s, and that gives up
    impatient = make_requester(server.url, budgets=join(), policy=RetryPolicy(rate_limit_tries=1))
    server.script(server.json({}, 429, Retry_After="40"))
    server.answer = lambda _: server.json([])
    request = requests.Request("GET", f"{server.url}/airings")
    with pytest.raises(VendorError, match="rate limit of airings"):
        impatient.send(request, auth=None, label="one")
    # When another run sends
    make_requester(server.url, budgets=join()).send(request, auth=None, label="other")
    # Then it waits as long as the vendor asked for
    assert clock.slept == [40]


# ------------------------------------------------------------------------------------------- what is left in the folder


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"written":1.0,"starts":[0.5',
        b"\x00\x00\x00",
        b'{"starts":[]}',
        b'{"written":1.0,"starts":"many","held_until":0.0}',
        json.dumps({"written": 1, "starts": [], "held_until": 2 + LONGEST_HOLD}).encode(),
    ],
)
def test_a_damaged_file_counts_as_spent_with_a_warning_and_stops_nobody_for_ever(
    join: Callable[..., SharedBudgets], folder: Path, clock: FakeClock, log: list[str], content: bytes
) -> None:
    # Given the counts of a family, damaged at a moment when its limit was spent
    clock.pass_by(100)
    for _ in range(2):
        join().acquire("/airings")
    counts(folder).write_bytes(content)
    # When a run starts requests
    budgets = join()
    waited = [budgets.acquire("/airings") for _ in range(3)]
    # Then it waits for the longest limit once, goes on with fresh counts, and the other family is as it was
    assert waited == [60 + SHARED_MARGIN, 0, 10 + SHARED_MARGIN]
    assert budgets.acquire("/reports/1") == 0
    told = [one for one in log if "the counts of airings in `budget_folder` are damaged" in one]
    assert len(told) == 1
    assert told[0].endswith("the whole budget counts as spent for 60.5 s")


def test_a_write_that_was_cut_off_leaves_the_counts_as_they_were(
    join: Callable[..., SharedBudgets], folder: Path, log: list[str]
) -> None:
    # Given a run that was killed while it wrote
    for _ in range(2):
        join().acquire("/airings")
    counts(folder).with_name(f"{counts(folder).name}.new").write_bytes(b'{"written":0.0,"sta')
    # When another run starts a request / then nothing that was counted is lost
    assert join().acquire("/airings") == 10 + SHARED_MARGIN
    assert not [one for one in log if "damaged" in one]


def test_counts_from_before_the_machine_was_started_are_dropped(
    join: Callable[..., SharedBudgets], make_clock: Callable[[], FakeClock], clock: FakeClock
) -> None:
    # Given a machine that had run for a while, with a spent limit and a hold, and was started anew
    clock.pass_by(5000)
    before = join()
    before.acquire("/airings")
    before.acquire("/airings")
    before.hold("/airings", 600)
    # When a run starts after that
    anew = make_clock()
    anew.pass_by(20)
    # Then it does not wait, and counts from now on
    budgets = join(clock=anew)
    assert [budgets.acquire("/airings") for _ in range(3)] == [0, 0, 10 + SHARED_MARGIN]


def test_a_hold_is_bounded_as_a_file_is_that_others_have_to_believe(join: Callable[..., SharedBudgets]) -> None:
    join().hold("/airings", 10 * LONGEST_HOLD)

    assert join().acquire("/airings") == LONGEST_HOLD


def test_the_names_of_files_say_tap_host_and_family_alone(join: Callable[..., SharedBudgets], folder: Path) -> None:
    budgets = join(host="API.acme.example:8443")
    budgets.acquire("/airings")
    budgets.acquire("/reports/1")

    assert sorted(path.name for path in folder.iterdir()) == [
        "tap-test.api.acme.example-8443.counts.lock",
        "tap-test.api.acme.example-8443.family.airings.json",
        "tap-test.api.acme.example-8443.family.reports%2Fall.json",
    ]


def test_a_folder_that_is_made_is_for_its_owner_alone(join: Callable[..., SharedBudgets], folder: Path) -> None:
    join()

    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_is_lost_meanwhile_ends_the_run_with_one_line(
    join: Callable[..., SharedBudgets], folder: Path
) -> None:
    # Given a run whose folder has become something else
    budgets = join()
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    folder.write_text("a file")
    # When it starts a request / then it does not do so uncounted
    with pytest.raises(SettingError) as caught, budgets.slot("/airings", lambda: None):
        pass
    assert str(caught.value) == (
        f"setting `budget_folder`: {folder} cannot be used: File exists: "
        "choose a folder on a local disk in which this user can create files"
    )


def test_a_run_that_stands_still_with_the_lock_is_not_waited_for_for_ever(
    join: Callable[..., SharedBudgets], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given somebody who keeps the lock of the counts
    budgets = join()
    monkeypatch.setattr("singer_adtech.http.shared_budgets.PATIENCE", 0.1)
    other = SharedFolder(str(folder), tap="tap-test", api_url="https://api.acme.example/v1")
    # When a run starts a request / then it says what is in its way
    with other.counting(), pytest.raises(SettingError) as caught:
        budgets.acquire("/airings")
    assert str(caught.value) == (
        f"setting `budget_folder`: another run has locked the counts in {folder} for 0.1 s: "
        "end or resume the suspended run, or choose another folder"
    )


# --------------------------------------------------------------------------------------------------------------- places


def test_runs_share_the_places_of_requests_in_flight_and_are_told_once(
    join: Callable[..., SharedBudgets], wait_until: WaitUntil, log: list[str]
) -> None:
    # Given two runs, two places, and three requests in flight that do not end by themselves
    runs = [join(in_flight=2), join(in_flight=2)]
    end = threading.Event()
    flying: list[int] = []

    def fly(number: int) -> None:
        with runs[number % 2].slot("/users", lambda: None):
            flying.append(number)
            end.wait(30)

    threads = [threading.Thread(target=fly, args=(number,)) for number in range(5)]
    # When they are sent
    for thread in threads:
        thread.start()
    wait_until(lambda: [one for one in log if "taking turns with them" in one])
    time.sleep(0.2)
    early = len(flying)
    end.set()
    for thread in threads:
        thread.join(30)
    # Then two are in flight, the others follow, and each run says at most once that it waits
    assert early == 2
    assert sorted(flying) == [0, 1, 2, 3, 4]
    assert 1 <= len([one for one in log if "all 2 requests of `parallel_requests` in flight" in one]) <= 2


def test_who_waits_is_not_passed_by_a_run_that_comes_back_at_once(folder: Path, wait_until: WaitUntil) -> None:
    # Given a run with a job at work, and another one that waits
    one, other = (SharedFolder(str(folder), tap="tap-test", api_url="https://a.example") for _ in range(2))
    order: list[str] = []
    waiting = logging.getLogger("tap-waiting")
    told: list[str] = []

    def keep(record: logging.LogRecord) -> bool:
        told.append(record.getMessage())
        return False

    waiting.addFilter(keep)
    waiting.setLevel(logging.INFO)

    def work() -> None:
        with other.alone("report", waiting):
            order.append("other")

    with one.alone("report", LOGGER):
        thread = threading.Thread(target=work)
        thread.start()
        wait_until(lambda: told)
        order.append("one")
    # When the first has its next job at once
    with one.alone("report", LOGGER):
        order.append("one again")
    thread.join(30)
    # Then the other had its turn between the two, and was told once
    assert order == ["one", "other", "one again"]
    assert told == ["Another run has a report in progress; waiting until it ends (`budget_folder`)"]


def test_a_login_needs_no_second_place(
    run_tap: Callable[..., Run], acme: AcmeVendor, acme_config: dict[str, Any], folder: Path
) -> None:
    # Given a single place, pages that would be fetched side by side, and a token that dies in the middle
    expired: list[int] = []

    def before(call: Any) -> Any:
        if call.query.get("page") == "2" and not expired:
            expired.append(1)
            return acme.server.json({"title": "Unauthorized"}, 401)
        return None

    acme.before = before
    # When a run reads all
    run = run_tap(budget_folder=str(folder), parallel_requests=1, parallel_windows=3)
    # Then it does, with a second login, and one request at a time
    assert run.error is None
    assert [row["airing_id"] for row in run.records("airings")] == [*"1234567"]
    assert acme.tokens == 2
    assert acme.server.most_in_flight == 1
    assert acme_config["client_id"] not in "".join(path.name for path in folder.iterdir())


# --------------------------------------------------------------------------------------------------- the setting itself


def test_a_folder_that_cannot_be_written_is_one_line_before_the_first_request(
    invoke: Callable[..., Result], acme: AcmeVendor, tmp_path: Path, log: list[str]
) -> None:
    # Given a file where the folder should be
    file = tmp_path / "file"
    file.write_text("")
    # When the tap is run
    result = invoke(budget_folder=str(file / "below"))
    # Then it says which setting is wrong and what to do, and asks for nothing
    assert result.exit_code == 1
    assert log[-1] == (
        f"tap-acme: setting `budget_folder`: {file / 'below'} cannot be used: Not a directory: "
        "choose a folder on a local disk in which this user can create files"
    )
    assert acme.server.calls == []


def test_without_the_setting_the_library_that_locks_files_is_not_loaded(
    acme: AcmeVendor, start_tap: Start, tmp_path: Path
) -> None:
    # Given a run without the setting, in which that library cannot be imported
    (tmp_path / "filelock.py").write_text("raise ImportError('not wanted here')")
    before = sorted(path.name for path in tmp_path.iterdir())
    # When it is run
    process = start_tap(env={"PYTHONPATH": str(tmp_path)}, cwd=tmp_path)
    _, err = process.communicate(timeout=60)
    # Then it reads all, and no file is made
    assert (process.returncode, err[-500:] if process.returncode else "") == (0, "")
    assert len(acme.data_calls()) > 3
    made = {path.name for path in tmp_path.iterdir()} - set(before) - {"config.json", "__pycache__"}
    assert made == set()
