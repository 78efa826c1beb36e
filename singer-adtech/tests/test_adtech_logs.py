"""Log lines of streams."""

from __future__ import annotations

import logging

from singer_adtech.logs import StreamLog


def test_lines_begin_with_the_stream(log: list[str]) -> None:
    # given
    logger = StreamLog(logging.getLogger("tap-test.airings"), "airings")
    # when
    logger.warning("%d rows", 7)
    logger.info("done")
    # then
    assert log == ["stream airings: 7 rows", "stream airings: done"]
