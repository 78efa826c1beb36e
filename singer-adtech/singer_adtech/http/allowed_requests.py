"""The requests that a tap may send: whatever is not in its list is refused before a byte is sent.

Reading is a promise of every tap, and a wrong path or a vendor's redirect must not be able to break it.
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
"""What a tap may send that declares nothing."""


class AllowedRequests:
    """The methods and paths of a tap.

    Args:
        rules: Methods with paths below the base address. In a path, `*` is one segment, and `/**` at the end any number
            of them; a compiled pattern has to match the whole path.
        base_path: The path of the base address.
    """

    def __init__(self, rules: Iterable[Rule], base_path: str) -> None:
        self._base_path = base_path.rstrip("/")
        self._rules = [(method, path if isinstance(path, re.Pattern) else _compiled(path)) for method, path in rules]

    def allows(self, method: str, url: str) -> bool:
        """Tell whether a request may be sent, however its path is spelled."""
        path = urlsplit(url).path
        # A server may take `%2e%2e` for the folder above.
        if not path.startswith(self._base_path) or {".", ".."} & set(unquote(path).split("/")):
            return False
        below = path[len(self._base_path) :].rstrip("/") or "/"
        return any(method == known and pattern.fullmatch(below) for known, pattern in self._rules)

    def check(self, method: str, url: str, *, redirected: bool) -> None:
        """Refuse a request that is not in the list.

        Args:
            method: Its method.
            url: Its address.
            redirected: Whether a redirect of the vendor leads there; then its path is not shown.

        Raises:
            VendorError: It is not in the list.
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
