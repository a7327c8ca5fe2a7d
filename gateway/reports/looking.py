"""This module owns a look into a room by somebody who is not in it."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gateway.broker.contract import Broker, History
from gateway.identity import Identity
from gateway.rooms import access
from gateway.rooms.publication import Publication
from protocol.cursor import Cursor
from protocol.reports import Heard, LookRequest, RoomLook

# What people read of a room; whoever wants all of it joins.
MEMBERS_SHOWN: Final = 200
VALUES_SHOWN: Final = 200
HEARD_SHOWN: Final = 100

_decode_values = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_event = msgspec.json.Decoder(list[Any]).decode


class Looking:
    """Reads rooms from the broker, and leaves no trace there."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def look(self, identity: Identity, request: LookRequest) -> RoomLook:
        """What a room holds, and what has come since. Raises `Refused` or `BrokerUnavailable`."""
        room = request.room_id
        access.check_join(identity, room)
        members = await self._broker.members(room)
        history: History | None = None
        if request.since is not None:
            history = await self._broker.history(room, Cursor.parse(request.since))
        values: list[msgspec.Raw] | None = None
        if history is None:
            snapshot = await self._broker.snapshot(room)
            cursor, values = snapshot.cursor, _decode_values(snapshot.values)
        else:
            cursor = history.cursor
        newest = history.publications[-HEARD_SHOWN:] if history is not None else ()
        return RoomLook(
            room_id=room,
            cursor=str(cursor),
            members=members[:MEMBERS_SHOWN],
            member_count=len(members),
            values=None if values is None else values[:VALUES_SHOWN],
            value_count=None if values is None else len(values),
            heard=[_heard(publication) for publication in newest],
        )


def _heard(publication: Publication) -> Heard:
    """The event as its packet says it; of binary attachments only the placeholders are shown."""
    packet = publication.packet
    name, *arguments = _decode_event(packet[packet.index(b"[") :])
    return Heard(name, arguments[0] if arguments else None)
