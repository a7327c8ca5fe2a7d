"""A worker as a broker sees it: it publishes, and keeps what it is given."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from gateway.broker.contract import Broker, BrokerUnavailable, Delivery
from gateway.rooms.publication import Draft, Outcome, Publication, Receipt
from tests.gateway.rooms.drafts import ROOM, event

PATIENCE_SECONDS = 5.0


async def eventually(condition: Callable[[], bool]) -> None:
    """Return as soon as the condition holds; fail when it does not in good time."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110 - what it waits for tells nobody
            await asyncio.sleep(0.005)


class Worker:
    """One worker."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.deliveries: list[Delivery] = []

    def deliver(self, deliveries: Sequence[Delivery]) -> None:
        self.deliveries.extend(deliveries)

    async def publish(self, draft: Draft) -> Receipt:
        """Publish, and wait for the answer; two answers would be an error."""
        settled: asyncio.Future[Receipt | BrokerUnavailable] = asyncio.Future()
        self.broker.publish(draft, settled.set_result)
        receipt = await settled
        if isinstance(receipt, BrokerUnavailable):
            raise receipt
        return receipt

    async def publish_all(self, drafts: Iterable[Draft]) -> list[Receipt]:
        """One after the other."""
        return [await self.publish(draft) for draft in drafts]

    def delivered(self, room: str = ROOM) -> list[Publication]:
        """What was delivered of a room; an interruption is an error."""
        of_room = [delivery for delivery in self.deliveries if delivery.room == room]
        assert all(isinstance(delivery, Publication) for delivery in of_room), of_room
        return [delivery for delivery in of_room if isinstance(delivery, Publication)]

    async def delivered_up_to_now(self, room: str = ROOM) -> list[Publication]:
        """Everything that was delivered before a mark that is published now; without the mark."""
        mark = await self.publish(event("mark", room=room, name="mark"))
        assert mark.outcome is Outcome.ACCEPTED
        await eventually(lambda: any(each.cursor == mark.cursor for each in self.delivered(room)))
        return [each for each in self.delivered(room) if each.event != "mark"]
