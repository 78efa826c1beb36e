"""Bodies of responses: read in large pieces, decompressed on the way, within a size and a time.

requests reads in pieces of 10 KiB, which is half of the CPU time of a large download.
"""

from __future__ import annotations

import io
import time
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests
from urllib3.exceptions import HTTPError, ReadTimeoutError

from singer_adtech.errors import VendorError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

PIECE = 1024 * 1024
"""Bytes that are read, or decompressed, at once at most."""

SLOWEST = 10_000
"""Bytes per second that a body has to arrive with on average, after the time that any response may take."""

MEGABYTE = 1_000_000

SMALLER_RESPONSES = ("page_size", "window_days", "log_window_minutes")
"""Settings that make responses smaller, as far as a tap has them."""

_WINDOW_BITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
"""zlib's word for each encoding; bodies in others are left as they are."""


class SlowBodyError(requests.exceptions.Timeout):
    """A body that arrives too slowly to be waited for: the vendor, or something on the way, only drips."""


@dataclass(frozen=True)
class BodyLimits:
    """What a body may cost.

    Args:
        megabytes: Its size at most, compressed and decompressed, in units of 1,000,000 bytes.
        seconds: The time that any body may take; a longer one must have brought `SLOWEST` bytes per second.
        smaller: What a user can do so that bodies are smaller.
    """

    megabytes: int = 512
    seconds: float = 300.0
    smaller: str = "request less at a time"

    @classmethod
    def of(cls, config: Mapping[str, Any], declared: Collection[str]) -> BodyLimits:
        """Return the limits of a tap.

        Args:
            config: Its settings.
            declared: Names of the settings that it has.
        """
        names = " or ".join(f"`{name}`" for name in SMALLER_RESPONSES if name in declared)
        return cls(
            megabytes=config.get("max_response_mb", cls.megabytes),
            seconds=config["request_timeout"],
            smaller=f"lower {names}" if names else cls.smaller,
        )

    def too_large(self) -> VendorError:
        """Return the error for a larger body."""
        return VendorError(
            f"the response is larger than {self.megabytes:,} MB", f"{self.smaller}, or raise `max_response_mb`"
        )


def read_body(response: requests.Response, limits: BodyLimits) -> bytes:
    """Read the body of a response whose headers are there.

    Args:
        response: The response, of which nothing was read.
        limits: What it may cost.

    Returns:
        The whole body, decompressed.

    Raises:
        VendorError: It is larger than allowed, and is not read any further.
        SlowBodyError: It comes too slowly.
        requests.exceptions.ReadTimeout: Nothing came for as long as a connection waits.
        requests.exceptions.ChunkedEncodingError: It ends before its declared length.
        requests.exceptions.ContentDecodingError: It is not what its encoding says, or breaks off.
    """
    most = limits.megabytes * MEGABYTE
    declared = response.headers.get("Content-Length", "")
    if declared.isascii() and declared.isdigit() and int(declared[:20]) > most and response.request.method != "HEAD":
        raise limits.too_large()
    bits = _WINDOW_BITS.get(response.headers.get("Content-Encoding", "").strip().lower())
    unpack = None if bits is None else _Unpacker(bits)
    body = io.BytesIO()
    try:
        for piece in _pieces(response, limits):
            for part in (piece,) if unpack is None else unpack.feed(piece):
                body.write(part)
                if body.tell() > most:
                    raise limits.too_large()
        if unpack is not None:
            unpack.check_end()
    except (EOFError, zlib.error) as error:
        raise requests.exceptions.ContentDecodingError(error, request=response.request) from error
    except ReadTimeoutError as error:
        raise requests.exceptions.ReadTimeout(error, request=response.request) from error
    except HTTPError as error:
        raise requests.exceptions.ChunkedEncodingError(error, request=response.request) from error
    # Without a copy: the buffer itself.
    return body.getvalue()


def _pieces(response: requests.Response, limits: BodyLimits) -> Iterator[bytes]:
    """Yield what has arrived, as it arrives: a read waits for one byte, not for a whole piece."""
    most, received, start = limits.megabytes * MEGABYTE, 0, time.monotonic()
    while piece := response.raw.read1(PIECE, decode_content=False):
        received += len(piece)
        if received > most:
            raise limits.too_large()
        if time.monotonic() - start > limits.seconds + received / SLOWEST:
            raise SlowBodyError(
                f"the response arrived with less than {SLOWEST:,} bytes per second after {limits.seconds:g} s",
                request=response.request,
            )
        yield piece


class _Unpacker:
    """Decompresses one or more members of a stream, in pieces of bounded size.

    Not left to urllib3, which takes a stream without its end for a whole one.
    """

    def __init__(self, bits: int) -> None:
        self._bits = bits
        self._member = zlib.decompressobj(bits)
        self._began = False

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Yield what a piece unpacks to; at most `PIECE` bytes at once, however much is in it."""
        while True:
            if self._member.eof:
                # Zeros may follow a member, and another member.
                piece = piece.lstrip(b"\0")
                if not piece:
                    return
                self._member = zlib.decompressobj(self._bits)
            self._began = True
            unpacked = self._member.decompress(piece, PIECE)
            if unpacked:
                yield unpacked
            piece = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
            if not piece and len(unpacked) < PIECE and not self._member.eof:
                return

    def check_end(self) -> None:
        """Refuse a stream that broke off.

        Raises:
            EOFError: It did.
        """
        if self._began and not self._member.eof:
            raise EOFError("the compressed stream has no end")
