"""This module owns the users that workers share in Redis: kept for an hour, trusted with nothing.

A value lies under a key of its own. Who finds none leaves a permit there, asks the store, and may
put the answer there as long as the permit lies: to forget is to delete whichever it is, so that an
answer from before a change is never put there after it.

A deletion that fails is owed. Who owes one reads nothing from here until it is made up for; after
a start, or when Redis is back, that is to delete everything, because nobody knows what was missed.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections.abc import Callable, Collection
from typing import Any, Final

import msgspec
import structlog

from gateway.redis.client import Redis, call, send_at
from gateway.redis.connection import pack
from gateway.redis.errors import RedisAway, RedisRefused
from gateway.redis.scripts import Script
from gateway.redis.slots import slot_of
from gateway.users.cache import LIFETIME_SECONDS
from gateway.users.user import User

logger = structlog.get_logger(__name__)

FIND: Final = Script("gateway.users", "shelf_find.lua")
PUT: Final = Script("gateway.users", "shelf_put.lua")
TIMEOUT_SECONDS: Final = 0.1
BYPASS_SECONDS: Final = 1.0  # after Redis has failed us
PERMIT_SECONDS: Final = 10.0  # the store answers by then, or not at all
_OWED_LIMIT: Final = 10_000
_SCANNED_AT_ONCE: Final = 1000
_PERMIT_MARK: Final = "?"

# Other fields make another form, so that no version of the program reads what another one wrote.
_FORM: Final = hashlib.sha256(" ".join(User.__struct_fields__).encode()).hexdigest()[:8]
_MARK: Final = f"{_FORM} ".encode()
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(User).decode

_FAILURES: Final = (RedisAway, RedisRefused, TimeoutError)


class RedisShelf:
    """One worker's way to the users in Redis. Fulfils `Shelf`."""

    def __init__(
        self,
        redis: Redis,
        prefix: str,
        clock: Callable[[], float] = time.monotonic,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self._redis = redis
        self._prefix = f"{prefix}:user:{_FORM}:"
        self._clock = clock
        self._timeout_seconds = timeout_seconds
        self._bypassed_until_seconds = 0.0
        # By id, and for everything: the number of the youngest debt. What is deleted makes up for
        # the debts from before it was sent, and for no later ones.
        self._debts = 1
        self._owed: dict[str, int] = {}
        self._owed_all = 1
        self._settling: asyncio.Task[None] | None = None

    async def find(self, user_id: str) -> User | str | None:
        """The user; else a permit to put it there; None when Redis is to be left alone."""
        if self._is_bypassed or self._owes():
            return None
        key = self._key_of(user_id)
        permit = f"{_PERMIT_MARK}{secrets.token_hex(8)}"
        try:
            async with asyncio.timeout(self._timeout_seconds):
                words = (_MARK, permit, round(PERMIT_SECONDS * 1000))
                raw = await call(self._redis, key, "EVALSHA", FIND.digest, 1, key, *words)
        except _FAILURES as failure:
            self._bypass(failure)
            return None
        if raw is None:
            return permit
        user = _user_in(raw)
        if user is not None and user.id == user_id:
            return user
        logger.warning("! what Redis says of a user is not of ours", user=user_id)
        await self.forget((user_id,))
        return None

    def put(self, user: User, permit: str) -> None:
        """Leave a user for all workers; whether that succeeds is nobody's worry."""
        key = self._key_of(user.id)
        words = (permit, _MARK + _encode(user), round(LIFETIME_SECONDS * 1000))
        command = pack(("EVALSHA", PUT.digest, 1, key, *words))
        send_at(self._redis, slot_of(key), command, _unread)

    async def forget(self, user_ids: Collection[str]) -> None:
        """Delete; what cannot be deleted now is owed."""
        self._debts += 1
        debt = self._debts
        self._owed.update(dict.fromkeys(user_ids, debt))
        if len(self._owed) > _OWED_LIMIT:
            self.forget_all()
        if self._is_bypassed:
            return
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await self._delete(user_ids)
        except _FAILURES as failure:
            self._bypass(failure)
            return
        self._pay(user_ids, debt)

    def forget_all(self) -> None:
        """Read nothing until everything is deleted."""
        self._debts += 1
        self._owed_all = self._debts
        self._owed.clear()

    async def stop(self) -> None:
        """End; a second call does nothing."""
        task, self._settling = self._settling, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    # ---- what is owed

    def _owes(self) -> bool:
        """Whether anything is; then it begins to be made up for."""
        if not self._owed_all and not self._owed:
            return False
        if self._settling is None or self._settling.done():
            self._settling = asyncio.create_task(self._settle())
        return True

    async def _settle(self) -> None:
        debt, owed = self._debts, list(self._owed)
        try:
            if self._owed_all:
                await self._delete_all()
            await self._delete(owed)
        except _FAILURES as failure:
            self._bypass(failure)
            return
        self._pay(owed, debt)
        if self._owed_all <= debt:
            self._owed_all = 0

    def _pay(self, user_ids: Collection[str], debt: int) -> None:
        for user_id in user_ids:
            if self._owed.get(user_id, 0) <= debt:
                self._owed.pop(user_id, None)

    async def _delete(self, user_ids: Collection[str]) -> None:
        keys = map(self._key_of, user_ids)
        await asyncio.gather(*(call(self._redis, key, "DEL", key) for key in keys))

    async def _delete_all(self) -> None:
        shards = self._redis.shards
        if not shards:
            raise RedisAway("Redis is not connected")
        for shard in shards:
            cursor = b"0"
            while True:
                words = ("SCAN", cursor, "MATCH", f"{self._prefix}*", "COUNT", _SCANNED_AT_ONCE)
                cursor, keys = await shard.call(*words)
                await asyncio.gather(*(call(self._redis, key, "UNLINK", key) for key in keys))
                if cursor == b"0":
                    break

    # ---- Redis

    @property
    def _is_bypassed(self) -> bool:
        return self._clock() < self._bypassed_until_seconds

    def _bypass(self, failure: BaseException) -> None:
        self._bypassed_until_seconds = self._clock() + BYPASS_SECONDS
        logger.debug("! users are read past Redis", why=str(failure) or "it does not answer")

    def _key_of(self, user_id: str) -> bytes:
        return f"{self._prefix}{user_id}".encode()


def _user_in(raw: object) -> User | None:
    """The user in a value, if it is one."""
    if not isinstance(raw, bytes) or not raw.startswith(_MARK):
        return None
    try:
        return _decode(raw[len(_MARK) :])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _unread(_reply: Any) -> None:  # noqa: ANN401 - who finds nothing there asks the store
    pass
