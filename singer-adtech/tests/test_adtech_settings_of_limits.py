"""Request limits that settings decide: counted apart from the path, and named when they are not enough."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
import requests
from singer_adtech.errors import VendorError
from singer_adtech.http.budgets import Budgets, Family, Limit
from singer_adtech.records.shapes import RecordShape

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_server import Server
    from singer_adtech.http.requester import Requester
    from singer_adtech.testing import FakeClock

FAMILIES = (
    Family("all calls", ("*",), (Limit(100, 60),), "calls_per_minute"),
    Family("slow calls", ("/slow",), (Limit(2, 60),), "slow_calls_per_minute"),
    Family("nameless", ("/odd",), (Limit(2, 60),)),
)


def test_a_request_may_be_counted_as_another_path(
    server: Server, make_requester: Callable[..., Requester], clock: FakeClock
) -> None:
    # Given a vendor that counts some requests of one path apart
    requester = make_requester(server.url, budgets=Budgets(FAMILIES, clock))
    server.answer = lambda _: server.json([])
    # When three of them are sent, and one that is like the others
    for counted_as in ("/slow", "/slow", None, "/slow"):
        request = requests.Request("GET", f"{server.url}/quick")
        requester.send(request, auth=None, label="test", counted_as=counted_as)
    # Then only the third of the former waits
    assert clock.slept == [pytest.approx(60.1)]
    assert server.paths() == ["/quick"] * 4


@pytest.mark.parametrize(
    ("path", "remedy"),
    [
        ("/any", "lower `calls_per_minute`, or run fewer syncs in parallel, or run later"),
        ("/slow", "lower `slow_calls_per_minute` or `calls_per_minute`, or run fewer syncs in parallel, or run later"),
    ],
)
@pytest.mark.usefixtures("waits")
def test_a_limit_that_is_not_enough_is_named_with_its_settings(
    server: Server, make_requester: Callable[..., Requester], clock: FakeClock, path: str, remedy: str
) -> None:
    # Given a vendor that always says that there were too many requests
    requester = make_requester(server.url, budgets=Budgets(FAMILIES, clock))
    server.answer = lambda _: server.json({}, 429)
    # When it is asked
    with pytest.raises(VendorError) as caught:
        requester.send(requests.Request("GET", f"{server.url}{path}"), auth=None, label="test")
    # Then the message says which settings lower the limits
    assert caught.value.remedy == remedy


def test_columns_may_have_converters_of_their_own() -> None:
    # Given a column whose type does not say all
    schema: dict[str, Any] = {"properties": {"id": {"type": "integer"}, "word": {"type": ["string", "null"]}}}
    shape = RecordShape(
        schema,
        primary_keys=("id",),
        extra_fields="keep",
        logger=logging.getLogger("test"),
        converters={"word": str.upper},
    )
    # When a record is made / then the column has what its converter makes
    assert shape.record({"id": "1", "word": "a"}) == {"id": 1, "word": "A"}
