"""Parts of a stream that are requested by an id from another list, and are not found (404).

Either what the id names was deleted after the list had been read, or the request went wrong: a gateway, a missing
right, another API version. The list is read once more to tell one from the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from singer_adtech.errors import VendorError

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Sequence

    from singer_adtech.row_counts import RowReader

Id = TypeVar("Id")
T = TypeVar("T")


class GoneError(VendorError):
    """What was requested is not there (404); raised by `validate_response`."""


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
        What `read` yields for the ids that are still listed. The others are skipped, each with a warning, and the
        stream does not count as read whole.

    Raises:
        VendorError: Ids are still listed, and what belongs to them is not found again.
    """
    if not not_found:
        return
    still_listed = listed()
    missing: list[str] = []
    for one in not_found:
        if one not in still_listed:
            stream.log_lines.warning("%s is gone: skipped", name(one))
            # A loader must not take what was passed over for what is gone.
            stream.counts.read_whole = False
            continue
        try:
            yield from read(one)
        except GoneError as error:
            missing.append(f"{name(one)} ({error.what})")
    if missing:
        raise VendorError(
            f"{len(missing):,} of {of:,} lists were not found twice, although what they belong to is still listed; "
            f"the first one is that of {missing[0]}",
            f"check `api_url` and the account's right to {stream.name}, or deselect the stream",
        )
