"""This module owns how far one room is followed: live, or holding what arrives.

What is held is bounded: beyond the bound it is dropped, and so is a hole of its own, to be read
from the log like any other.
"""

from __future__ import annotations

from typing import Final

from gateway.broker.contract import Delivery
from gateway.broker.feed import Feed, Verdict
from gateway.broker.redis.reads import Entry
from gateway.broker.redis.rooms import RedisRoom
from gateway.broker.redis.tail import Tail
from gateway.redis.shard import Shard
from gateway.redis.subscriber import SubscriberConnection
from protocol.cursor import Cursor

HELD_LIMIT: Final = 10_000


class Following:
    """One room that is followed. `feed` is None until it is known where to begin."""

    __slots__ = ("_held_limit", "feed", "held", "is_filling", "is_over", "room", "shard", "tail")

    def __init__(self, room: RedisRoom, held_limit: int) -> None:
        self.room = room
        self._held_limit = held_limit
        self.shard: Shard | None = None  # where it is subscribed
        self.feed: Feed | None = None
        self.held: list[Entry] | None = []
        self.tail: Tail | None = None  # only of what is live
        self.is_filling = False
        self.is_over = False

    @property
    def line(self) -> SubscriberConnection | None:
        """What it is heard on: another one behind each loss, which may be of the same shard."""
        return None if self.shard is None else self.shard.subscriber

    @property
    def idle_place(self) -> Cursor | None:
        """What was delivered up to; None while that is about to change."""
        is_live = self.feed is not None and self.held is None and not self.is_over
        return self.feed.place if is_live and self.feed is not None else None

    def hold(self, entry: Entry) -> None:
        """Keep what arrives for later."""
        assert self.held is not None, "what is live holds nothing back"
        if len(self.held) >= self._held_limit:
            self.held.clear()
        self.held.append(entry)

    def stop(self, *first: Entry) -> None:
        """Deliver nothing more before the log was read; `first` is what came behind a hole."""
        self.tail = None
        if self.held is None:
            self.held = [*first]

    def lengthen_tail(self, entry: Entry, now_seconds: float) -> None:
        """Keep what has just been delivered, as long as anybody asks for such."""
        assert self.tail is not None, "whoever calls has looked"
        if self.tail.is_wanted(now_seconds):
            self.tail.append(entry, now_seconds)
        else:
            self.tail = None

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
