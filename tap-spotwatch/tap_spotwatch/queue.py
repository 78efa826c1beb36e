"""The queue of push messages; reading removes them ("Broadcast Push Messages via Message Queue")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import msgspec
from singer_adtech.errors import DataError, TapError, error_context
from singer_adtech.records.exact_json import exact_json
from singer_adtech.records.totals import PageProgress
from typing_extensions import override

from tap_spotwatch.client import OPTIONAL_COLUMNS, SpotwatchStream, make_call

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from singer_sdk.helpers.types import Context, Record

BATCH = 100
"""Messages per request, and the most that are lost if a read fails.

Assumed: the vendor obeys `num_messages`. If wrong, more messages are lost if a read fails, and a warning is logged.
"""

MOST_BATCHES = 1000
"""Maximum batches per run, because messages may arrive faster than they are read. The next run continues."""

REMEMBERED = 100 * BATCH
"""Messages remembered to detect duplicates; the vendor keeps 1,000."""

COUNT = "messages_read"
"""The key of the number of messages in the state. It makes each STATE differ, so loaders commit each batch."""


class BroadcastMessages(SpotwatchStream):
    """Messages about detected airings. Reading removes them, so each is returned at most once.

    Assumed: ids of airings are unique among all channels. If wrong, one message replaces another; `broadcasts` fails.

    Assumed: a response without messages means that the queue is empty. If wrong, the next run reads the others, unless
    the vendor has dropped them; `broadcasts` has the same airings.
    """

    name = "broadcast_messages"
    path = "/get-message-queue"
    primary_keys = ("broadcast_id",)
    selected_by_default = False
    repeatable = False

    @property
    @override
    def emit_activate_version_messages(self) -> bool:
        # A loader would delete the messages of earlier runs, and they cannot be read again.
        return False

    @override
    def arguments(self, window: object) -> dict[str, Any]:
        return {"num_messages": BATCH}

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        if self.tap.testing:
            # singer-sdk's connection test selects every stream and discards the records.
            self.log_lines.info("not tested, because reading removes the messages")
            return
        if not self.config["message_queue"]:
            self.log_lines.warning("skipped: reading it removes the messages; set `message_queue` to true to read it")
            return
        with error_context(stream=self.name):
            # In the order of arrival: the oldest are dropped first.
            seen: dict[int, None] = {}
            progress = PageProgress("another program may put messages back; report this to Spotwatch")
            for _ in range(MOST_BATCHES):
                batch = self._read()
                if not batch:
                    break
                new = 0
                records, problem = self._records(batch)
                for record in records:
                    content = hash(_ENCODE(record))
                    if content not in seen:
                        seen[content] = None
                        new += 1
                        yield record
                while len(seen) > REMEMBERED:
                    del seen[next(iter(seen))]
                self._count(len(batch))
                if problem is not None:
                    # Raised last: the messages were removed from the queue, so the rest of the batch is written first.
                    raise problem
                progress.page(rows=len(batch), new=new)
            else:
                self.log_lines.warning(
                    "%d batches read, and the queue is not empty: the next run continues", MOST_BATCHES
                )

    def _read(self) -> list[Any]:
        """Request the next batch; an empty one is the last.

        Raises:
            DataError: The response is not a list of messages.
        """
        warning = f": a read of the queue failed, and up to {BATCH} messages may be lost"
        response = self.fetch(make_call(f"{self.url_base}{self.path}", self.arguments(None)), label=warning)
        body = exact_json(response.content)
        messages = body.get("messages") if isinstance(body, dict) else body
        if not isinstance(messages, list):
            raise DataError(
                f"{self.path} did not return a list of messages",
                f"up to {BATCH} messages may be lost; report this to the tap's authors",
            )
        if len(messages) > BATCH:
            self.log_lines.warning(
                "%d messages were requested, and %d returned: that many are lost if a read fails", BATCH, len(messages)
            )
        return messages

    def _records(self, batch: list[Any]) -> tuple[list[Record], TapError | None]:
        """Convert a batch to records; returns the records and the first error."""
        records: list[Record] = []
        problem: TapError | None = None
        for message in batch:
            try:
                records.append(self.shape.record(dict(self._columns(message))))
            except TapError as error:  # noqa: PERF203 - a hundred messages at most
                problem = problem or error
        return records, problem

    def _columns(self, message: Any) -> Iterator[tuple[str, Any]]:
        if not isinstance(message, dict) or not isinstance(message.get("message"), dict):
            raise DataError(
                "a message is not an object with a `message`", "it is lost; report this to the tap's authors"
            )
        inner = message["message"]
        # `token` is a secret of the customer and the vendor that authenticates a webhook's caller.
        yield from ((name, value) for name, value in message.items() if name not in {"message", "token"})
        for name, value in inner.items():
            if name == "timings" and isinstance(value, dict):
                yield from ((f"timings_{part}", at) for part, at in value.items())
            elif name == "ad" and isinstance(value, dict):
                yield name, {part: of_ad for part, of_ad in value.items() if self._wanted(part)}
            elif name in {"broadcast", "ad"}:
                yield name, value
            else:
                yield f"message_{name}", value
        if isinstance(inner.get("broadcast"), dict):
            yield "broadcast_id", inner["broadcast"].get("id")

    def _wanted(self, field: str) -> bool:
        setting = OPTIONAL_COLUMNS.get(field)
        return setting is None or bool(self.config[setting])

    def _count(self, messages: int) -> None:
        """Count a written batch and write a STATE before the next request."""
        state = cast("dict[str, Any]", self.stream_state)
        before = state.get(COUNT)
        state[COUNT] = (before if isinstance(before, int) else 0) + messages
        self.write_state()


_ENCODE = msgspec.json.Encoder(decimal_format="number").encode
