"""The Spotwatch simulator: key, calls, page links, queue, errors."""

from __future__ import annotations

import threading
from datetime import timedelta
from functools import cached_property
from itertools import count
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from vendor_simulators.messages import Refused, Response
from vendor_simulators.options import build
from vendor_simulators.seeded import generator
from vendor_simulators.simulator import FIRST_DAY, Restated, Simulator
from vendor_simulators.spotwatch import lists, rows
from vendor_simulators.spotwatch.chains import Chain, Chains
from vendor_simulators.spotwatch.data import Data, midnight, seconds
from vendor_simulators.spotwatch.entities import Ad, Block, Broadcast
from vendor_simulators.spotwatch.options import SpotwatchOptions
from vendor_simulators.spotwatch.rules import (
    CALLS,
    DEFAULT_ROWS,
    FORBIDDEN_CALLS,
    MAX_ROWS,
    BadArgumentsError,
    parse_request,
    read,
)
from vendor_simulators.spotwatch.select import Selection
from vendor_simulators.spotwatch.truth import Truth

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from datetime import date

    from vendor_simulators.messages import Request

MAX_MESSAGES = 1000
LISTS = ("channels", "regions", "categories", "brands", "tv_genres")
_STREAMS = ("ads", "broadcasts", "blocks", "block_ads")
_BRAND_FILTERS = ("region", "channel", "time_seen_from", "time_seen_to")


