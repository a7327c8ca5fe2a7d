"""This module owns a room's GBFS document: one for everybody, on every worker, for some seconds.

Whoever finds none makes it, one at a time among all workers, since two would give a vehicle two
names. Nobody needs a token for it, so nothing here grows by being asked: a room that has not begun
is not begun, and one in which there is nothing to show is not remembered between workers.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from typing import Final

import msgspec

from gateway.broker.contract import Broker, BrokerUnavailable
from gateway.broker.lockers import Lockers
from gateway.rooms import access, aliases
from gateway.settings import Settings
from protocol.vehicle_status import TTL_SECONDS

# Who asks less often than GBFS lets a feed be late cannot tell whether a bike waited in between, so
# all have new names then.
NAMES_SECONDS: Final = 300.0
_TURN_SECONDS: Final = 5.0  # of a worker that has died while it was making one
_LOOK_SECONDS: Final = 0.05
_LOOKS: Final = 200  # twice as long as a turn lasts
_NAME_BYTES: Final = 12
_TAG_CHARACTERS: Final = 32
_KNOWN_LIMIT_BYTES: Final = 33_554_432
_NOTHING: Final = b"[]"


class Document(msgspec.Struct, frozen=True):
    """A document, its tag, and until when it is good, by `time.monotonic`."""

    body: bytes
    tag: str
    until_seconds: float


class PublicVehicles:
    """Finds or makes the documents of rooms, and keeps those that are good still."""

    def __init__(self, settings: Settings, broker: Broker, lockers: Lockers) -> None:
        self._settings = settings
        self._broker = broker
        self._lockers = lockers
        self._known: dict[str, Document] = {}
        self._under_way: dict[str, asyncio.Task[Document]] = {}

    async def document(self, room: str) -> Document:
        """What the public sees of a room. Raises `Refused` unless the room is public."""
        access.check_public(self._settings.kind_of(room))
        known = self._known.get(room)
        if known is not None and time.monotonic() < known.until_seconds:
            return known
        task = self._under_way.get(room)
        if task is None:
            task = self._under_way[room] = asyncio.create_task(self._find(room))
            task.add_done_callback(lambda _: self._under_way.pop(room, None))
        return await asyncio.shield(task)

    async def _find(self, room: str) -> Document:
        if not await self._broker.has_begun(room):
            now_ms = _now_ms()
            return _document_of(_made(aliases.shown(_NOTHING, None, now_ms, _new_name), now_ms))
        document = _document_of(await self._shared(room))
        self._remember(room, document)
        return document

    async def _shared(self, room: str) -> bytes:
        """The document that all workers show, with the time at which it was made in front."""
        turn = f"gbfs-turn:{room}"
        for _ in range(_LOOKS):
            if found := await self._lockers.look(_document_key(room)):
                return found
            if await self._lockers.put_first(turn, b"", _TURN_SECONDS):
                try:  # somebody else may have had the turn since it was looked for
                    return await self._lockers.look(_document_key(room)) or await self._make(room)
                finally:
                    await self._lockers.take(turn)
            await asyncio.sleep(_LOOK_SECONDS)
        raise BrokerUnavailable

    async def _make(self, room: str) -> bytes:
        names = f"gbfs-names:{room}"
        memory = await self._lockers.look(names)
        snapshot = await self._broker.snapshot(room)
        now_ms = _now_ms()
        shown = await asyncio.to_thread(aliases.shown, snapshot.values, memory, now_ms, _new_name)
        made = _made(shown, now_ms)
        if shown.vehicles_count:
            await self._lockers.put(names, shown.memory, NAMES_SECONDS)
            await self._lockers.put(_document_key(room), made, TTL_SECONDS)
        elif memory is not None:
            await self._lockers.take(names)
        return made

    def _remember(self, room: str, document: Document) -> None:
        now_seconds = time.monotonic()
        self._known[room] = document
        self._known = {
            name: known for name, known in self._known.items() if now_seconds < known.until_seconds
        }
        if sum(len(known.body) for known in self._known.values()) > _KNOWN_LIMIT_BYTES:
            self._known.clear()


def _document_key(room: str) -> str:
    return f"gbfs-document:{room}"


def _new_name() -> str:
    return secrets.token_urlsafe(_NAME_BYTES)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _made(shown: aliases.Shown, now_ms: int) -> bytes:
    return b"%d\n%b" % (now_ms, shown.document)


def _document_of(made: bytes) -> Document:
    made_ms, _, body = made.partition(b"\n")
    left_seconds = TTL_SECONDS - (_now_ms() - int(made_ms)) / 1000
    # Clocks of hosts differ; the lockers' own is what counts.
    left_seconds = min(max(0.0, left_seconds), TTL_SECONDS)
    tag = hashlib.sha256(body).hexdigest()[:_TAG_CHARACTERS]
    return Document(body, f'"gbfs:{tag}"', time.monotonic() + left_seconds)
