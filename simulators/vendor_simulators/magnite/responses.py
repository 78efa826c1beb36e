"""Responses to logins, and errors, as in the Public API Guide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vendor_simulators.messages import Response
from vendor_simulators.seeded import generator

if TYPE_CHECKING:
    from collections.abc import Sequence

_PRINTED_TIME = "2016-04-22T13:39:08.237+0000"
# The user in the Public API Guide.
_USER = {
    "creationDate": "2014-06-11T01:22:55.000+0000",
    "id": 6,
    "emailAddress": "cgeorge@magnite.com",
    "firstName": "Curious",
    "lastName": "George",
    "countryCode": "US",
    "timezoneCode": "America/Los_Angeles",
    "currencyCode": "USD",
    "localeCode": "en_US",
    "company": "Monkey Media, LLC",
    "name": "Curious George",
}


def problem(status: int, code: str, description: str) -> Response:
    """Return an error as in the guide."""
    body = {"type": "error", "errorCode": code, "errorDescription": description, "errors": None}
    return Response.json(body, status)


def session(number: int, code: str, *, with_code: bool) -> dict[str, Any]:
    """Return the session object of a login."""
    return {
        "id": number,
        **({"sessionCode": code} if with_code else {}),
        "sessionStartTime": _PRINTED_TIME,
        "lastValidated": _PRINTED_TIME,
        "lastLogin": "2016-03-17T00:37:15.000+0000",
        "user": _USER,
    }


def login_cookies(name: str, code: str, domain: str) -> Sequence[str]:
    """Return the cookies that a login sets: the session cookie, and with VhfpSession also a load balancer's cookie."""
    if name == "none":
        return []
    # `Version=1` is from the guide; the attributes of the load balancer's cookie are different.
    cookies = [f"{name}={code};Version=1;Path=/" + (f";Domain={domain}" if domain else "")]
    if name == "VhfpSession":
        node = f"{generator('node', code).getrandbits(64):016x}"
        cookies.append(f"AWSALB={node}; Expires=Thu, 01 Jan 2099 00:00:00 GMT; Path=/")
    return cookies
