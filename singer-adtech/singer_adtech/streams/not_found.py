"""Parts of a stream that are requested by an id from another list, and are not found (404).

Either what the id names was deleted after the list had been read, or the request went wrong: a gateway, a missing
right, another API version. The list is read once more to tell one from the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from singer_adtech.errors import NotFoundError, VendorError

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Sequence

    from singer_adtech.records.totals import RowReader

Id = TypeVar("Id")
T = TypeVar("T")


def read_not_found(  # noqa: PLR0913 - a stream, its ids, and how they are named, listed and read
    stream: RowReader[Any],
    not_found: Sequence[Id],
    *,
    of: int,
    name: Callable[[Id], str],
    listed: Callable[[], Container[Id]],
    read: Callable[[Id], Iterator[T]],
) -> Iterator[T]:
    """Read once more what was not found, after everything else was read.

    Args:
        stream: The stream.
        not_found: Ids whose requests were answered with 404.
        of: How many ids were requested.
        name: Returns what messages call an id.
        listed: Reads the list again; called only if something was not found.
        read: Requests what belongs to an id.

    Yields:
        What `read` yields for the ids that are still listed. What is not found again is skipped, each with a warning,
        and the stream does not count as read whole.

    Raises:
        VendorError: There are several ids, all of them are still listed, and nothing that belongs to them is found.
    """
    if not not_found:
        return
    still_listed = listed()
    skipped: list[str] = []
    missing: list[NotFoundError] = []
    for one in not_found:
        if one not in still_listed:
            skipped.append(f"{name(one)} is gone")
            continue
        try:
            yield from read(one)
        except NotFoundError as error:
            missing.append(error)
            skipped.append(f"{name(one)} was not found twice, although it is still listed")
    if len(missing) == of > 1:
        raise VendorError(
            f"none of {of:,} lists was found, although what they belong to is still listed: {missing[0].what}",
            f"check `api_url` and the account's right to {stream.name}, or deselect the stream",
        )
    for one_skipped in skipped:
        stream.log_lines.warning("%s: skipped", one_skipped)
        # A loader must not take what was passed over for what is gone.
        stream.counts.read_whole = False
