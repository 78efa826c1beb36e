"""HTTP Basic with the API key as user name and no password (REST API, "Authentication")."""

from __future__ import annotations

import base64
import binascii

from singer_adtech.errors import SettingError
from singer_adtech.http.auth import HeaderAuthenticator


class AdspectAuthenticator(HeaderAuthenticator):
    """One header for the whole run, without session or expiry.

    Args:
        api_key: The raw key from the account page.
    """

    def __init__(self, api_key: str) -> None:
        # The colon before the empty password is inside the encoding.
        super().__init__("Authorization", "Basic " + base64.b64encode(f"{api_key}:".encode()).decode())


def check_api_key(api_key: str) -> None:
    """Refuse the complete header value, shown next to the key on the account page.

    Args:
        api_key: The setting.

    Raises:
        SettingError: It is base64 of printable ASCII with a colon at the end.
    """
    try:
        text = base64.b64decode(api_key.strip().removeprefix("Basic "), validate=True)
    except (binascii.Error, ValueError):
        return
    if text.endswith(b":") and text.isascii() and text.decode().isprintable():
        raise SettingError("setting `api_key`: this is the Authorization header; use the raw API key")
