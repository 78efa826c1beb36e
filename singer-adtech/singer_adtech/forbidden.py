"""Streams that the account may not see: skipped or fatal, as the setting `on_forbidden` says.

An account of one side of a market is refused what belongs to the other. That should not keep it from what it has; a run
in which everything is refused is a failure all the same.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar, cast

from singer_sdk import typing as th
from typing_extensions import override

from singer_adtech.errors import VendorError
from singer_adtech.streams import AdTechStream
from singer_adtech.tap import AdTechTap

if TYPE_CHECKING:
    from collections.abc import Iterable

    from singer_sdk.helpers.types import Context, Record

PageToken = TypeVar("PageToken")


class ForbiddenError(VendorError):
    """The account has no right to this (403); raised by `validate_response`."""


def on_forbidden() -> th.Property[str]:
    """What becomes of a stream that the account may not see."""
    return th.Property(
        "on_forbidden",
        th.StringType(allowed_values=["skip", "fail"]),
        default="skip",
        title="Forbidden streams",
        description="A stream that the user may not see: `skip` it with a warning, or `fail`. A run in which every "
        "selected stream is forbidden fails in any case.",
    )


class SkippingTap(AdTechTap):
    """A tap whose streams may be forbidden."""

    @cached_property
    def asked_streams(self) -> set[str]:
        """Names of the streams that were begun."""
        return set()

    @cached_property
    def forbidden_streams(self) -> set[str]:
        """Names of the streams that were skipped."""
        return set()

    @override  # type: ignore[misc]  # final in singer-sdk, which has no other place for this
    def sync_all(self) -> None:
        super().sync_all()
        self.check_forbidden()

    @override  # type: ignore[misc]  # as above
    def run_sync_dry_run(self, *args: Any, **kwargs: Any) -> bool:
        done = super().run_sync_dry_run(*args, **kwargs)
        self.check_forbidden()
        return done

    def check_forbidden(self) -> None:
        """Raise if nothing but forbidden streams was asked for.

        Raises:
            VendorError: Every stream was forbidden.
        """
        if self.forbidden_streams and self.forbidden_streams == self.asked_streams:
            raise VendorError(
                f"all selected streams are forbidden: {', '.join(sorted(self.forbidden_streams))}",
                "ask for the rights, check which account is read, or select other streams",
            )


class SkippableStream(AdTechStream[PageToken]):
    """A stream of a `SkippingTap`; stands first among the bases of a stream."""

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        tap = cast("SkippingTap", self.tap)
        tap.asked_streams.add(self.name)
        try:
            yield from super().get_records(context)
        except ForbiddenError as error:
            if self.config["on_forbidden"] != "skip":
                raise
            tap.forbidden_streams.add(self.name)
            self.log_lines.warning("skipped, as it is forbidden: %s", f"{error.what}: {error.remedy}")
