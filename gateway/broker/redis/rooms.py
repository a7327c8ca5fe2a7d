"""This module owns what a worker knows of a room in Redis: its keys, its slot, what kind it is.

The words that do not change from one publication to the next are packed once.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Final

import msgspec

from gateway.redis.connection import pack
from gateway.redis.scripts import Script
from gateway.redis.slots import slot_of
from gateway.settings import RoomKind
from protocol.cursor import Cursor

_PACKAGE: Final = "gateway.broker.redis"
PUBLISH: Final = Script(_PACKAGE, "rooms.lua", "publish.lua")
EXPIRE: Final = Script(_PACKAGE, "rooms.lua", "expire.lua")
READ: Final = Script(_PACKAGE, "read.lua")
KEEP: Final = Script(_PACKAGE, "keep.lua")
SNAPSHOT: Final = Script(_PACKAGE, "snapshot.lua")
TURN: Final = Script(_PACKAGE, "turn.lua")
ENTER: Final = Script(_PACKAGE, "enter.lua")
LEAVE: Final = Script(_PACKAGE, "leave.lua")
SCRIPTS: Final = (PUBLISH, EXPIRE, READ, KEEP, SNAPSHOT, TURN, ENTER, LEAVE)

Words = tuple[bytes | str | int, ...]

_PARTS: Final = (
    "head",
    "log",
    "values",
    "heard",
    "gone",
    "graves",
    "receipts",
    "repeats",
    "live",  # the channel
)
_WORDS_OF_PUBLICATION: Final = 10  # meta ... what must be here first, see publish.lua
# A room that nobody uses must stay for as long as a cursor of it may come back, and for longer
# than it takes until its followers look after it again.
_KEEP_AT_LEAST_MS: Final = 60_000


class RedisRoom:
    """One room, as this worker addresses it."""

    __slots__ = (
        "channel",
        "keys",
        "kind",
        "kind_words",
        "members_key",
        "name",
        "packed_after",
        "packed_before",
        "slot",
        "told",
    )

    def __init__(self, name: str, kind: RoomKind, prefix: str, salt: str) -> None:
        self.name = name
        self.kind = kind
        self.told: Cursor | None = None  # the place that a publication of this worker has got last
        base = f"{prefix}:{{{tag_of(name)}}}"
        self.keys = tuple(f"{base}:{part}".encode() for part in _PARTS)
        self.channel = self.keys[-1]
        self.members_key = f"{base}:members".encode()
        self.slot = slot_of(self.channel)
        self.kind_words = _kind_words(name, kind, salt)
        first: Words = (b"EVALSHA", PUBLISH.digest, len(self.keys), *self.keys)
        count = len(first) + _WORDS_OF_PUBLICATION + len(self.kind_words)
        self.packed_before = b"*%d\r\n" % count + _bulks(first)
        self.packed_after = _bulks(self.kind_words)

    @property
    def keep_ms(self) -> int:
        """How long the room stays when nobody uses it."""
        return _keep_ms(self.kind)


class RedisRooms:
    """The rooms that this worker has to do with; names come from strangers, so it is bounded.

    They are kept in two halves: when the newer one is full, what was not used since goes with the
    older one. So nothing that is known of a room in use is lost, whatever strangers ask for.
    """

    _HALF_LIMIT: Final = 10_000

    def __init__(self, kind_of: Callable[[str], RoomKind], prefix: str) -> None:
        self._kind_of = kind_of
        self._prefix = prefix
        self.salt = secrets.token_urlsafe(12)  # makes names of epochs this worker's own
        self._rooms: dict[str, RedisRoom] = {}
        self._older: dict[str, RedisRoom] = {}

    def __getitem__(self, name: str) -> RedisRoom:
        room = self._rooms.get(name)
        if room is None:
            if len(self._rooms) >= self._HALF_LIMIT:
                self._older, self._rooms = self._rooms, {}
            room = self._older.pop(name, None) or self._new_room(name)
            self._rooms[name] = room
        return room

    def _new_room(self, name: str) -> RedisRoom:
        return RedisRoom(name, self._kind_of(name), self._prefix, self.salt)


def is_reached(told: Cursor | None, place: Cursor) -> bool:
    """Whether a place is not before what was told: no answer may be older than its question."""
    return told is None or (told.epoch == place.epoch and told.offset <= place.offset)


def tag_of(name: str) -> str:
    """The room's name without braces, which would end or empty a hash tag; one to one."""
    return name.replace("%", "%25").replace("{", "%7B").replace("}", "%7D")


def _kind_words(name: str, kind: RoomKind, salt: str) -> tuple[str | int, ...]:
    """What `kind_from` in rooms.lua reads, in its order."""
    return (
        salt,
        kind.history_length,
        _ms(kind.history_seconds),
        int(kind.snapshot),
        _ms(kind.tombstone_seconds),
        kind.values_limit,
        kind.values_limit_bytes,
        _keep_ms(kind),
        msgspec.json.encode(name).decode(),
    )


def _keep_ms(kind: RoomKind) -> int:
    longest_seconds = max(kind.idle_seconds, kind.history_seconds)
    return max(_KEEP_AT_LEAST_MS, _ms(longest_seconds))


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _bulks(words: Words) -> bytes:
    """The words as a command has them, without the count that goes first."""
    return pack(words).partition(b"\r\n")[2]
