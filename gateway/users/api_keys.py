"""This module owns what is done with API keys: made, rotated, revoked, remembered as used."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Sequence
from typing import Final

import structlog

from gateway.identity import digest_of, new_key_id, new_key_text, subject_of_key
from gateway.users.api_key import ApiKey, KeyStore, rotated
from gateway.users.standings import Standings
from gateway.users.store import StoreUnavailable
from protocol.bodies import invalid
from protocol.keys import NewKey
from protocol.refusals import Refusal, Refused
from protocol.rooms import is_room_name

logger = structlog.get_logger(__name__)

_NOTED_EVERY_SECONDS: Final = 60.0
_NOTED_LIMIT: Final = 10_000


class ApiKeys:
    """Raises `Refused` for a no and `StoreUnavailable` for not now."""

    def __init__(self, store: KeyStore, standings: Standings | None = None) -> None:
        self._store = store
        self._standings = standings
        self._noted: dict[str, float] = {}
        self._notes: set[asyncio.Task[None]] = set()

    async def create(self, body: NewKey, now_ms: int) -> tuple[ApiKey, str]:
        """Make a key; gives its text, which nobody will see again."""
        _check_rooms(body)
        key_id = new_key_id(secrets.choice, is_tracker=body.tracker)
        text = new_key_text(key_id, secrets.choice)
        lifetime_seconds = body.expires_in_seconds
        key = ApiKey(
            id=key_id,
            name=body.name,
            digest=digest_of(text),
            join=body.join,
            publish=body.publish,
            created_at_ms=now_ms,
            expires_at_ms=None if lifetime_seconds is None else now_ms + lifetime_seconds * 1000,
        )
        await self._store.save(key, now_ms)
        await self._changed(key.id)
        return key, text

    async def get(self, key_id: str) -> ApiKey:
        """The key of that id; raises `Refused` (NOT_FOUND)."""
        key = await self._store.find(key_id) if key_id.isascii() and key_id.isalnum() else None
        if key is None:
            raise Refused(Refusal.NOT_FOUND, "There is no such key.")
        return key

    async def all(self) -> Sequence[ApiKey]:
        """Every key, the newest first."""
        return await self._store.all()

    async def rotate(self, key_id: str, now_ms: int, overlap_ms: int) -> tuple[ApiKey, str]:
        """Give a key a new secret, beside which the one before is good for a while.

        Of two who do so at once one has a secret that is good; the other hears it. Raises `Refused`
        (NOT_FOUND, CONFLICT).
        """
        text = new_key_text(key_id, secrets.choice)
        before = await self.get(key_id)
        after = rotated(before, digest_of(text), now_ms, overlap_ms)
        if not await self._store.rotate(before, after, now_ms):
            await self.get(key_id)  # one that was revoked meanwhile stays so
            raise Refused(Refusal.CONFLICT, "Somebody else has rotated the key just now.")
        await self._changed(key_id)
        return after, text

    async def revoke(self, key_id: str, now_ms: int) -> None:
        """Make a key worth nothing, at once; raises `Refused` (NOT_FOUND)."""
        await self.get(key_id)
        await self._store.delete(key_id, now_ms)
        await self._changed(key_id)

    def note_use(self, key_id: str) -> None:
        """Remember that a key is used, to the minute; nobody waits for it."""
        now_seconds = time.monotonic()
        if now_seconds - self._noted.get(key_id, -_NOTED_EVERY_SECONDS) < _NOTED_EVERY_SECONDS:
            return
        if len(self._noted) >= _NOTED_LIMIT:
            self._noted.clear()
        self._noted[key_id] = now_seconds
        note = asyncio.create_task(self._note_use(key_id))
        self._notes.add(note)
        note.add_done_callback(self._notes.discard)

    async def stop(self) -> None:
        """Finish what is being written."""
        await asyncio.gather(*self._notes)

    async def _note_use(self, key_id: str) -> None:
        try:
            await self._store.note_use(key_id, time.time_ns() // 1_000_000)
        except StoreUnavailable:
            self._noted.pop(key_id, None)
        except Exception:
            logger.exception("! the use of a key was not noted")

    async def _changed(self, key_id: str) -> None:
        if self._standings is not None:
            await self._standings.changed({subject_of_key(key_id)})


def _check_rooms(body: NewKey) -> None:
    if not body.tracker:
        if not body.join and not body.publish:
            raise invalid({"publish": "Give rooms to publish into, to join, or both."})
        return
    bad: dict[str, str] = {}
    if len(body.publish) != 1 or "*" in body.publish[0] or not is_room_name(body.publish[0]):
        bad["publish"] = "A tracker reports into one room, given by its name."
    if body.join:
        bad["join"] = "A tracker joins no room."
    if bad:
        raise invalid(bad)
