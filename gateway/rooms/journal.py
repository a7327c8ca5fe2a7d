"""This module owns what one room remembers: its order, its recent history, its last values."""

from __future__ import annotations

import collections
import zlib
from collections.abc import Callable
from typing import Final, TypeVar

import msgspec

from gateway.rooms import snapshot
from gateway.rooms.publication import Draft, Op, Outcome, Publication, Receipt, removal_of
from gateway.rooms.snapshot import Heard, LastValue
from gateway.settings import RoomKind
from protocol.cursor import Cursor

IDEMPOTENCY_SECONDS: Final = 300.0
# What one sender can make a room remember of its keys; the oldest go first.
IDEMPOTENCY_KEYS_LIMIT: Final = 10_000


_Entry = TypeVar("_Entry")
# A member of an enumeration costs a look-up each time it is named.
_ACCEPTED, _UPSERT = Outcome.ACCEPTED, Op.UPSERT


class Moment(msgspec.Struct, frozen=True, gc=False):
    """Now, twice: seconds that never go back, and ms since 1970 to compare with bikes' clocks."""

    seconds: float
    wall_ms: int


class Journal:
    """One room: decides what becomes of a draft, and answers what was and what is.

    Everything is synchronous, so each method is all or nothing. Nothing here tells anybody:
    the publications that `accept` and `expire` return are for the caller to deliver, in order.
    """

    def __init__(self, room: str, kind: RoomKind, epoch: str) -> None:
        self._room = room
        self._kind = kind
        self._epoch = epoch
        self._offset = 0
        self._proof = 0
        # The proof at the place just before the oldest publication that is still here.
        self._trimmed_proof = 0
        self._history: collections.deque[Publication] = collections.deque()
        # When each of them was accepted. Not pairs: the garbage collector would look through them.
        self._moments: collections.deque[float] = collections.deque()
        self._values: dict[str, LastValue] = {}  # least recently heard first
        self._tombstones: dict[str, tuple[int, float]] = {}  # time_ms and when to forget it
        self._receipts: dict[str, tuple[float, Receipt]] = {}
        self._values_bytes = 0
        self._values_limit = kind.values_limit
        self._values_limit_bytes = kind.values_limit_bytes
        self._array: bytes | None = None
        self.touched_seconds = 0.0

    @property
    def cursor(self) -> Cursor:
        """The present place."""
        return Cursor(self._epoch, self._offset, self._proof)

    def touch(self, seconds: float) -> None:
        """Somebody has begun or ended to read: cursors given out until now are still of use."""
        self.touched_seconds = seconds

    def is_in_turn(self, draft: Draft) -> bool:
        """Whether what must be here before it is, or it is here itself."""
        receipts = self._receipts
        return draft.after in receipts or draft.idempotency_key in receipts

    def accept(self, draft: Draft, now: Moment) -> tuple[Receipt, list[Publication]]:
        """Decide on a draft; the list holds what members are to be told, usually one or none."""
        known = draft.idempotency_key
        if known is not None and (found := self._receipts.get(known)) is not None:
            return Receipt(found[1].cursor, Outcome.REPEATED), []
        checksum = zlib.crc32(draft.packet)
        if draft.attachments:
            checksum = zlib.crc32(b"".join(draft.attachments), checksum)
        outcome = _ACCEPTED
        if draft.key is not None and self._kind.snapshot:
            outcome = self._apply(draft, draft.key, checksum, now)
        told = [self._append(draft, checksum, now.seconds)] if outcome is _ACCEPTED else []
        receipt = Receipt(Cursor(self._epoch, self._offset, self._proof), outcome)
        if self._values_bytes > self._values_limit_bytes or len(self._values) > self._values_limit:
            told += self._evict(now)
        if known is not None:
            self._remember(known, receipt, now.seconds)
        return receipt, told

    def history(self, since: Cursor, now_seconds: float) -> list[Publication] | None:
        """Everything after `since`, or None when that cannot be known to be everything."""
        self._trim(now_seconds)
        behind = self._offset - since.offset
        if since.epoch != self._epoch or not 0 <= behind <= len(self._history):
            return None
        start = len(self._history) - behind
        proof = self._history[start - 1].proof if start else self._trimmed_proof
        if proof != since.proof:
            return None
        return [self._history[index] for index in range(start, len(self._history))]

    def values(self) -> bytes:
        """The last values as a JSON array; the same bytes until something changes."""
        if self._array is None:
            self._array = snapshot.array_of(value.value() for value in self._values.values())
            self._values_bytes = sum(value.size_bytes for value in self._values.values())
        return self._array

    def expire(self, now: Moment) -> list[Publication]:
        """Forget what is too old; the list tells of bikes that were not heard of for too long."""
        seconds = now.seconds
        self._trim(seconds)
        _drop_while(self._receipts, lambda entry: entry[0] <= seconds - IDEMPOTENCY_SECONDS)
        _drop_while(self._tombstones, lambda entry: entry[1] <= seconds)
        told: list[Publication] = []
        if self._kind.expire_seconds:
            limit = seconds - self._kind.expire_seconds
            while self._values:
                key, value = next(iter(self._values.items()))
                if value.heard.seconds > limit:
                    break
                told.append(self._remove(key, "expired", now))
        return told

    def is_over(self, seconds: float) -> bool:
        """Whether the room may be forgotten when nobody reads it.

        A blank one still says to whoever is soon back that nothing, or what, has been missed.
        """
        idle_seconds = seconds - self.touched_seconds
        is_blank = not (self._history or self._values or self._receipts or self._tombstones)
        return idle_seconds > self._kind.idle_seconds or (
            is_blank and idle_seconds > self._kind.history_seconds
        )

    def _evict(self, now: Moment) -> list[Publication]:
        """Let those go that were not heard of for the longest time; one may be as large as all."""
        told: list[Publication] = []
        while len(self._values) > self._values_limit or (
            self._values_bytes > self._values_limit_bytes and len(self._values) > 1
        ):
            told.append(self._remove(next(iter(self._values)), "evicted", now))
        return told

    def _append(self, draft: Draft, checksum: int, seconds: float) -> Publication:
        self._offset = offset = self._offset + 1
        # Chained, so that equal proofs mean equal histories; Redis' Lua can compute it too.
        self._proof = proof = (self._proof * 31 + checksum) & 0xFFFFFFFF
        publication = Publication(
            self._room,
            self._epoch,
            offset,
            proof,
            draft.event,
            draft.packet,
            draft.author,
            draft.key,
            draft.op,
            draft.attachments,
            draft.names,
            draft.accepted_us,
            draft.trace,
        )
        history = self._history
        history.append(publication)
        self._moments.append(seconds)
        if len(history) > self._kind.history_length:
            self._drop_oldest()
        self.touched_seconds = seconds
        return publication

    def _apply(self, draft: Draft, key: str, checksum: int, now: Moment) -> Outcome:
        """Newer wins: change the last value, or say why not."""
        value = self._values.get(key)
        time_ms = draft.time_ms
        if value is not None and time_ms is not None and draft.op is _UPSERT:
            # What nearly every update is: news, by its own clock, of a bike that is known.
            last = value.heard
            if time_ms < last.time_ms:
                return Outcome.STALE
            if time_ms == last.time_ms and checksum == last.checksum:
                return Outcome.DUPLICATE
            self._revise(key, value, draft, Heard(time_ms, checksum, now.seconds))
            return _ACCEPTED
        return self._apply_with_care(draft, key, checksum, now)

    def _apply_with_care(self, draft: Draft, key: str, checksum: int, now: Moment) -> Outcome:
        """A bike that is new, or gone, or going, or that does not say when it was seen."""
        value = self._values.get(key)
        tombstone = self._tombstones.get(key)
        last_ms = value.heard.time_ms if value else tombstone[0] if tombstone else None
        time_ms = now.wall_ms if draft.time_ms is None else draft.time_ms
        if last_ms is not None and time_ms < last_ms:
            if draft.time_ms is not None:
                return Outcome.STALE
            time_ms = last_ms  # the clock went back, or the bike's is ahead
        if draft.op is Op.REMOVE:
            self._bury(key, time_ms, now.seconds)
            if value is None and tombstone is not None:
                return Outcome.DUPLICATE  # not told again, but known to be gone for longer
        elif draft.time_ms is not None and draft.time_ms == last_ms and value is None:
            return Outcome.STALE  # seen no later than the removal
        else:
            self._tombstones.pop(key, None)
            self._revise(key, value, draft, Heard(time_ms, checksum, now.seconds))
        return _ACCEPTED

    def _revise(self, key: str, value: LastValue | None, draft: Draft, heard: Heard) -> None:
        values = self._values
        if value is None:
            value = LastValue(draft.payload, heard, draft.names)
            self._values_bytes += value.size_bytes
        else:
            del values[key]  # to come in again as the most recently heard
            self._values_bytes += value.patch(draft.payload, heard, draft.names)
        values[key] = value
        self._array = None

    def _bury(self, key: str, time_ms: int, seconds: float) -> None:
        value = self._values.pop(key, None)
        if value is not None:
            self._values_bytes -= value.size_bytes
            self._array = None
        self._tombstones.pop(key, None)
        self._tombstones[key] = (time_ms, seconds + self._kind.tombstone_seconds)
        if len(self._tombstones) > self._kind.values_limit:
            del self._tombstones[next(iter(self._tombstones))]

    def _remove(self, key: str, reason: str, now: Moment) -> Publication:
        self._bury(key, self._values[key].heard.time_ms, now.seconds)
        self._array = None
        draft = removal_of(self._room, key, reason)
        return self._append(draft, zlib.crc32(draft.packet), now.seconds)

    def _remember(self, key: str, receipt: Receipt, seconds: float) -> None:
        self._receipts[key] = (seconds, receipt)
        if len(self._receipts) > IDEMPOTENCY_KEYS_LIMIT:
            del self._receipts[next(iter(self._receipts))]

    def _trim(self, seconds: float) -> None:
        limit = seconds - self._kind.history_seconds
        while self._moments and self._moments[0] <= limit:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        self._moments.popleft()
        self._trimmed_proof = self._history.popleft().proof


def _drop_while(entries: dict[str, _Entry], is_old: Callable[[_Entry], bool]) -> None:
    """Drop entries from the front, where the oldest are, as long as they are old."""
    while entries:
        key, entry = next(iter(entries.items()))
        if not is_old(entry):
            return
        del entries[key]
