"""This module owns who is in which room of the namespaces that python-socketio's API serves.

The main namespace is not among them: its rooms are the hub's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from socketio import AsyncManager


class Roster(AsyncManager):  # type: ignore[misc] # python-socketio has no types
    """python-socketio's manager. Leaving costs one's own rooms; nobody hears before acceptance."""

    def __init__(self) -> None:
        super().__init__()
        self._rooms_of: dict[tuple[str, str], set[Any]] = {}

    def get_participants(self, namespace: str, room: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401
        """Everybody in a room whose handshake has been accepted; a peer's own room is its own."""
        pending = self.pending_connect.get(namespace, ())
        for sid, eio_sid in super().get_participants(namespace, room):
            if sid == room or sid not in pending:
                yield sid, eio_sid

    def basic_enter_room(
        self,
        sid: str,
        namespace: str,
        room: Any,  # noqa: ANN401 - python-socketio's None stands for everybody
        eio_sid: str | None = None,
    ) -> None:
        """Enter, and remember it from the peer's side too."""
        super().basic_enter_room(sid, namespace, room, eio_sid=eio_sid)
        self._rooms_of.setdefault((namespace, sid), set()).add(room)

    def basic_leave_room(self, sid: str, namespace: str, room: Any) -> None:  # noqa: ANN401
        """Leave."""
        super().basic_leave_room(sid, namespace, room)
        rooms = self._rooms_of.get((namespace, sid))
        if rooms is not None:
            rooms.discard(room)
            if not rooms:
                del self._rooms_of[namespace, sid]

    def get_rooms(self, sid: str, namespace: str) -> list[Any]:
        """The rooms that a peer is in."""
        return [room for room in self._rooms_of.get((namespace, sid), ()) if room is not None]

    def basic_disconnect(self, sid: str, namespace: str, **_options: Any) -> None:  # noqa: ANN401
        """Forget a peer: its own rooms are looked at, not all that there are."""
        for room in list(self._rooms_of.get((namespace, sid), ())):
            self.basic_leave_room(sid, namespace, room)
        self.callbacks.pop(sid, None)
        for pending in (self.pending_connect, self.pending_disconnect):
            waiting = pending.get(namespace, [])
            if sid in waiting:
                waiting.remove(sid)
            if not waiting:
                pending.pop(namespace, None)

    async def trigger_callback(self, sid: str, id: int, data: Any) -> None:  # noqa: A002, ANN401
        """Answer a call; an ack that nobody waits for is dropped.

        Id 0 is where python-socketio keeps its counter, so a client may not answer to it.
        """
        if id and id in self.callbacks.get(sid, {}):
            await super().trigger_callback(sid, id, data)
