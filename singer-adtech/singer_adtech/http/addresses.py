"""URLs: validation of `api_url`, comparison of origins, and display without secrets."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from singer_adtech.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_PORTS = {"http": 80, "https": 443}

_EXAMPLE = "give the address of the vendor's API, such as https://api.example.com/v1"
_NOT_IN_AN_ADDRESS = re.compile(r"[\s\\\x00-\x1f\x7f]")
_ADDRESS_LIKE = re.compile(r"://|[@?]|\b(?:key|token|secret|password|signature|sig|auth)=", re.IGNORECASE)


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Return the scheme, host and port of a URL, which must not change if credentials are sent.

    Raises:
        ValueError: The URL is invalid. The message may quote it.
    """
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or DEFAULT_PORTS.get(parts.scheme)


def shown_host(url: str) -> str:
    """Return the host of a URL for messages, with any port other than the scheme's default."""
    scheme, host, port = origin(url)
    name = f"[{host}]" if ":" in (host or "") else host or "no host"
    return name if port in {None, DEFAULT_PORTS.get(scheme)} else f"{name}:{port}"


def shown_origin(url: str) -> str:
    """Return the scheme, host and port of a URL for messages, without user information, path or query."""
    scheme, host, port = origin(url)
    name = f"[{host}]" if ":" in (host or "") else host or "no host"
    return f"{scheme}://{name}:{port}" if port is not None else f"{scheme}://{name}"


def may_hold_credentials(value: object) -> bool:
    """Return whether a setting's value looks like a URL or query that may contain credentials."""
    return _ADDRESS_LIKE.search(str(value)) is not None


def check_api_url(config: Mapping[str, Any]) -> None:
    """Validate `api_url`. Messages never quote it because it may contain credentials.

    Args:
        config: The settings. `api_url` and `allow_http` are used; both are optional.

    Raises:
        SettingError: The value is not a URL, contains more than scheme, host, port and path, or would send credentials
            unencrypted to another machine.
    """
    if "api_url" not in config:
        return
    url = str(config["api_url"])
    if _NOT_IN_AN_ADDRESS.search(url):
        raise _refusal("it contains a space, a backslash or a control character", _EXAMPLE)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise _refusal("its host or port is not valid (ports are 1 to 65535)", _EXAMPLE) from None
    if parts.scheme not in DEFAULT_PORTS or not host:
        raise _refusal("it does not begin with https:// and a host", _EXAMPLE)
    if "@" in parts.netloc:
        raise _refusal("it contains user information", "set credentials only in their own settings")
    if parts.query or parts.fragment or "?" in url or "#" in url:
        raise _refusal("it contains a query or a fragment", "set credentials only in their own settings")
    if port == 0:
        raise _refusal("port 0 is not valid", _EXAMPLE)
    if parts.scheme == "http" and not is_loopback(host) and not config.get("allow_http"):
        raise _refusal(
            f"http would send the credentials to {shown_host(url)} unencrypted",
            "give an https address, or set `allow_http` to true if the network is trusted",
        )


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine: localhost, 127.0.0.0/8 or ::1."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _refusal(why: str, remedy: str) -> SettingError:
    return SettingError(f"setting `api_url`: the value is not allowed: {why}", remedy)
