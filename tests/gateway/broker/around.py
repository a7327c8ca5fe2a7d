"""Brokers around a real one: they add what a network adds, time and failure, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import TypeVar

from gateway.broker.contract import (
    Broker,
    BrokerUnavailable,
    Deliver,
    Delivery,
    History,
    Interrupted,
    Settle,
    Snapshot,
)
from gateway.rooms.publication import Draft
from protocol.cursor import Cursor
from protocol.events import Member

Answer = TypeVar("Answer")

AWAITED = ("follow", "history", "snapshot", "cursor", "enter")


class BrokerAround:
    """Passes everything on; `_call` is around all that is awaited."""

    def __init__(self, inner: Broker) -> None:
        self.inner = inner
        self.calls: list[tuple[str, str]] = []
        self.following: set[str] = set()
        self._deliver: Deliver | None = None

    async def _call(self, name: str, room: str, call: Callable[[], Awaitable[Answer]]) -> Answer:
        self.calls.append((name, room))
        return await call()

    def _take(self, deliveries: Sequence[Delivery]) -> None:
        assert self._deliver is not None
        self._deliver(deliveries)

    async def start(self, deliver: Deliver) -> None:
        self._deliver = deliver
        await self.inner.start(self._take)

    async def stop(self) -> None:
        await self.inner.stop()

    def publish(self, draft: Draft, settle: Settle) -> None:
        self.inner.publish(draft, settle)

    async def follow(self, room: str) -> Cursor:
        async def follow() -> Cursor:
            self.following.add(room)
            return await self.inner.follow(room)

        return await self._call("follow", room, follow)

    async def unfollow(self, room: str) -> None:
        async def unfollow() -> None:
            await self.inner.unfollow(room)
            self.following.discard(room)

        await self._call("unfollow", room, unfollow)

    async def cursor(self, room: str) -> Cursor:
        return await self._call("cursor", room, lambda: self.inner.cursor(room))

    async def history(self, room: str, since: Cursor) -> History | None:
        return await self._call("history", room, lambda: self.inner.history(room, since))

    async def snapshot(self, room: str) -> Snapshot:
        return await self._call("snapshot", room, lambda: self.inner.snapshot(room))

    async def has_begun(self, room: str) -> bool:
        return await self._call("has_begun", room, lambda: self.inner.has_begun(room))

    async def enter(self, room: str, member: Member) -> bool:
        return await self._call("enter", room, lambda: self.inner.enter(room, member))

    async def leave(self, room: str, peer_id: str) -> bool:
        return await self._call("leave", room, lambda: self.inner.leave(room, peer_id))

    async def members(self, room: str) -> list[Member]:
        return await self._call("members", room, lambda: self.inner.members(room))

    async def ping(self) -> None:
        await self.inner.ping()


class StagedBroker(BrokerAround):
    """The test says what fails, before or after the work was done, and what waits for how long."""

    def __init__(self, inner: Broker) -> None:
        super().__init__(inner)
        self.fails_before: set[str] = set()
        self.fails_after: set[str] = set()
        self.waits_before: dict[str, asyncio.Event] = {}
        self.waits_after: dict[str, asyncio.Event] = {}
        self.holds_deliveries = False
        self.held: deque[Delivery] = deque()

    async def _call(self, name: str, room: str, call: Callable[[], Awaitable[Answer]]) -> Answer:
        self.calls.append((name, room))
        if name in self.waits_before:
            await self.waits_before[name].wait()
        if name in self.fails_before:
            raise BrokerUnavailable
        answer = await call()
        if name in self.waits_after:
            await self.waits_after[name].wait()
        if name in self.fails_after:
            raise BrokerUnavailable
        return answer

    def _take(self, deliveries: Sequence[Delivery]) -> None:
        if self.holds_deliveries:
            self.held.extend(deliveries)
        else:
            super()._take(deliveries)

    def release(self, count: int | None = None) -> None:
        """Let the oldest of the held deliveries through."""
        for _ in range(len(self.held) if count is None else count):
            super()._take([self.held.popleft()])

    def interrupt(self, room: str, reason: str = "lost") -> None:
        """Deliver an interruption, behind all that is held."""
        self._take([Interrupted(room, reason)])


class LaggingBroker(BrokerAround):
    """Everything takes some turns of the event loop, a few or many, as the dice say.

    Deliveries keep their order, and so do publications of one worker: that is the contract.
    """

    def __init__(self, inner: Broker, dice: Random, turns_limit: int = 12) -> None:
        super().__init__(inner)
        self._dice = dice
        self._turns_limit = turns_limit
        self._on_the_way: deque[Delivery] = deque()
        self._drafts: deque[tuple[Draft, Settle]] = deque()
        self._pumps: list[asyncio.Task[None]] = []

    async def start(self, deliver: Deliver) -> None:
        await super().start(deliver)
        self._pumps = [
            asyncio.create_task(self._deliver_forever()),
            asyncio.create_task(self._publish_forever()),
        ]

    async def stop(self) -> None:
        for pump in self._pumps:
            pump.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await pump
        await super().stop()

    @property
    def is_idle(self) -> bool:
        return not self._on_the_way and not self._drafts

    def publish(self, draft: Draft, settle: Settle) -> None:
        self._drafts.append((draft, settle))

    async def unfollow(self, room: str) -> None:
        await super().unfollow(room)
        self._drop(room)

    def lose(self, room: str) -> None:
        """Lose what is on the way, and say so."""
        self._drop(room)
        self._on_the_way.append(Interrupted(room, "lost"))

    def turn_epoch(self, room: str) -> None:
        """Say that what comes now is of a new epoch; what is on the way still arrives."""
        self._on_the_way.append(Interrupted(room, "epoch"))

    def _drop(self, room: str) -> None:
        kept = [delivery for delivery in self._on_the_way if delivery.room != room]
        self._on_the_way = deque(kept)

    def _take(self, deliveries: Sequence[Delivery]) -> None:
        self._on_the_way.extend(deliveries)

    async def _call(self, name: str, room: str, call: Callable[[], Awaitable[Answer]]) -> Answer:
        await self._lag()
        answer = await super()._call(name, room, call)
        await self._lag()
        return answer

    async def _lag(self) -> None:
        for _ in range(self._dice.randrange(self._turns_limit)):
            await asyncio.sleep(0)

    async def _deliver_forever(self) -> None:
        while True:
            await self._lag()
            await asyncio.sleep(0)
            batch = [
                self._on_the_way.popleft()
                for _ in range(min(len(self._on_the_way), self._dice.randint(1, 5)))
            ]
            if batch:
                super()._take(batch)

    async def _publish_forever(self) -> None:
        while True:
            await self._lag()
            await asyncio.sleep(0)
            if self._drafts:
                super().publish(*self._drafts.popleft())
