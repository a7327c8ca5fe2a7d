"""This module owns which rooms this worker follows, and that each is delivered without a hole.

A following holds what arrives until the broker knows where it stands: at first, and from a lost
connection, a hole or a fork on, until the log was read and what it lacks is delivered, or given up
and told as an interruption.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

import structlog

from gateway.broker.contract import BrokerUnavailable, Deliver, Delivery, Interrupted
from gateway.broker.feed import Feed, Verdict
from gateway.broker.redis import announcement
from gateway.broker.redis.announcement import AnnouncementInvalid
from gateway.broker.redis.following import HELD_LIMIT, Following
from gateway.broker.redis.reads import Entry, Log, Reads
from gateway.broker.redis.rooms import EXPIRE, TURN, RedisRoom, RedisRooms, is_reached
from gateway.logs import Offences
from gateway.redis.client import Redis, call_at
from gateway.redis.errors import RedisAway, RedisRefused, redirection_of
from gateway.redis.shard import Shard
from gateway.redis.subscriber import Message
from protocol.cursor import Cursor

logger = structlog.get_logger(__name__)

_FOLLOW_TIMEOUT_SECONDS: Final = 2.0
_RETRY_SECONDS: Final = 0.1
_REFUSED_RETRY_SECONDS: Final = 5.0  # a mistake of somebody's, which somebody has to mend
_ROOMS_AT_ONCE: Final = 200
_REDIRECTIONS: Final = 3

Stray = Callable[[bytes, bytes], None]

LOST: Final = "history lost"
RESTARTED: Final = "history restarted"


class Followings:
    """The rooms that one worker follows; fulfils what its connections want of their listener."""

    def __init__(
        self,
        redis: Redis,
        rooms: RedisRooms,
        reads: Reads,
        stray: Stray,
        *,
        held_limit: int = HELD_LIMIT,
    ) -> None:
        self._redis = redis
        self._stray = stray  # is told what comes on a channel of no room that is followed
        self._rooms = rooms
        self._reads = reads
        self._held_limit = held_limit
        self._deliver: Deliver | None = None
        self._offences = Offences()
        self._by_channel: dict[bytes, Following] = {}
        self._chores: set[asyncio.Task[None]] = set()

    def start(self, deliver: Deliver) -> None:
        """Begin to deliver."""
        self._deliver = deliver

    def stop(self) -> None:
        """Deliver nothing more."""
        self._deliver = None
        for chore in self._chores:
            chore.cancel()

    def __contains__(self, room: RedisRoom) -> bool:
        return self.following_of(room) is not None

    def following_of(self, room: RedisRoom) -> Following | None:
        """How far the following of a room is; None when it is not followed."""
        return self._by_channel.get(room.channel)

    # ---- from the hub

    async def follow(self, room: RedisRoom) -> Cursor:
        """Begin deliveries; return the place after which they go on."""
        following = self._by_channel.get(room.channel)
        place = None if following is None else following.idle_place
        if place is not None and is_reached(room.told, place):
            return place
        return await self._begin(room, following)

    async def _begin(self, room: RedisRoom, following: Following | None) -> Cursor:
        is_new = following is None
        if following is None:
            following = self._by_channel[room.channel] = Following(room, self._held_limit)
        try:
            async with asyncio.timeout(_FOLLOW_TIMEOUT_SECONDS):
                if following.shard is None:
                    await self._subscribe(following)
                line = following.line
                if room.kind.expire_seconds:
                    with contextlib.suppress(RedisAway):  # reading may be possible all the same
                        await self._expire(room)
                head = await self._reads.head(room)
        except BaseException as error:
            if is_new:
                self.unfollow(room)
            if isinstance(error, (RedisAway, TimeoutError)):
                raise BrokerUnavailable from error
            raise
        if following.is_over:
            raise BrokerUnavailable  # whoever began it gave up, or the room was left meanwhile
        if following.feed is None:
            following.feed = Feed(head)
            if line is not None and following.line is line:
                self._let_go(following)
            else:
                # Subscribed anew since: what was published in between was not heard.
                self._fill(following)
        return head

    def unfollow(self, room: RedisRoom) -> None:
        """End deliveries."""
        following = self._by_channel.pop(room.channel, None)
        if following is None:
            return
        following.is_over = True
        self._unsubscribe(following)
        self._reads.forget(room)

    # ---- from the connections

    def heard(self, messages: Sequence[Message]) -> None:
        """Pass on what comes next; hold, fill or drop the rest."""
        deliveries: list[Delivery] = []
        for channel, data in messages:
            following = self._by_channel.get(channel)
            if following is None:
                self._stray(channel, data)
                continue
            try:
                before, publication = announcement.read(following.room.name, data)
            except AnnouncementInvalid as error:
                self._offences.note("not an announcement", following.room.name, why=str(error))
                continue
            feed = following.feed
            if following.held is not None or feed is None:
                following.hold((before, publication))
                continue
            verdict = feed.take(publication, before)
            if verdict is Verdict.NEXT:
                deliveries.append(publication)
                if following.tail is not None:
                    following.lengthen_tail((before, publication), time.monotonic())
            elif verdict is not Verdict.OLD:
                following.stop((before, publication))
                self._fill(following)
        self._hand_over(deliveries)

    def _hand_over(self, deliveries: Sequence[Delivery]) -> None:
        """Deliver. A fault there must neither end the connection nor be a silent hole."""
        if not deliveries or self._deliver is None:
            return
        try:
            self._deliver(deliveries)
        except Exception:
            logger.exception("! delivery failed")
            rooms = {delivery.room for delivery in deliveries}
            self._deliver([Interrupted(room, LOST) for room in rooms])

    def subscriber_down(self, shard: Shard) -> None:
        """What is published now is not heard; nothing may go out over the hole that begins."""
        for following in self._by_channel.values():
            if following.shard is shard:
                following.shard = None
                following.stop()

    def subscriber_up(self, shard: Shard) -> None:
        """Subscribe again, and read what was missed."""
        self._start_chore(self._follow_again(shard))

    def dropped(self, shard: Shard, channel: bytes) -> None:
        """The slot of a room has moved to another node."""
        following = self._by_channel.get(channel)
        if following is not None and following.shard is shard:
            following.shard = None
            following.stop()
            self._start_chore(self._resume([following]))

    def moved(self) -> None:
        """The nodes of the cluster have divided the slots anew."""
        lost = []
        for following in self._by_channel.values():
            if following.shard is not None and following.shard is self._shard_of(following):
                continue
            if following.shard is not None:
                self._unsubscribe(following)
            following.stop()
            lost.append(following)
        if lost:
            self._start_chore(self._resume(lost))

    # ---- looking after

    def expiring_rooms(self) -> list[RedisRoom]:
        """Followed rooms whose bikes are removed when they are not heard of for too long."""
        followings = self._by_channel.values()
        return [each.room for each in followings if each.room.kind.expire_seconds]

    async def expire(self) -> None:
        """Remove what is too old in the rooms that are followed."""
        for room in self.expiring_rooms():
            # Other rooms may be on other masters, and one that is spoilt is not the others' fault.
            with contextlib.suppress(RedisAway, RedisRefused):
                await self._expire(room)

    async def audit(self) -> None:
        """Compare where each room is with what was delivered of it, and keep it from expiring.

        A connection that lives loses nothing. This is for the day when one does all the same.
        """
        behind = []
        for following in list(self._by_channel.values()):
            place = following.idle_place
            with contextlib.suppress(RedisAway, RedisRefused):  # as for `expire`
                if place is not None and place != await self._reads.head(following.room):
                    behind.append((following, place))
        # What was published meanwhile may still be on its way; no news for long is a hole.
        await asyncio.sleep(_RETRY_SECONDS)
        for following, place in behind:
            if following.idle_place == place:
                logger.warning("! a publication was not heard", room=following.room.name)
                following.stop()
                self._fill(following)

    # ---- subscribing

    def _shard_of(self, following: Following) -> Shard | None:
        return self._redis.shard_of(following.room.slot)

    async def _subscribe(self, following: Following) -> None:
        for _ in range(_REDIRECTIONS):
            shard = self._shard_of(following)
            subscriber = None if shard is None else shard.subscriber
            if subscriber is None:
                raise RedisAway("the subscriber is not connected")
            try:
                await subscriber.subscribe(following.room.channel)
            except RedisAway as error:
                self._redis.learn(error)
                if redirection_of(error) is None:
                    raise
                continue
            if self._shard_of(following) is shard:
                if not following.is_over:
                    following.shard = shard
                return
        raise RedisAway("the room is on its way to another node")

    def _unsubscribe(self, following: Following) -> None:
        """Also when the answer to subscribing is not there yet: the questions keep their order."""
        shard, following.shard = following.shard or self._shard_of(following), None
        if shard is not None and shard.subscriber is not None:
            shard.subscriber.unsubscribe(following.room.channel)

    async def _follow_again(self, shard: Shard) -> None:
        lost = [
            following
            for following in self._by_channel.values()
            if following.shard is None and self._shard_of(following) is shard
        ]
        for start in range(0, len(lost), _ROOMS_AT_ONCE):
            await self._resume(lost[start : start + _ROOMS_AT_ONCE])

    async def _resume(self, followings: Sequence[Following]) -> None:
        async def subscribe(following: Following) -> None:
            while not following.is_over and following.shard is None:
                try:
                    await self._subscribe(following)
                except (RedisAway, RedisRefused):
                    shard = self._shard_of(following)
                    if shard is None or shard.subscriber is None:
                        return  # when it is up again it calls
                    await asyncio.sleep(_RETRY_SECONDS)

        await asyncio.gather(*map(subscribe, followings))
        for following in followings:
            if following.shard is not None and following.feed is not None:
                following.stop()
                self._fill(following)

    # ---- filling

    def _fill(self, following: Following) -> None:
        if not following.is_filling:
            following.is_filling = True
            self._start_chore(self._fill_until_live(following))

    async def _fill_until_live(self, following: Following) -> None:
        try:
            while following.held is not None and not following.is_over:
                if following.shard is None:
                    return  # subscribing again comes first, and begins this anew
                try:
                    await self._fill_once(following)
                except RedisAway:
                    await asyncio.sleep(_RETRY_SECONDS)
                except RedisRefused:
                    logger.exception("! a room's log cannot be read", room=following.room.name)
                    await asyncio.sleep(_REFUSED_RETRY_SECONDS)
        finally:
            following.is_filling = False

    async def _fill_once(self, following: Following) -> None:
        room, feed, line = following.room, following.feed, following.line
        assert feed is not None, "where it stands is known"
        assert following.held is not None, "it is holding"
        # What has come until now is in the log. What is not, such as the last words of an epoch
        # that has ended, would be waited for in vain.
        following.held.clear()
        log = await self._reads.log(room, feed.offset)
        if following.is_over or following.line is not line:
            return  # what was read is of before another loss
        missed = log.after(feed.place, room)
        if missed is None and not log.is_continued(feed.place) and feed.epoch == log.head.epoch:
            # A failover, or a crash, has taken back what was delivered here.
            logger.warning("! history forked", room=room.name, offset=feed.offset)
            await self._turn(room, feed.epoch)
            return  # and read again: everybody is told of the new epoch alike
        self._let_go(following, self._mended(feed, room, log, missed))

    def _mended(
        self, feed: Feed, room: RedisRoom, log: Log, missed: Sequence[Entry] | None
    ) -> list[Delivery]:
        if missed is None:
            reason = LOST if feed.epoch == log.head.epoch else RESTARTED
            logger.warning("! interrupted", room=room.name, reason=reason)
            feed.stand_at(log.head)
            return [Interrupted(room.name, reason)]
        return [
            publication
            for before, publication in missed
            if feed.take(publication, before) is Verdict.NEXT
        ]

    def _let_go(self, following: Following, first: Sequence[Delivery] = ()) -> None:
        """Deliver what is ready; whoever still misses something goes on filling."""
        ready = [*first, *following.release()]
        self._hand_over(ready)
        if following.held is not None:
            self._fill(following)

    async def _turn(self, room: RedisRoom, epoch: str) -> None:
        await self._run(room, TURN.digest, room.keys[:2], (epoch, self._rooms.salt))

    async def _expire(self, room: RedisRoom) -> None:
        limit_ms = round(room.kind.expire_seconds * 1000)
        await self._run(room, EXPIRE.digest, room.keys, (limit_ms, *room.kind_words))

    async def _run(
        self, room: RedisRoom, digest: str, keys: Sequence[bytes], words: Sequence[str | int]
    ) -> None:
        await call_at(self._redis, room.slot, "EVALSHA", digest, len(keys), *keys, *words)

    def _start_chore(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)
