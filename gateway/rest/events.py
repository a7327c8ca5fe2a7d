"""This module owns `POST /api/rooms/{roomId}/events`: how a backend service publishes."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from aiohttp import web
from msgspec import Raw

from gateway.authentication import Authenticator
from gateway.broker.contract import BrokerUnavailable, settle_into
from gateway.hub import Hub
from gateway.identity import Identity
from gateway.metrics import Metrics
from gateway.rest.problems import json_response, not_now
from gateway.rest.requests import JSON, body_bytes_of, idempotency_key_of, identity_of
from gateway.rooms.publication import Outcome, Receipt
from protocol import cloudevents, codec, events
from protocol.publishing import ITEMS_LIMIT, Item
from protocol.refusals import Refusal, Refused
from protocol.rooms import check_room_name

_BIKE_UPDATE: Final = "bike-update"

Read = Callable[[Raw], Item]  # what an item of the body says to publish; raises `Refused`

_decode_item = msgspec.json.Decoder(Item).decode
_decode_items = msgspec.json.Decoder(list[Raw]).decode


class EventsResource:
    """Publishes what it is sent; one bad item of many does not hold up the others."""

    def __init__(self, hub: Hub, authenticator: Authenticator, metrics: Metrics) -> None:
        self._hub = hub
        self._authenticator = authenticator
        self._metrics = metrics

    async def post(self, request: web.Request) -> web.Response:
        """Publish one event, or up to 1,000 of them in order."""
        room = check_room_name(request.match_info["roomId"])
        identity = await identity_of(request, self._authenticator)
        key = idempotency_key_of(request)
        body = await body_bytes_of(request, JSON, cloudevents.STRUCTURED, cloudevents.BATCH)
        kind, headers = request.content_type, request.headers
        read: Read = _item_of if kind == JSON else cloudevents.item_of
        if kind == JSON and cloudevents.is_in_headers(headers):
            read = functools.partial(cloudevents.item_of_headers, headers)
        elif kind == cloudevents.BATCH or (kind == JSON and body.lstrip()[:1] == b"["):
            return await self._post_many(identity, room, _items_of(body), key, read)
        receipt = await self._publish(identity, room, Raw(body), key, read)
        return json_response({"data": _told(room, receipt), "meta": _counts([receipt])})

    async def _post_many(
        self, identity: Identity, room: str, items: Sequence[Raw], key: str | None, read: Read
    ) -> web.Response:
        keys = [None if key is None else f"{key}/{index}" for index in range(len(items))]
        # Begun in order and awaited together: the broker keeps the order in which they begin.
        results = await asyncio.gather(
            *(self._publish(identity, room, *pair, read) for pair in zip(items, keys, strict=True)),
            return_exceptions=True,
        )
        absent = [result for result in results if isinstance(result, BrokerUnavailable)]
        if absent and len(absent) == len(results):
            raise absent[0]
        told = [self._answer_of(room, result) for result in results]
        receipts = [result for result in results if isinstance(result, Receipt)]
        meta = {**_counts(receipts), "refused": len(told) - len(receipts)}
        return json_response({"data": told, "meta": meta})

    def _answer_of(self, room: str, result: Receipt | BaseException) -> dict[str, Any]:
        match result:
            case Receipt():
                return _told(room, result)
            case Refused():
                refused = result
            case BrokerUnavailable():
                refused = not_now(result)
            case _:
                raise result
        self._metrics.note_refusal(refused.refusal)
        return {"error": refused.body()}

    async def _publish(
        self, identity: Identity, room: str, raw: Raw, key: str | None, read: Read
    ) -> Receipt:
        item = read(raw)
        key = item.idempotency_key or key
        future: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        settle = settle_into(future)
        event = _event_of(item, room, key)
        if isinstance(event, events.BikeUpdate):
            self._hub.publish_update(identity, event, None, settle)
        else:
            self._hub.publish_event(identity, event, None, settle)
        try:
            receipt = await future
        except BrokerUnavailable:
            self._metrics.publications.add("unavailable")
            raise
        self._metrics.note_publication(receipt.outcome.label)
        return receipt


def _items_of(body: bytes) -> list[Raw]:
    try:
        items = _decode_items(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Refused(Refusal.MALFORMED, f"The body is not JSON: {error}") from error
    if len(items) > ITEMS_LIMIT:
        raise Refused(Refusal.TOO_LARGE, details={"limitItems": ITEMS_LIMIT})
    return items


def _item_of(raw: Raw) -> Item:
    try:
        return _decode_item(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Refused(Refusal.MALFORMED, f"Not an event: {error}") from error


def _event_of(item: Item, room: str, key: str | None) -> events.BikeUpdate | events.Publish:
    event = (
        codec.bike_update_of(item.data, key, room)
        if item.event == _BIKE_UPDATE
        else codec.publish_of(room, item.event, item.data, key)
    )
    codec.check_placeholders(item.data, 0)  # nothing comes along that one could stand for
    return event


def _told(room: str, receipt: Receipt) -> dict[str, Any]:
    return {"roomId": room, "cursor": str(receipt.cursor)}


def _counts(receipts: Sequence[Receipt]) -> dict[str, int]:
    outcomes = [receipt.outcome for receipt in receipts]
    return {
        "accepted": outcomes.count(Outcome.ACCEPTED),
        "repeated": outcomes.count(Outcome.REPEATED),
        "superseded": outcomes.count(Outcome.STALE) + outcomes.count(Outcome.DUPLICATE),
    }
