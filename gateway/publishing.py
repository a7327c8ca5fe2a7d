"""This module owns how a door publishes that waits for the answer of the room."""

from __future__ import annotations

import asyncio

from gateway.broker.contract import settle_into
from gateway.hub import Hub
from gateway.identity import Identity
from gateway.rooms.publication import Receipt
from protocol import events


async def publish(
    hub: Hub, identity: Identity, event: events.BikeUpdate | events.Publish
) -> Receipt:
    """Publish; raises `Refused` or `BrokerUnavailable`. The order is that in which it is called."""
    return await begin_publishing(hub, identity, event)


def begin_publishing(
    hub: Hub,
    identity: Identity,
    event: events.BikeUpdate | events.Publish,
    after: str | None = None,
) -> asyncio.Future[Receipt]:
    """The same without waiting: `Refused` is raised at once, `BrokerUnavailable` by the future.

    What has an `after` is accepted when the same identity's event with that key was, and not
    without it.
    """
    future: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
    settle = settle_into(future)
    if isinstance(event, events.BikeUpdate):
        hub.publish_update(identity, event, None, settle, after=after)
    else:
        hub.publish_event(identity, event, None, settle, after=after)
    return future
