"""This module owns THE table: every event by name, its class, its direction, who may send it."""

from __future__ import annotations

from typing import Final

import msgspec

from protocol import bikes, events

CONTRACT_VERSION: Final = "0.1.0"


class ClientEvent(msgspec.Struct, frozen=True):
    """A row: what clients may send. `needs` is the right that the sender must have in the room."""

    argument: type[events.Event]
    ack: type[events.Event]
    needs: str
    summary: str
    body: type[msgspec.Struct] | None = None  # its shape on the wire, where that is another class
    room_alone: bool = False  # the room's name by itself is short for `{roomId: name}`
    options: type[events.Event] | None = None  # what may come as a second argument

    @property
    def shape(self) -> type[msgspec.Struct]:
        """What the argument looks like on the wire."""
        return self.body or self.argument


class ServerEvent(msgspec.Struct, frozen=True):
    """A row: what clients may receive."""

    argument: type[events.Event] | None  # None: whatever the sender's object was
    summary: str

    @property
    def shape(self) -> type[msgspec.Struct]:
        """What the argument looks like on the wire."""
        return self.argument or events.BikeUpdateBody


CLIENT_EVENTS: Final[dict[str, ClientEvent]] = {
    "join-room": ClientEvent(
        events.JoinRoom, events.Joined, "join", "Enter a room.", room_alone=True
    ),
    "leave-room": ClientEvent(
        events.LeaveRoom, events.Left, "nothing", "Leave a room.", room_alone=True
    ),
    "bike-update": ClientEvent(
        events.BikeUpdate,
        events.Published,
        "publish",
        "Tell a room the news of a bike.",
        body=events.BikeUpdateBody,
        options=events.UpdateOptions,
    ),
    "publish": ClientEvent(
        events.Publish, events.Published, "publish", "Send any other event to a room."
    ),
    "presence": ClientEvent(
        events.Presence, events.Members, "join", "Ask who is in a room.", room_alone=True
    ),
    "authenticate": ClientEvent(
        events.Authenticate, events.Authenticated, "nothing", "Replace the token of this socket."
    ),
}

SERVER_EVENTS: Final[dict[str, ServerEvent]] = {
    "bike-updated": ServerEvent(None, "The object of a bike-update, verbatim."),
    "bike-removed": ServerEvent(events.BikeRemoved, "A bike is gone."),
    "member-joined": ServerEvent(events.MemberJoined, "Somebody entered the room."),
    "member-left": ServerEvent(events.MemberLeft, "Somebody left the room."),
    "room-reset": ServerEvent(events.RoomReset, "Continuity is lost; fetch the snapshot again."),
    "token-expiring": ServerEvent(events.TokenExpiring, "The token is about to expire."),
    "goodbye": ServerEvent(events.GoodbyeNotice, "The gateway is about to close this socket."),
}

# Names that Socket.IO libraries give a meaning of their own; no event may carry them.
SOCKET_IO_NAMES: Final = frozenset(
    {
        "connect",
        "connect_error",
        "disconnect",
        "disconnecting",
        "error",
        "newListener",
        "removeListener",
    }
)
# What a stream begins with, where a socket has an acknowledgement.
STREAM_JOINED: Final = "room-joined"
RESERVED_NAMES: Final = (
    SOCKET_IO_NAMES | CLIENT_EVENTS.keys() | SERVER_EVENTS.keys() | {STREAM_JOINED}
)
EVENT_NAME_LIMIT_CHARACTERS: Final = 64
EVENT_DATA_LIMIT_BYTES: Final = 32_768


def wire_shapes() -> list[type[msgspec.Struct]]:
    """Every shape that the events have on the wire, for descriptions made from them."""
    shapes: list[type[msgspec.Struct]] = [bikes.LiveBike]
    for row in CLIENT_EVENTS.values():
        shapes += [shape for shape in (row.shape, row.options, row.ack) if shape is not None]
    return [*shapes, *(row.shape for row in SERVER_EVENTS.values())]
