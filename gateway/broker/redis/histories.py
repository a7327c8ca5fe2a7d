"""This module owns what those who come back have missed: from a room's tail, or from its log."""

from __future__ import annotations

import time
import weakref
from typing import Final

from gateway.broker.contract import History
from gateway.broker.redis.followings import Followings
from gateway.broker.redis.reads import Reads
from gateway.broker.redis.rooms import RedisRoom, is_reached
from gateway.broker.redis.tail import Tail
from protocol.cursor import Cursor

_TAILS_LIMIT: Final = 256  # 64 MB, when each is as long as it may be


class Histories:
    """Asks Redis for one worker, and not for each of a crowd."""

    def __init__(self, reads: Reads, followings: Followings) -> None:
        self._reads = reads
        self._followings = followings
        self._tails: weakref.WeakSet[Tail] = weakref.WeakSet()

    async def history(self, room: RedisRoom, since: Cursor) -> History | None:
        """Everything after `since`, or None. Raises `RedisAway` or `RedisRefused`."""
        now_seconds, kind = time.monotonic(), room.kind
        tail = self._tail_of(room, now_seconds)
        if tail is not None:
            reach = (kind.history_length, kind.history_seconds)
            entries = tail.after(since, now_seconds, *reach)
            if entries is not None and is_reached(room.told, tail.end):
                return History(tail.end, [publication for _, publication in entries])
        log = await self._reads.log(room, since.offset)
        if tail is not None:
            tail.reach_back(log, time.monotonic())
        entries = log.after(since, room)
        if entries is None:
            return None
        return History(log.head, [publication for _, publication in entries])

    def _tail_of(self, room: RedisRoom, now_seconds: float) -> Tail | None:
        """The tail of a room that is live; it begins with the first who asks."""
        following = self._followings.following_of(room)
        place = None if following is None else following.idle_place
        if following is None or place is None:
            return None
        if following.tail is None and len(self._tails) < _TAILS_LIMIT:
            following.tail = Tail(place, now_seconds)
            self._tails.add(following.tail)
        return following.tail
