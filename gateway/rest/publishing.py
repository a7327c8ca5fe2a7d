"""This module owns how a resource publishes: what becomes of it is counted."""

from __future__ import annotations

from gateway import publishing
from gateway.broker.contract import BrokerUnavailable
from gateway.hub import Hub
from gateway.identity import Identity
from gateway.metrics import Metrics
from gateway.rooms.publication import Receipt
from protocol import events


async def publish(
    hub: Hub, metrics: Metrics, identity: Identity, event: events.BikeUpdate | events.Publish
) -> Receipt:
    """Publish; raises `Refused` or `BrokerUnavailable`. The order is that in which it is called."""
    try:
        receipt = await publishing.publish(hub, identity, event)
    except BrokerUnavailable:
        metrics.publications.add("unavailable")
        raise
    metrics.note_publication(receipt.outcome.label)
    return receipt
