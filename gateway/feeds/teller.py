"""This module owns keeping a room in step with one fleet: what is owed, sent, and then settled."""

from __future__ import annotations

import asyncio

import msgspec

from gateway.feeds.ledger import Ledger
from gateway.feeds.picture import View
from gateway.feeds.publisher import Publisher, Receipt


class Tally(msgspec.Struct):
    """What was told so far; `published` counts what the gateway answered for, whatever it said."""

    published: int = 0
    removed: int = 0
    accepted: int = 0
    repeated: int = 0
    superseded: int = 0
    refused: int = 0
    trouble: str | None = None


class Teller:
    """Tells a room about one fleet; safe to call from several feeds, one is told at a time."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._ledger = Ledger()
        self._lock = asyncio.Lock()
        self._epoch: str | None = None
        self.tally = Tally()

    @property
    def shown(self) -> int:
        """How many of the fleet the room knows of."""
        return len(self._ledger)

    async def tell(self, view: View) -> int:
        """Tell all that is owed and answer how much that was; what fails stays owed."""
        async with self._lock:
            before = self.tally.published
            if await self._tell_once(view):
                # The answers were the first sign that the room had lost what it knew.
                await self._tell_once(view)
            return self.tally.published - before

    async def _tell_once(self, view: View) -> bool:
        """Answer whether the room turned out to have begun a new history."""
        if self._epoch not in {None, self._publisher.epoch}:
            self._ledger.doubt()
        self._epoch = epoch = self._publisher.epoch
        news = self._ledger.owed(view.seen, view.held)
        if not news:
            self.tally.trouble = None
            return False
        receipt = await self._publisher.publish([item.wording for item in news])
        settled = [item for item, ok in zip(news, receipt.settled, strict=True) if ok]
        self._ledger.settle(settled, is_all=receipt.is_all_settled)
        self._count(receipt, sum(item.change.gone for item in settled))
        if epoch is None:
            self._epoch = self._publisher.epoch
        return self._publisher.epoch != self._epoch

    def _count(self, receipt: Receipt, removed: int) -> None:
        tally = self.tally
        tally.published += sum(receipt.settled)
        tally.removed += removed
        tally.accepted += receipt.accepted
        tally.repeated += receipt.repeated
        tally.superseded += receipt.superseded
        tally.refused += receipt.refused
        tally.trouble = receipt.trouble
