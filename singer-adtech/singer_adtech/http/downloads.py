"""Response bodies: read in large chunks and decompressed, within size and time limits.

The 10 KiB chunks of requests take half of the CPU time of a large download.
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
"""Maximum bytes per read or decompression step."""

SLOWEST = 10_000
"""Minimum average bytes per second after the time allowed for any response."""

MEGABYTE = 1_000_000

SMALLER_RESPONSES = ("page_size", "window_days", "log_window_minutes")
"""Settings that reduce the size of responses, if the tap has them."""

_WINDOW_BITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
"""zlib's `wbits` per encoding. Other encodings are left unchanged."""


class SlowBodyError(requests.exceptions.Timeout):
    """A body that arrives too slowly, because of the vendor or the network."""


@dataclass(frozen=True)
class BodyLimits:
    """Limits on the size and time of a body.

    Args:
        megabytes: Maximum size, compressed and decompressed, in units of 1,000,000 bytes.
        seconds: Time allowed for any body. After that it must average `SLOWEST` bytes per second.
        smaller: Advice to the user on how to get smaller bodies.
    """

    megabytes: int = 512
    seconds: float = 300.0
    smaller: str = "request less at a time"

    @classmethod
    def of(cls, config: Mapping[str, Any], declared: Collection[str]) -> BodyLimits:
        """Return the limits of a tap.

        Args:
            config: The tap's settings.
            declared: Names of the settings that the tap supports.
        """
        names = " or ".join(f"`{name}`" for name in SMALLER_RESPONSES if name in declared)
        return cls(
            megabytes=config.get("max_response_mb", cls.megabytes),
            seconds=config["request_timeout"],
            smaller=f"lower {names}" if names else cls.smaller,
        )

    def too_large(self) -> VendorError:
        """Return the error for a body above the limit."""
        return VendorError(
            f"the response is larger than {self.megabytes:,} MB", f"{self.smaller}, or raise `max_response_mb`"
        )


def read_body(response: requests.Response, limits: BodyLimits) -> bytes:
    """Read the body of a response.

    Args:
        response: The response, with its body unread.
        limits: Limits on size and time.

    Returns:
        The whole body, decompressed.

    Raises:
        VendorError: The body is too large. Reading stops at the limit.
        SlowBodyError: The body arrives too slowly.
        requests.exceptions.ReadTimeout: The read timeout passed without data.
        requests.exceptions.ChunkedEncodingError: The body is shorter than declared.
        requests.exceptions.ContentDecodingError: The compressed data is invalid or truncated.
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
    # Does not copy the buffer.
    return body.getvalue()


def _pieces(response: requests.Response, limits: BodyLimits) -> Iterator[bytes]:
    """Yield data as it arrives, without waiting for full chunks."""
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
    """A decompressor for streams of one or more members, with bounded output chunks.

    Replaces urllib3's, which accepts truncated streams.
    """

    def __init__(self, bits: int) -> None:
        self._bits = bits
        self._member = zlib.decompressobj(bits)
        self._began = False

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Yield the decompressed data in chunks of at most `PIECE` bytes."""
        while True:
            if self._member.eof:
                # Zero padding and another member may follow.
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
        """Check that the stream is complete.

        Raises:
            EOFError: The stream is truncated.
        """
        if self._began and not self._member.eof:
            raise EOFError("the compressed stream has no end")
