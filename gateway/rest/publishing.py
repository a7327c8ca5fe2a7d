"""This module owns how a resource publishes: it waits for the room's answer, and counts it."""

from __future__ import annotations

import asyncio

from gateway.broker.contract import BrokerUnavailable, settle_into
from gateway.hub import Hub
from gateway.identity import Identity
from gateway.metrics import Metrics
from gateway.rooms.publication import Receipt
from protocol import events


async def publish(
    hub: Hub, metrics: Metrics, identity: Identity, event: events.BikeUpdate | events.Publish
) -> Receipt:
    """Publish; raises `Refused` or `BrokerUnavailable`. The order is that in which it is called."""
    future: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
    settle = settle_into(future)
    if isinstance(event, events.BikeUpdate):
        hub.publish_update(identity, event, None, settle)
    else:
        hub.publish_event(identity, event, None, settle)
    try:
        receipt = await future
    except BrokerUnavailable:
        metrics.publications.add("unavailable")
        raise
    metrics.note_publication(receipt.outcome.label)
    return receipt
