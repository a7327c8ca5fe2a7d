"""This module owns one followed room: live, or holding what arrives until its place is known."""

from __future__ import annotations

from typing import Final

from gateway.broker.contract import Delivery
from gateway.broker.feed import Feed, Verdict
from gateway.broker.redis.reads import Entry
from gateway.broker.redis.rooms import RedisRoom
from gateway.redis.shard import Shard
from protocol.cursor import Cursor

# What may wait while the log is read; beyond it all is dropped, and read from the log as well.
_HELD_LIMIT: Final = 10_000


class Following:
    """One room that is followed. `feed` is None until it is known where to begin."""

    __slots__ = ("feed", "held", "is_filling", "is_over", "room", "shard")

    def __init__(self, room: RedisRoom) -> None:
        self.room = room
        self.shard: Shard | None = None  # where it is subscribed
        self.feed: Feed | None = None
        self.held: list[Entry] | None = []
        self.is_filling = False
        self.is_over = False

    @property
    def idle_place(self) -> Cursor | None:
        """What was delivered up to; None while that is about to change."""
        is_live = self.feed is not None and self.held is None and not self.is_over
        return self.feed.place if is_live and self.feed is not None else None

    def hold(self, entry: Entry) -> None:
        """Keep what arrives for later."""
        assert self.held is not None, "what is live holds nothing back"
        if len(self.held) >= _HELD_LIMIT:
            self.held.clear()
        self.held.append(entry)

    def stop(self) -> None:
        """Deliver nothing more before the log was read."""
        if self.held is None:
            self.held = []

    def release(self) -> list[Delivery]:
        """What is held and comes next, which is then delivered; live unless there is a hole."""
        assert self.feed is not None, "where to begin is known"
        assert self.held is not None, "it is holding"
        held, self.held = self.held, None
        ready: list[Delivery] = []
        for index, (before, publication) in enumerate(held):
            verdict = self.feed.take(publication, before)
            if verdict is Verdict.NEXT:
                ready.append(publication)
            elif verdict is not Verdict.OLD:
                self.held = held[index:]
                break
        return ready
