"""Parts of a stream that are requested by an id from another list and not found (404).

Either the object was deleted after the list was read, or the request is wrong: a gateway, a missing right, another API
version. The list is read once more to decide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from singer_adtech.errors import NotFoundError, VendorError

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Sequence

    from singer_adtech.records.totals import RowReader

Id = TypeVar("Id")
T = TypeVar("T")


def read_not_found(  # noqa: PLR0913 - a stream, ids, and three functions of them
    stream: RowReader[Any],
    not_found: Sequence[Id],
    *,
    of: int,
    name: Callable[[Id], str],
    listed: Callable[[], Container[Id]],
    read: Callable[[Id], Iterator[T]],
) -> Iterator[T]:
    """Retry parts that were not found, after everything else.

    Args:
        stream: The stream.
        not_found: The ids of these parts.
        of: Number of ids requested.
        name: Returns the name of an id for messages.
        listed: Reads the list again; called only if a part was not found.
        read: Reads the part of an id.

    Yields:
        The items of `read` for the ids that are still listed. Parts that are not found again are skipped with a
        warning, and the stream counts as incomplete.

    Raises:
        VendorError: There are several ids, all still listed, and none of their parts is found.
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
        # Otherwise a loader would treat skipped rows as deleted.
        stream.counts.read_whole = False
