"""Rows read, held against the total that the vendor tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from singer_adtech.errors import DataError

if TYPE_CHECKING:
    import logging

RowCountCheck = Literal["fail", "warn", "off"]


def check_row_count(
    *,
    read: int,
    told: int | None,
    mode: RowCountCheck,
    logger: logging.Logger | logging.LoggerAdapter[logging.Logger],
    window: object | None = None,
) -> None:
    """Compare the rows of a window, or of a whole list, with the vendor's total.

    Args:
        read: Distinct rows read.
        told: The vendor's total; None if it gave none, and nothing is compared.
        mode: The setting `row_count_check`.
        logger: The stream's logger, for `warn`.
        window: What was read, for the message.

    Raises:
        DataError: They differ, and `mode` is `fail`.
    """
    if told is None or mode == "off" or read == told:
        return
    where = f"window {window}: " if window is not None else ""
    what = f"{read} rows read, and the vendor's total is {told}"
    if mode == "fail":
        raise DataError(what, "run again; if it stays so, set `row_count_check` to `warn` and tell the vendor")
    logger.warning("%s%s (`row_count_check` decides whether this fails the run)", where, what)
