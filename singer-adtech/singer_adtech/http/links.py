"""Capability links, which grant access to the rows without other credentials."""

from __future__ import annotations

import threading
from collections import OrderedDict

from singer_adtech.redaction import REDACTOR


class HiddenLinks:
    """The links of a run to redact from log lines.

    Only the newest are redacted because each log line is searched for all of them and a long run may use many.

    Args:
        most: Maximum number of redacted links. Must exceed the number in flight.
    """

    def __init__(self, most: int = 64) -> None:
        self._most = most
        self._newest: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    def hide(self, link: str) -> None:
        """Redact a link from now on.

        Args:
            link: A path or URL. Its last segment is redacted separately too.
        """
        with self._lock:
            self._newest[link] = None
            self._newest.move_to_end(link)
            REDACTOR.add(*_parts(link))
            while len(self._newest) > self._most:
                oldest, _ = self._newest.popitem(last=False)
                REDACTOR.discard(*_parts(oldest))


def _parts(link: str) -> tuple[str, str]:
    return link, link.rpartition("/")[2]
