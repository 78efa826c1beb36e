"""Links that are capabilities: whoever has one reads the rows, without any other credential."""

from __future__ import annotations

import threading
from collections import OrderedDict

from singer_adtech.redaction import REDACTOR


class HiddenLinks:
    """The links of a run, hidden from every log line for as long as one may show them.

    Only the newest are kept hidden, as a long run uses any number of them, and each log line is searched for all.

    Args:
        most: Links that are hidden at once; more than may be in flight.
    """

    def __init__(self, most: int = 64) -> None:
        self._most = most
        self._newest: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    def hide(self, link: str) -> None:
        """Hide a link from now on.

        Args:
            link: A path or an address; its last part is hidden by itself too.
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
