"""A scripted vendor."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from vendor_simulators.calls import call
from vendor_simulators.messages import Response
from vendor_simulators.scripted import Script, Scripted

if TYPE_CHECKING:
    from vendor_simulators.pytest_plugin import Simulate


class Vendor(Scripted):
    """A vendor with logins."""

    base_path = "/v1"
    own_settings: ClassVar[dict[str, str]] = {"api_key": "made-up-key"}
    login_path = "/v1/login"


def test_a_scripted_vendor_gives_the_answers_of_the_test(simulate: Simulate) -> None:
    # Given a vendor that answers with the path
    vendor = Script(simulate, Vendor)(lambda request: Response.text(request.path))

    # Then its settings have its address and its own
    assert vendor.settings() == {"api_url": f"{vendor.url}/v1", "api_key": "made-up-key"}

    # When it is asked, then it gives that answer, and another one after a change
    assert call(vendor.url, "/v1/a").body == b"/v1/a"
    vendor.answer = lambda _: Response.text("b")
    assert call(vendor.url, "/v1/b").body == b"b"

    # When somebody logs in, then there is a token or the answer of the test, and it is no request for data
    assert call(vendor.url, "/v1/login").body == b'{"token":"made-up-token"}'
    vendor.login = lambda: Response.text(f"login {vendor.logins}")
    assert call(vendor.url, "/v1/login").body == b"login 2"
    assert [request.path for request in vendor.data_requests] == ["/v1/a", "/v1/b"]


def test_a_vendor_without_logins_answers_everything_by_script(simulate: Simulate) -> None:
    # Given a vendor without a path of logins, then every request is one for data
    vendor = Script(simulate, Scripted)(lambda _: Response.text("x"))
    assert call(vendor.url, "/login").body == b"x"
    assert (vendor.logins, len(vendor.data_requests)) == (0, 1)