class SpotwatchSimulator(Simulator):
    """Simulator of the Spotwatch API with generated data.

    Args:
        seed: Seed of the data.
        first_day: First UTC day with airings.
        days: Number of days with airings.
        rows_per_day: Airings per day.
        enforce_limits: No effect: the vendor documents no limits.
        options: See `SpotwatchOptions`.
    """

    name: ClassVar[str] = "spotwatch"
    time_zone: ClassVar[str] = "UTC"
    base_path: ClassVar[str] = ""
    option_type: ClassVar[type[Any]] = SpotwatchOptions

    def __init__(
        self,
        *,
        seed: int = 7,
        first_day: date = FIRST_DAY,
        days: int = 30,
        rows_per_day: int = 200,
        enforce_limits: bool = False,
        **options: object,
    ) -> None:
        super().__init__(
            seed=seed, first_day=first_day, days=days, rows_per_day=rows_per_day, enforce_limits=enforce_limits
        )
        self.options = build(SpotwatchOptions, options)
        self.api_key = "simulatedkey0123456789"
        self.chains = Chains(seed, self.options)
        self._wire = rows.Wire(self.options)
        self._truth = Truth(self.options)
        self._orders = count()
        self._lock = threading.RLock()

    @cached_property
    def data(self) -> Data:
        """All rows; generated on first use."""
        with self._lock:
            return Data(self.seed, self.first_day, self.last_day, self.rows_per_day, extremes=self.options.extremes)

    @cached_property
    def _selection(self) -> Selection:
        return Selection(self.data, self.options.bounds, self.options.updated)

    @cached_property
    def queue(self) -> list[Broadcast]:
        """The airings with queued messages, oldest first; the documented sample is first."""
        newest = sorted(self.data.broadcasts, key=lambda airing: (airing.at, airing.id))
        waiting = min(self.options.queue_messages, MAX_MESSAGES)
        kept = newest[-max(0, waiting - 1) :] if waiting > 1 else []
        return [printed_message(), *kept] if waiting else []

    @override
    def started(self, url: str) -> None:
        with self._lock:
            # Generate the data before the first request, so that no request has to wait.
            len(self.queue)
        super().started(url)

    @override
    def settings(self) -> dict[str, str]:
        return {"api_url": self.api_url, "api_key": self.api_key, "start_date": self.first_day.isoformat()}

    @override
    def expire_tokens(self) -> None:
        """Expire all page links: the vendor has no tokens."""
        self.chains.expire()

    @override
    def restate(self, seed: int = 1, *, days: int = 3) -> Restated:
        return self.data.restate(seed, days)

    @override
    def truth(
        self,
        stream: str,
        *,
        first_day: date | None = None,
        last_day: date | None = None,
        regions: Collection[str] = (),
        channels: Collection[str] = (),
        include_media: bool = False,
        include_user_payload: bool = False,
        include_ad_fields: bool = False,
        blocks_by: str = "both",
        filters: Mapping[str, Any] = MappingProxyType({}),
    ) -> list[dict[str, Any]]:
        """Return the exact records that a correct tap emits for a stream, sorted by its primary key.

        Without `last_day` the range is open: it includes changes after the last day of the data. With it, ads are those
        that aired on these days. `filters` are further arguments of the call, with the types of `rules.read`. The other
        arguments are the tap's settings. For the queue, returns the messages that are queued now.
        """
        optional = {"media": include_media, "user_payload": include_user_payload}
        columns = [name for name, wanted in optional.items() if wanted]
        if stream in LISTS:
            return self._truth.lists(stream, self._selection.brands({}))
        if stream == "broadcast_messages":
            records = [self._truth.message(airing, columns) for airing in self.queue]
            return sorted(records, key=lambda record: record["broadcast_id"])
        if stream not in _STREAMS:
            raise ValueError(f"no stream {stream!r}")
        lists = {"region": regions, "channel": channels if stream != "ads" else ()}
        others = {**{name: list(names) for name, names in lists.items() if names}, **filters}
        first_day = first_day or self.first_day
        with self.data.lock:
            if stream == "ads":
                by = "lastseen" if last_day is None else "time_seen"
                wanted = {**self._range(by, first_day, last_day), **others}
                found = [self._truth.ad(ad, columns) for ad in self._selection.ads(wanted)]
            elif stream == "broadcasts":
                wanted = {**self._range("time", first_day, last_day), **others}
                found = [
                    self._truth.broadcast(airing, of_ad=include_ad_fields)
                    for airing in self._selection.broadcasts(wanted)
                ]
            else:
                blocks = {
                    block.id: block
                    for by in (("updated", "start") if blocks_by == "both" else (blocks_by,))
                    for block in self._selection.blocks({**self._range(by, first_day, last_day), **others})
                }
                if stream == "block_ads":
                    ads = [record for block in blocks.values() for record in self._truth.block_ads(block)]
                    return sorted(ads, key=lambda record: (record["block_id"], record["position"]))
                found = [self._truth.block(block) for block in blocks.values()]
        return sorted(found, key=lambda record: record["id"])

    def _range(self, time: str, first_day: date, last_day: date | None) -> dict[str, Any]:
        """Return bounds that select the rows of these days, whether or not bounds are inclusive."""
        bounds: dict[str, Any] = {f"{time}_from": midnight(first_day)}
        if last_day is not None:
            end = midnight(last_day + timedelta(days=1))
            # The bound itself is outside the range, but a tap cannot tell without the time in the row.
            unknown = time == "time_seen" or (time == "updated" and self.options.updated == "absent")
            bounds[f"{time}_to"] = (
                end if unknown or self.options.bounds in ("upper_exclusive", "exclusive") else end - 1
            )
        return bounds

    @override
    def handle(self, request: Request) -> Response:
        if request.path in self.chains.issued:
            return self._follow(request)
        call = CALLS.get(request.path)
        if call is None:
            reason = FORBIDDEN_CALLS.get(request.path)
            self.flag(f"a call that {reason}: {request.path}" if reason else f"unknown path: {request.path}")
            return Response.text("Not found.", 400)
        if request.method not in ("GET", "POST"):
            return self._violation(request, "the method is not documented")
        all_required = self.options.brand_filters == "required" and request.path == "/get-all-brands"
        try:
            keys, arguments = parse_request(request)
            self._check_key(request, keys)
            values = read(call, arguments, _BRAND_FILTERS if all_required else call.required)
        except BadArgumentsError as error:
            return self._violation(request, str(error)) if error.violation else Response.text(str(error), 400)
        with self.data.lock:
            return self._respond(request, values)

    def _respond(self, request: Request, values: dict[str, Any]) -> Response:
        if request.path in ("/get-ads", "/get-broadcasts", "/get-blocks"):
            return self._paged(request, values)
        if request.path in ("/get-ad", "/get-broadcast", "/get-block"):
            return self._single(request, values)
        if request.path == "/get-message-queue":
            return self._messages(values)
        return self._list(request.path, values)

    def _check_key(self, request: Request, keys: dict[str, str]) -> None:
        places = sorted(keys)
        if not places:
            self.flag(f"no key: {request.method} {request.path}")
            raise Refused(Response.text("Argument(s) missing. Expected [key], got [], missing [key].", 400))
        if places != ["header"] and self.options.key_places == "header":
            self.flag(f"the key is in the {' and the '.join(places)}: {request.method} {request.path}")
        if any(key != self.api_key for key in keys.values()):
            raise Refused(Response.text("API key is not valid.", self.options.bad_key_status))

    def _follow(self, request: Request) -> Response:
        """Respond to a page link ("Masked Requests": links accept no arguments unless configured to)."""
        if request.method != "GET" or request.params or request.body:
            return self._violation(request, "a link takes no arguments", shown="a page link")
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if self.options.links == "keyed" and (scheme, key) != ("key", self.api_key):
            return self._violation(request, "this link needs the key", 403, shown="a page link")
        page = self.chains.take(request.path)
        if page is None:
            return Response.text(f"Link [{request.path}] not found.", self.options.lost_link_status)
        return Response.json(page)

    def _paged(self, request: Request, values: dict[str, Any]) -> Response:
        size = values.get("page_lim", DEFAULT_ROWS)
        size = MAX_ROWS if size == -1 else size
        if not 1 <= size <= MAX_ROWS:
            return self._violation(request, f"page_lim {size} is out of range")
        select: Mapping[str, Callable[[dict[str, Any]], list[Any]]] = {
            "/get-ads": self._selection.ads,
            "/get-broadcasts": self._selection.broadcasts,
            "/get-blocks": self._selection.blocks,
        }
        obeyed = {name: value for name, value in values.items() if name not in self.options.ignored_arguments}
        found = select[request.path](obeyed)
        if self.options.order == "time":
            found.sort(key=lambda thing: (_time(thing), thing.id))
        else:
            generator("order", self.seed, next(self._orders)).shuffle(found)
        ad_default, broadcast_default = {
            "/get-ads": (rows.AD_FIELDS, rows.NESTED_FIELDS),
            "/get-broadcasts": ((), rows.BROADCAST_FIELDS),
            "/get-blocks": (("id",), ("id",)),
        }[request.path]
        return Response.json(self.chains.first(Chain(self._rows(found, values, ad_default, broadcast_default), size)))

    def _rows(
        self, things: list[Any], values: dict[str, Any], ad_default: Collection[str], broadcast_default: Collection[str]
    ) -> list[dict[str, Any]]:
        ad_fields = self._fields(values, "ad_fields", rows.AD_FIELDS, ad_default)
        broadcast_fields = self._fields(values, "broadcast_fields", rows.BROADCAST_FIELDS, broadcast_default)
        time_fmt = values.get("time_fmt", "iso8601")
        made: list[dict[str, Any]] = []
        for thing in things:
            if isinstance(thing, Ad):
                made.append(self._wire.ad(thing, ad_fields, broadcast_fields, time_fmt))
            elif isinstance(thing, Broadcast):
                made.append(self._wire.broadcast(thing, broadcast_fields, time_fmt))
            else:
                made.append(self._wire.block(thing, ad_fields, broadcast_fields, time_fmt))
        return made

    def _fields(
        self, values: dict[str, Any], name: str, known: Collection[str], default: Collection[str]
    ) -> Collection[str]:
        asked: Collection[str] = values.get(name, default)
        unknown = [field for field in asked if field not in known]
        if unknown and self.options.unknown_field == "refused":
            self.flag(f"{name}: no field {', '.join(unknown)}")
            raise Refused(Response.text(f"Unknown field(s) [{', '.join(unknown)}] in [{name}].", 400))
        return asked

    def _single(self, request: Request, values: dict[str, Any]) -> Response:
        kind = request.path.removeprefix("/get-")
        things: dict[str, list[Any]] = {
            "ad": self.data.ads,
            "broadcast": self.data.broadcasts,
            "block": self.data.blocks,
        }
        thing = next((one for one in things[kind] if one.id == values["id"]), None)
        if thing is None:
            return Response.text(f"{kind.capitalize()} ID [{values['id']}] not found.", 400)
        nested = [name for name in rows.BROADCAST_FIELDS if name not in {"program", "genre", "subgenre", "ad"}]
        # The documentation has "default all except program genre subgenre ad", but the sample next to it has `ad`. The
        # simulator follows the sample.
        defaults: dict[str, tuple[Collection[str], Collection[str]]] = {
            "ad": (rows.AD_FIELDS, [*nested[:6], "ad"]),
            "broadcast": ((), rows.BROADCAST_FIELDS),
            "block": (("id",), ("id",)),
        }
        return Response.json(self._rows([thing], values, *defaults[kind])[0])

    def _list(self, path: str, values: dict[str, Any]) -> Response:
        if values.get("fmt") == "csv":
            channels = lists.pairs(lists.ALL if path == "/get-all-channels" else lists.TRACKED)
            text = "\n".join(f'"{region}","{channel}"' for region, channel in sorted(channels))
            return Response.text(f"{text}\n", content_type="text/csv; charset=utf-8")
        return Response.json(lists.response(path, self.options, self._selection.brands(values)))

    def _messages(self, values: dict[str, Any]) -> Response:
        """Return the oldest messages and remove them from the queue."""
        asked = values.get("num_messages", -1)
        with self._lock:
            number = len(self.queue) if asked < 0 else min(asked, len(self.queue))
            taken = self.queue[:number]
            del self.queue[:number]
        messages = [self._wire.message(airing) for airing in taken]
        return Response.json(messages if self.options.queue_response == "array" else {"messages": messages})

    def _violation(self, request: Request, detail: str, status: int = 400, *, shown: str | None = None) -> Response:
        self.flag(f"{request.method} {shown or request.path}: {detail}")
        return Response.text(detail, status)


def printed_message() -> Broadcast:
    """Return the airing of the sample message in the vendor's documentation."""
    at = seconds("2024-07-29T19:31:01Z")
    ad = Ad(8693926032257232, seconds("2024-07-04T04:43:47Z"), 10, "emma", "", [])
    block = Block(
        1728925, at, at + 10, at, "de", "tlc", "Dating ohne Grenzen: In 90 Tagen zum Altar", "report", "reality-soap"
    )
    airing = Broadcast(181132408, at, ad, "de", "tlc", block, 13)
    ad.airings.append(airing)
    return airing


def _time(thing: Ad | Broadcast | Block) -> int:
    if isinstance(thing, Ad):
        return thing.lastseen
    return thing.at if isinstance(thing, Broadcast) else thing.updated
