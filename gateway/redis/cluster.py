"""This module owns a cluster: its masters, who serves which slot, and learning that this changes.

The map of slots is one node's view, asked for again every ten seconds, whenever a node is not
reached, and whenever an answer says that it is wrong. Such an answer (MOVED) is believed at once,
and the node that it names is the next one to be asked: views of others may be older.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import random
from collections.abc import Sequence
from typing import Final

import structlog

from gateway.redis.asking import answers_of, ask
from gateway.redis.errors import RedisAway, RedisRefused, is_wrong_server, redirection_of, word_of
from gateway.redis.scripts import Script
from gateway.redis.shard import OnReply, Patience, Shard, ShardListener, until_connected
from gateway.redis.slots import SLOTS, SlotMap, slot_map_of, slot_of, tag_in
from gateway.settings.redis_url import Endpoint, RedisAddress

logger = structlog.get_logger(__name__)

REFRESH_SECONDS: Final = 10.0
_REFRESH_LEAST_SECONDS: Final = 0.1
_REFRESH_LOST_SECONDS: Final = 0.3  # while no node is known to be there
_ANSWER_SECONDS: Final = 0.5
_QUESTION: Final = ("CLUSTER", "SLOTS")


class Cluster:
    """The masters of a cluster, those that are there at the moment. Fulfils `Redis`."""

    def __init__(
        self,
        address: RedisAddress,
        scripts: Sequence[Script],
        beat: str,
        listener: ShardListener,
        patience: Patience,
    ) -> None:
        self._address = address
        self._patience = patience
        self._scripts = scripts
        self._beat = beat
        self._listener = listener
        self._masters: dict[Endpoint, Shard] = {}
        self._owners: list[Shard | None] = [None] * SLOTS
        self._nodes: frozenset[Endpoint] = frozenset(address.endpoints)
        self._beats: dict[Endpoint, bytes] = {}
        self._wanted = asyncio.Event()
        self._ask_first: Endpoint | None = None
        self._has_learnt = False  # of a move that the listener has not been told of
        self._is_covered = False
        self._is_reported_away = False
        self._refreshing: asyncio.Task[None] | None = None
        self._retiring: set[asyncio.Task[None]] = set()

    @property
    def shards(self) -> Sequence[Shard]:
        """The masters that are known at present."""
        return tuple(self._masters.values())

    async def start(self) -> None:
        """Connect; return when connected, or after some seconds without having been."""
        self._refreshing = asyncio.create_task(self._refresh_forever(), name="redis-slots")
        await until_connected(lambda: self.shards, self._patience.start_seconds)

    async def stop(self) -> None:
        """Disconnect; a second call does nothing."""
        task, self._refreshing = self._refreshing, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await asyncio.gather(*(shard.stop() for shard in self.shards), *self._retiring)

    def shard_of(self, slot: int) -> Shard | None:
        """Who serves a slot; None while nobody is known to."""
        return self._owners[slot]

    def learn(self, error: Exception) -> None:
        """Believe what an answer says of the slots."""
        redirection = redirection_of(error)
        if redirection is None:
            if is_wrong_server(error) or word_of(error) == "CLUSTERDOWN":
                self._wanted.set()
            return
        word, slot, _, _ = redirection
        named = self._named_by(redirection)
        if word != "MOVED" or named is None:
            return
        self._owners[slot] = self._master_at(named)
        self._ask_first = named
        self._has_learnt = True
        self._wanted.set()

    def retry(self, error: Exception, slot: int, command: bytes, on_reply: OnReply) -> bool:
        """Send where the answer says, and with the scripts where it says that they are unknown."""
        self.learn(error)
        word, owner = word_of(error), self._owners[slot]
        if owner is None:
            return False
        if word == "MOVED":
            return owner.send(command, on_reply)
        if word == "NOSCRIPT":
            return owner.send_with_scripts(command, on_reply)
        redirection = redirection_of(error)
        if redirection is None:
            return False
        # A node that serves no slot yet is not known here: until it does, nobody can be asked.
        named = self._named_by(redirection)
        importing = None if named is None else self._masters.get(named)
        return importing is not None and importing.send_asking(command, on_reply)

    @property
    def is_healthy(self) -> bool:
        """Whether every master has answered, and could be heard, and every slot has a master."""
        return self._is_covered and all(shard.is_healthy for shard in self._masters.values())

    def _named_by(self, redirection: tuple[str, int, str, int]) -> Endpoint | None:
        _, slot, host, port = redirection
        if host:
            return Endpoint(host, port)
        answered = self._owners[slot]
        found = [endpoint for endpoint, shard in self._masters.items() if shard is answered]
        return Endpoint(found[0].host, port) if found else None

    # ---- masters

    def _master_at(self, endpoint: Endpoint) -> Shard:
        shard = self._masters.get(endpoint)
        if shard is None:
            shard = self._masters[endpoint] = Shard(
                str(endpoint),
                functools.partial(self._locate, endpoint),
                self._address,
                self._scripts,
                functools.partial(self._beat_channel_of, endpoint),
                self._listener,
                self.learn,
                self._patience,
            )
            shard.start()
        return shard

    async def _locate(self, endpoint: Endpoint) -> Endpoint:
        """It stays where it is; but whoever has to connect anew may have been replaced."""
        self._wanted.set()
        return endpoint

    def _beat_channel_of(self, endpoint: Endpoint) -> bytes:
        """A channel in a slot of this very master; the same for as long as that is so."""
        shard, owners = self._masters.get(endpoint), self._owners
        if shard is None or shard not in owners:
            raise RedisAway(f"{endpoint} serves no slot")
        channel = self._beats.get(endpoint)
        if channel is None or owners[slot_of(channel)] is not shard:
            tag = tag_in(lambda slot: owners[slot] is shard)
            channel = self._beats[endpoint] = f"{self._beat}:{{{tag}}}".encode()
        return channel

    async def _retire(self, shard: Shard) -> None:
        await shard.stop()
        self._listener.moved()  # whoever was subscribed there until now

    # ---- the map

    async def _refresh_forever(self) -> None:
        while True:
            self._wanted.clear()
            try:
                self._apply(await self._ask())
            except RedisAway as away:
                self._report_away(str(away))
            except Exception:
                logger.exception("! the slots of the cluster cannot be read")
            await asyncio.sleep(_REFRESH_LEAST_SECONDS * random.uniform(0.7, 1.3))  # noqa: S311
            limit_seconds = REFRESH_SECONDS if self._masters else _REFRESH_LOST_SECONDS
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(limit_seconds):
                    await self._wanted.wait()

    async def _ask(self) -> SlotMap:
        """The view of the node that was named last, of one that is connected, or of any other."""
        first, self._ask_first = self._ask_first, None
        connected = [each for each, shard in self._masters.items() if shard.commands is not None]
        random.shuffle(connected)
        for node in connected if first is None else (first, *connected):
            with contextlib.suppress(RedisAway, RedisRefused, TimeoutError):
                async with asyncio.timeout(_ANSWER_SECONDS):
                    return await self._view_of(node)
        others = (self._nodes | set(self._address.endpoints)) - set(connected)
        if not others:
            raise RedisAway("no node answers")
        return (await answers_of(map(self._view_of, others), 0.0))[0]

    async def _view_of(self, node: Endpoint) -> SlotMap:
        shard = self._masters.get(node)
        if shard is not None and shard.commands is not None:
            reply = await shard.call(*_QUESTION)
        else:
            (reply,) = await ask(node, self._address, _QUESTION)
        view = slot_map_of(reply, node)
        if not view.ranges:
            raise RedisAway(f"{node} knows no slots")  # it belongs to no cluster, or no more
        return view

    def _apply(self, view: SlotMap) -> None:
        if self._is_reported_away:
            self._is_reported_away = False
            logger.warning("= the cluster is back")
        self._nodes = view.nodes
        owners: list[Shard | None] = [None] * SLOTS
        for first, last, master in view.ranges:
            owners[first : last + 1] = [self._master_at(master)] * (last + 1 - first)
        is_changed = self._has_learnt or owners != self._owners
        self._owners, self._has_learnt = owners, False
        self._is_covered = None not in owners
        for endpoint in self._masters.keys() - {master for _, _, master in view.ranges}:
            self._beats.pop(endpoint, None)
            task = asyncio.create_task(self._retire(self._masters.pop(endpoint)))
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)
        if is_changed:
            self._listener.moved()

    def _report_away(self, reason: str) -> None:
        if not self._is_reported_away:
            self._is_reported_away = True
            logger.warning("! no node of the cluster answers", why=reason)
