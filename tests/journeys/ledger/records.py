"""What everybody in a run writes down, on one clock, as lines of JSON.

The clock is CLOCK_MONOTONIC, which all processes of a machine share, in seconds. A publication has
an id that is in its body too, so that a member can say which one has come; a member says nothing
that it has worked out for itself.

    pub_invoke   room, id                  before it is sent for the first time
    pub_try      id, reason, seconds       one attempt: "ok", or what it ended with
    pub_ok       room, id, cursor          it was acknowledged
    pub_refused  room, id, reason          it was refused for good
    pub_unknown  room, id                  nobody knows
    pub_superseded  room, id               it was taken for old news
    join_invoke  room                      it wants to be in the room from now on
    join_ok      room, cursor, and what was asked and answered
    recv         room, id, cursor
    reset        room, reason              the gateway said that continuity is lost
    leave        room
    up           id                        the connection of a member, and the id of its peer
    down                                   it is gone
    presence     room, peers               who is in, says the gateway when it has had its time
    goodbye      reason                    the gateway sent a member off
    fault_start  reason, may_reset         reason is the name of the fault
    fault_stop   reason
    lag          reason, seconds           the loop of a worker, at most, since it was asked before
    busy         reason, seconds           how much of that was its own work, at most
    end
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec


class Record(msgspec.Struct, omit_defaults=True):
    """One line; what a kind does not have is left empty."""

    at: float
    who: str
    kind: str
    room: str = ""
    id: str = ""
    cursor: str = ""
    since: str | None = None
    recovered: bool | None = None
    missed: int | None = None
    bikes: list[str] | None = None  # the ids in a snapshot; None when there was none
    peers: list[str] | None = None
    reason: str = ""
    seconds: float = 0.0
    may_reset: bool = False


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Record).decode


class Book:
    """Where the actors of one process write; what is written is kept in a file as well."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self.records: list[Record] = []

    def note(self, who: str, kind: str, **facts: Any) -> Record:  # noqa: ANN401 - Record checks them
        """Write down what happens now."""
        record = Record(time.monotonic(), who, kind, **facts)
        self.records.append(record)
        self._file.write(_encode(record) + b"\n")
        return record

    def flush(self) -> None:
        """Have it in the file, for other processes to read."""
        self._file.flush()

    def close(self) -> None:
        self._file.close()


class ForeignBook:
    """What another process writes; `read` takes up what has been added."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self.records: list[Record] = []

    def read(self) -> list[Record]:
        """All whole lines that there are by now."""
        with self._path.open("rb") as file:
            file.seek(self._offset)
            whole, end, _ = file.read().rpartition(b"\n")
        self._offset += len(whole) + len(end)
        self.records += [_decode(line) for line in whole.split(b"\n") if line]
        return self.records


def in_order(books: Iterable[Iterable[Record]]) -> list[Record]:
    """One list of all records by time; what one process wrote stays in its order."""
    return sorted((record for book in books for record in book), key=lambda record: record.at)
