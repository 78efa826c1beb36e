"""Parts of the live check that need no vendor. Its readings are tested with all taps (tests/test_doctor.py)."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
import requests
from singer_adtech.doctor import checks, comparisons
from singer_adtech.doctor.__main__ import find_tap
from singer_adtech.doctor.checks import FAILED, NOT_TESTED, OK
from singer_adtech.doctor.examination import Examination
from singer_adtech.doctor.messages import Scrubber, attributed
from singer_adtech.doctor.probe import Ledger, LimitError, Reading, Sample, Sent
from singer_adtech.doctor.readings import AGE, Readings
from singer_adtech.doctor.report import report
from singer_adtech.doctor.stream_check import Family

if TYPE_CHECKING:
    from acme_vendor import AcmeVendor

FIRST, LAST = dt.date(2025, 3, 11), dt.date(2025, 3, 12)


def sample(*records: dict[str, Any], **more: Any) -> Sample:
    columns = tuple(dict.fromkeys(name for record in records for name in record))
    return Sample(keys=("id",), columns=columns, records=list(records), **more)


def reading(*records: dict[str, Any], **more: Any) -> Reading:
    return Reading(samples={"rows": sample(*records, **more)})


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "a row has brand_id 4711, which `brand_ids` does not contain",
            "a row has brand_id …, which `brand_ids` does not contain",
        ),
        (
            "45 rows read, and the reported total is 50 (read 2 times)",
            "45 rows read, and the reported total is 50 (read 2 times)",
        ),
        ("two rows have the key '17'", "two rows have the key …"),
        ("the vendor's rows and the tap's: 'Jane' \"Doe\"", "the vendor's rows and the tap's: … …"),
        ("the key 'brand_id' is missing", "the key 'brand_id' is missing"),
        ("HTTP 400: no such channel: Kanal Neun", "HTTP 400: no such channel: …"),
        ("window 2025-03-11T04:05:06+00:00..2025-03-12: cut", "window 2025-03-11..2025-03-12: cut"),
        (
            "HTTP 400: bad sort: the request was filter[brand]=7&sort=id: check it",
            "HTTP 400: bad sort: (the request is not shown)",
        ),
        ("mail to jane.doe@example.com, see https://example.com/a?b=c", "mail to … see …"),
        ("an address 192.0.2.17 of 10.5 and 1e5", "an address … of … and …"),
        ("v0 lists of UTF are read, `window_days` 3", "v0 lists of UTF are read, `window_days` …"),
    ],
)
def test_messages_have_no_values_of_rows(text: str, shown: str) -> None:
    scrub = Scrubber(known=["brand_id", "brand_ids"], values=["Kanal Neun", "Kanal", "brand_id", "2025-03-11", "a"])
    assert scrub(text) == shown


def test_a_ledger_refuses_requests_beyond_its_limits_but_lets_jobs_end() -> None:
    ledger = Ledger(most=3, most_of_one=2)
    prepared = {
        method: requests.Request(method, "http://localhost/jobs?id=1").prepare() for method in ("GET", "DELETE")
    }
    ledger.take(prepared["GET"])
    ledger.take(prepared["GET"])
    with pytest.raises(LimitError):
        ledger.take(prepared["GET"])
    ledger.reading = []
    ledger.take(prepared["GET"])
    assert ledger.exhausted
    with pytest.raises(LimitError):
        ledger.take(prepared["GET"])
    ledger.take(prepared["DELETE"])
    assert ledger.count == 4


def test_fields_are_named_but_keys_that_may_be_data_are_counted() -> None:
    rows = sample({"id": 1, "note": None, "_extra": {"new": 1, "jane@example.com": 2}})
    assert checks.fields(rows).text == (
        "not in the schema, kept in `_extra`: `new` and 1 more; without a value in the sample: `note`"
    )
    assert checks.fields(sample()).outcome == NOT_TESTED


def test_different_rows_with_one_key_fail() -> None:
    assert checks.unique_keys(sample({"id": 1}, {"id": 2}, {"id": 1})).outcome == OK
    failed = checks.unique_keys(sample({"id": 1, "a": 1}, {"id": 1, "a": 2}))
    assert (failed.outcome, failed.text.partition(":")[0]) == (FAILED, "1 rows have the key of another, different row")


@pytest.mark.parametrize(
    ("values", "outcome"),
    [
        ([1, 2, 10], OK),
        (["1", "2", "10"], OK),
        (["2025-03-12T01:00:00-05:00", "2025-03-12T05:30:00Z"], FAILED),
        (["2025-03-12T00:00:00-05:00", "2025-03-12T05:30:00Z"], OK),
        ([3, None, 1], NOT_TESTED),
        ([2, 1], FAILED),
    ],
)
def test_order_is_that_of_numbers_and_instants(values: list[Any], outcome: str) -> None:
    rows = sample(*({"id": number, "at": value} for number, value in enumerate(values)))
    assert checks.order(rows, ("at",)).outcome == outcome


@pytest.mark.parametrize(
    ("hours", "text"),
    [
        (range(48), ""),
        (range(9, 48), "no row in the first 9 hours of the range: "),
        (range(24), "no row in the last 24 hours of the range: "),
    ],
)
def test_an_empty_end_of_the_range_fails(hours: range, text: str) -> None:
    begin = dt.datetime(2025, 3, 11, tzinfo=dt.timezone.utc)
    times = [begin + dt.timedelta(hours=hour, minutes=minute) for hour in hours for minute in (0, 20, 40)]
    rows = sample(*({"id": number, "at": time.isoformat()} for number, time in enumerate(times)))
    result = checks.days(rows, "at", FIRST, LAST, dt.timezone.utc)
    assert (result.outcome, result.text[: len(text)]) == (FAILED if text else OK, text)


def test_values_that_changed_between_two_readings_are_only_counted() -> None:
    one, two = (sample({"id": 1, "cost": 1}, {"id": 2, "cost": cost}) for cost in (2, 3))
    noted = comparisons.same("read twice", one, two, comparisons.Reasons("", ""))
    failed = comparisons.same("window borders", one, two, comparisons.Reasons("", "", "figures differ"))
    assert (noted.outcome, noted.text) == (OK, "1 rows have other values")
    assert (failed.outcome, failed.text) == (FAILED, "1 rows have other values: figures differ")


def test_the_page_size_is_found_in_the_request() -> None:
    base = [Sent("POST", "/rows", "", b'{"size": 100}')]
    small = [Sent("POST", "/login", "", b"name=x"), Sent("POST", "/rows", "", b'{"size": 5}')]
    assert comparisons.size_argument(base, small, 5) == 100
    assert comparisons.size_argument(base, base, 5) is None


def test_an_ignored_page_size_fails() -> None:
    base = reading(page_rows=[30], parts=[(30, 30)])
    small = reading(page_rows=[30], parts=[(30, 30)])
    base.requests.append(Sent("GET", "/rows", "size=100", b""))
    small.requests.append(Sent("GET", "/rows", "size=10", b""))
    result = comparisons.page_size(base, small, "rows", 10)
    assert result is not None
    assert result.text.startswith(
        "the vendor ignores the page size: a response has 30 rows, although 10 were requested"
    )


def test_a_filter_that_returns_too_few_rows_fails() -> None:
    base = sample(*({"id": number, "brand": number % 2} for number in range(1, 7)))
    assert comparisons.filter_value(base, ["brand"], rare=False) == 1
    result = comparisons.filtered("filter", base, sample({"id": 1, "brand": 1}), ["brand"], 1)
    assert result.text.startswith("the filter returns too few rows: 2 of 3 rows with the value in `brand` are missing")


def test_a_rare_value_keeps_the_sample_small() -> None:
    rows = sample(
        *({"id": number, "brand": "a" if number < 70 else "b" if number < 96 else "c"} for number in range(100))
    )
    assert comparisons.filter_value(rows, ["brand"], rare=True) == "c"


def test_the_tap_of_a_vendor_is_checked(acme: AcmeVendor, acme_module: Any, acme_config: dict[str, Any]) -> None:
    # given: a vendor with three days of airings, and a total that is too small
    acme.totals_off_by = -1
    lines: list[str] = []
    readings = Readings(
        acme_module.TapAcme,
        acme_config,
        last=dt.date(2024, 3, 9),
        max_rows=100,
        max_requests=100,
        announce=lines.append,
    )
    examination = Examination(readings, ["airings"])
    # when
    examination.run()
    # then
    results = {one.check: one.outcome for one in examination.families[0].results["airings"]}
    assert {check for check, outcome in results.items() if outcome == FAILED} == {"totals"}
    assert results["window borders"] == results["range"] == results["read twice"] == OK
    assert lines[0] == "airings: read"
    assert f"- {len(acme.server.calls)} requests, " in report(examination)
    # and: one login serves all readings
    assert acme.tokens == 1
    # and: the settings of the user are the basis of each reading
    assert readings.settings("airings")["page_size"] == 2
    assert readings.page_sizes(50) == {"page_size": 2}
    assert readings.windows(joint=False) == {"window_days": 1}


def test_only_taps_of_this_library_are_checked() -> None:
    for name in ("json", "singer-adtech"):
        with pytest.raises(LookupError, match=name):
            find_tap(name)
    assert AGE == 3


def test_messages_are_attributed_to_an_assumption() -> None:
    assert attributed("two different rows").startswith("wrong assumption (keys are unique): ")
    assert attributed("no access") == "no access"
    assert Family("a", ["a"]).results == {}
