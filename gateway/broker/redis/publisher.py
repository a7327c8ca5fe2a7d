"""This module owns the way into a room: a draft becomes one call of a script, its reply a receipt.

There is a closure a publication and nothing else: no task, no future. All publications of a turn
of the loop leave in one write, and are decided by Redis in that order; so are those of one room
that leave in several, also while its slot moves.
"""

from __future__ import annotations

import hashlib
import zlib
from typing import Any, Final

from gateway.broker.contract import BrokerUnavailable, RoomUnusable, Settle
from gateway.broker.redis.announcement import cursor_of, meta_of
from gateway.broker.redis.rooms import RedisRoom, RedisRooms
from gateway.logs import Offences
from gateway.redis.client import Redis
from gateway.redis.connection import pack
from gateway.redis.errors import RedisAway, exception_of, is_of_the_keys
from gateway.redis.in_order import InOrder
from gateway.rooms.publication import Draft, Op, Outcome, Receipt

_OUTCOMES: Final = (Outcome.ACCEPTED, Outcome.REPEATED, Outcome.DUPLICATE, Outcome.STALE)
_REPEATED: Final = _OUTCOMES.index(Outcome.REPEATED)
_DIGESTS_LIMIT: Final = 10_000
_COUNT_BYTES: Final = len(b"*10\r\n")  # what `pack` puts before ten words


class Publisher:
    """Publishes for one worker."""

    def __init__(self, redis: Redis, rooms: RedisRooms) -> None:
        self._in_order = InOrder(redis)
        self._rooms = rooms
        self._digests: dict[tuple[str, ...], str] = {}
        self._offences = Offences()

    def publish(self, draft: Draft, settle: Settle) -> None:
        """Accept a draft; `settle` is called exactly once, now or later."""
        room = self._rooms[draft.room]
        command = self._command_of(room, draft)

        def on_reply(reply: Any) -> None:  # noqa: ANN401 - whatever Redis says
            if type(reply) is list:
                outcome, epoch, offset, proof = reply
                place = cursor_of(epoch, offset, proof)
                if outcome != _REPEATED:  # which is told the place of then
                    room.told = place
                settle(Receipt(place, _OUTCOMES[outcome]))
            elif not self._in_order.again(reply, room.slot, command, on_reply):
                settle(self._unavailable(room, reply))

        if not self._in_order.send(room.slot, command, on_reply):
            settle(BrokerUnavailable())

    def _command_of(self, room: RedisRoom, draft: Draft) -> bytes:
        packet, time_ms = draft.packet, draft.time_ms
        checksum = zlib.crc32(packet)
        if draft.attachments:
            checksum = zlib.crc32(b"".join(draft.attachments), checksum)
        names = self._digest_of(draft.names) if draft.op is Op.UPSERT else ""
        words = pack(
            (
                meta_of(draft, names),
                packet,
                checksum,
                int(draft.op),
                draft.key or b"",
                b"" if time_ms is None else time_ms,
                names,
                len(packet) - len(draft.payload),
                draft.idempotency_key or b"",
                draft.after or b"",
            )
        )
        return room.packed_before + words[_COUNT_BYTES:] + room.packed_after

    def _digest_of(self, names: tuple[str, ...] | None) -> str:
        """The digest of a patch's field names that publish.lua makes too; '' when it clears any."""
        if names is None:
            return ""
        digest = self._digests.get(names)
        if digest is None:
            if len(self._digests) >= _DIGESTS_LIMIT:
                self._digests.clear()
            # With their lengths: a name may hold whatever would stand between two.
            joined = b"".join(b"%d:%b" % (len(name), name) for name in map(str.encode, names))
            digest = hashlib.sha1(joined, usedforsecurity=False).hexdigest()
            self._digests[names] = digest
        return digest

    def _unavailable(self, room: RedisRoom, error: Exception) -> BrokerUnavailable:
        away = error if isinstance(error, RedisAway) else exception_of(error)
        if not isinstance(away, RedisAway):
            self._offences.note("Redis refused a publication", room.name, why=str(away))
            return RoomUnusable(reason=str(away)) if is_of_the_keys(away) else BrokerUnavailable()
        return BrokerUnavailable(away.retry_after_ms)
