"""Allowlist of requests: anything else is refused before it is sent.

Taps promise to only read. A wrong path or a vendor's redirect must not break that promise.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from singer_adtech.errors import VendorError

if TYPE_CHECKING:
    from collections.abc import Iterable

    Rule = tuple[str, str | re.Pattern[str]]

READ_ANYTHING: tuple[Rule, ...] = (("GET", "/**"), ("HEAD", "/**"))
"""Rules of a tap that declares none."""


class AllowedRequests:
    """The methods and paths that a tap may request.

    Args:
        rules: Pairs of method and path below the base URL. `*` matches one path segment, `/**` at the end any number.
            A compiled pattern must match the whole path.
        base_path: The path of the base URL.
    """

    def __init__(self, rules: Iterable[Rule], base_path: str) -> None:
        self._base_path = base_path.rstrip("/")
        self._rules = [(method, path if isinstance(path, re.Pattern) else _compiled(path)) for method, path in rules]

    def allows(self, method: str, url: str) -> bool:
        """Return whether a request may be sent."""
        path = urlsplit(url).path
        # A server may decode `%2e%2e` to the parent folder.
        if not path.startswith(self._base_path) or {".", ".."} & set(unquote(path).split("/")):
            return False
        below = path[len(self._base_path) :].rstrip("/") or "/"
        return any(method == known and pattern.fullmatch(below) for known, pattern in self._rules)

    def check(self, method: str, url: str, *, redirected: bool) -> None:
        """Check that a request is allowed.

        Args:
            method: The HTTP method.
            url: The requested URL.
            redirected: Whether the URL comes from a redirect. If so, the message omits its path.

        Raises:
            VendorError: The request is not allowed.
        """
        if self.allows(method, url):
            return
        if redirected:
            raise VendorError(f"a redirect leads to a path to which this tap may not send {method}", "check `api_url`")
        path = urlsplit(url).path.removeprefix(self._base_path)
        raise VendorError(
            f"{method} {path} was not sent: it is not an allowed request of this tap",
            "report this to the tap's authors (`allowed_requests`)",
        )


def _compiled(path: str) -> re.Pattern[str]:
    pattern = re.escape(path.rstrip("/") or "/").replace(r"/\*\*", "(?:/.*)?").replace(r"\*", "[^/]+")
    return re.compile(pattern)
