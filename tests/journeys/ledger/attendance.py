"""What a member does about its rooms: docs/how-to/recover-after-a-gap.md, word for word.

Whatever the client, it joins with the cursor it has, keeps the newest one, and fetches a snapshot
when it was told that continuity is lost; what it sees goes into the book.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.journeys.ledger.publications import BIKE, REMOVAL
from tests.journeys.ledger.records import Book

Body = dict[str, Any]  # any JSON object


class Attendance:
    """One member's rooms. It is told what its client hears, and answers what to send."""

    def __init__(self, name: str, rooms: Sequence[str], book: Book) -> None:
        self.name, self.rooms = name, rooms
        self._book = book
        self._cursors: dict[str, str] = {}
        self._asked: set[str] = set()

    def up(self, peer_id: str) -> list[Body]:
        """The connection is there, under this id; the joins to ask for."""
        self._book.note(self.name, "up", id=peer_id)
        self._asked.clear()
        return [self.request_of(room) for room in self.rooms]

    def down(self) -> None:
        """The connection is gone, whether it was there or not."""
        self._book.note(self.name, "down")

    def request_of(self, room: str) -> Body:
        """The argument of `join-room`."""
        self._asked.add(room)
        self._book.note(self.name, "join_invoke", room=room)
        request: Body = {"roomId": room, "snapshot": True}
        if room in self._cursors:
            request["since"] = self._cursors[room]
        return request

    def joined(self, request: Body, answer: Body) -> bool:
        """The answer to a join; False when it has to be asked for again in a moment."""
        room = request["roomId"]
        self._asked.discard(room)
        data = answer.get("data")
        if data is None:
            self._book.note(self.name, "join_no", room=room, reason=answer["error"]["code"])
            return False
        since, is_recovered = request.get("since"), data.get("recovered")
        self._book.note(
            self.name,
            "join_ok",
            room=room,
            cursor=data["cursor"],
            since=since,
            recovered=is_recovered,
            missed=data.get("missed"),
            bikes=bikes_in(data),
        )
        # the events that were missed bring cursors of their own
        if not (is_recovered and data["missed"]):
            self._cursors[room] = data["cursor"]
        return True

    def told(self, event: str, arguments: Sequence[Any]) -> Body | None:
        """An event; the join to ask for, if there is need of one."""
        body = arguments[0]
        if event == "goodbye":
            self._book.note(self.name, "goodbye", reason=str(body["code"]))
        elif event == "room-reset":
            return self._reset(body)
        elif event != "token-expiring":
            room, cursor = body["roomId"], arguments[1]
            self._cursors[room] = cursor
            id_ = id_of(event, body)
            self._book.note(self.name, "recv", room=room, id=id_, cursor=cursor)
        return None

    def _reset(self, body: Body) -> Body | None:
        room = body["roomId"]
        self._book.note(self.name, "reset", room=room, reason=body["reason"])
        self._cursors.pop(room, None)
        # an answer that is under way is of a reading that begins behind the reset
        return None if room in self._asked else self.request_of(room)


def id_of(event: str, body: Mapping[str, Any]) -> str:
    """The id of a publication, from what members are told of it."""
    if event == "bike-removed":
        return f"{REMOVAL}{body['bikeId']}"
    return str(body["bike_id"] if event == "bike-updated" else body["id"])


def bikes_in(data: Mapping[str, Any]) -> list[str] | None:
    """The bikes in the snapshot of an answer, if there is one."""
    if "snapshot" not in data:
        return None
    return [bike["bike_id"] for bike in data["snapshot"] if bike["bike_id"].startswith(BIKE)]
