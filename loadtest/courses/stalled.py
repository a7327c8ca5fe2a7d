"""This module owns the course of the reader that stops reading in a busy room, and comes back.

Afterwards it must know the newest state of every bike and every removal, by whatever the server
kept for it or, when the server has let it go meanwhile, by coming back and joining again. The
others must not have noticed.
"""

from __future__ import annotations

import asyncio
from time import time_ns
from typing import TYPE_CHECKING, Final

import msgspec

from loadtest import cpu
from loadtest.courses.flow import Traffic
from loadtest.crew import Crew, Window, pass_time
from loadtest.measurement import Check, Durations
from loadtest.rider import UPDATED

if TYPE_CHECKING:
    from loadtest.measurement import Measurement
    from loadtest.plan import Link, Plan

_REMOVED: Final = b'42["bike-removed",'
_REMOVED_BIKES: Final = 50
# After a long stall the sender's kernel tries again only every few seconds (RFC 6298, section 5.5):
# the reader is given time until the first byte, and is quiet only when it then stops.
_CATCH_UP_SECONDS: Final = 45.0
_QUIET_SECONDS: Final = 1.5
_HARM_FACTOR: Final = 3.0
_UNNOTICEABLE_MS: Final = 250.0


class Sighting(msgspec.Struct):
    """What a reader keeps of a bike."""

    vehicle_id: str = ""
    bike_id: str = msgspec.field(default="", name="bikeId")
    sent_ns: int = 0
    op: str = "upsert"


_decode_sighting: Final = msgspec.json.Decoder(Sighting).decode


class Picture:
    """The bikes as somebody knows them: name -> when the newest known state was sent."""

    def __init__(self) -> None:
        self.bikes: dict[str, int] = {}

    def look(self, payload: bytes) -> None:
        if payload.startswith(UPDATED):
            self.take(_decode_sighting(payload[len(UPDATED) : -1]))
        elif payload.startswith(_REMOVED):
            sighting = _decode_sighting(payload[len(_REMOVED) : -1])
            self.bikes.pop(sighting.bike_id or sighting.vehicle_id, None)

    def take(self, sighting: Sighting) -> None:
        if sighting.op == "remove":
            self.bikes.pop(sighting.vehicle_id, None)
        else:
            self.bikes[sighting.vehicle_id] = sighting.sent_ns

    def replace(self, acknowledgement: bytes) -> None:
        """Take the snapshot of a join instead of everything known, if the server gave one."""
        (envelope,) = msgspec.json.decode(acknowledgement, type=tuple[_Joined])
        if envelope.data.snapshot is not None:
            self.bikes.clear()
            for sighting in envelope.data.snapshot:
                self.take(sighting)


class _JoinedData(msgspec.Struct):
    snapshot: list[Sighting] | None = None


class _Joined(msgspec.Struct):
    data: _JoinedData


class Room:
    """The room of this course: the truth, as published, and the reader that will stall."""

    def __init__(self, crew: Crew) -> None:
        self.crew = crew
        self.truth = Picture()
        self.removed: list[str] = []
        self.seen = Picture()
        self.catch_up_seconds = 0.0
        self.stalled = crew.riders[-1]
        self.stalled.on_text = self.seen.look
        # Its latency is that of the stall, and no measure of the server.
        self.stalled.sample_mask = 2**62 - 1
        crew.on_publish = self._remember

    def _remember(self, body: bytes, _sent_ns: int) -> None:
        self.truth.take(_decode_sighting(body[body.index(b",") + 1 : -1]))

    def remove_some(self) -> None:
        """Bikes that nobody publishes again go: what a reader misses of that, nothing repairs."""
        author, room = self.crew.publishers()[0]
        for name in self.removed:
            body = {
                "roomId": room,
                "vehicle_id": name,
                "op": "remove",
                "timestamp": time_ns() // 1_000_000,
            }
            author.publish(msgspec.json.encode(["bike-update", body]), self.crew.tally.now())
            self.truth.bikes.pop(name)

    async def introduce(self) -> None:
        """Publish once the bikes that will be removed."""
        author, room = self.crew.publishers()[0]
        self.removed = [f"leaving-{number}" for number in range(_REMOVED_BIKES)]
        for name in self.removed:
            sent_ns = self.crew.tally.now()
            body = {
                "roomId": room,
                "vehicle_id": name,
                "lat": 48.85,
                "lon": 2.35,
                "sent_ns": sent_ns,
            }
            body["timestamp"] = time_ns() // 1_000_000
            author.publish(msgspec.json.encode(["bike-update", body]), sent_ns)
            self.truth.bikes[name] = sent_ns
        await self.crew.settle()

    async def resume(self) -> bool:
        """Read again; True when the server had closed the connection and the reader joined anew."""
        self.stalled.resume()
        await self._caught_up_or_closed()
        if not self.stalled.closed:
            return False
        number = len(self.crew.riders) - 1
        successor = await self.crew.board_one(number)
        successor.on_text = self.seen.look
        acknowledgement = await successor.ask(
            "join-room", {"roomId": self.crew.room_of(0), "snapshot": True}
        )
        self.seen.replace(acknowledgement)
        self.crew.riders[number] = self.stalled = successor
        await self._caught_up_or_closed()
        return True

    async def _caught_up_or_closed(self) -> None:
        loop = asyncio.get_running_loop()
        start = changed = loop.time()
        first = before = self.stalled.received
        while not self.stalled.closed and loop.time() - start < _CATCH_UP_SECONDS:
            await asyncio.sleep(0.05)
            if before != (before := self.stalled.received):
                changed = loop.time()
            elif self._is_over(has_begun=before != first, quiet_seconds=loop.time() - changed):
                break
        self.catch_up_seconds = changed - start

    def _is_over(self, *, has_begun: bool, quiet_seconds: float) -> bool:
        return self.missing() == (0, 0) or (has_begun and quiet_seconds > _QUIET_SECONDS)

    def missing(self) -> tuple[int, int]:
        """(bikes whose newest state the reader lacks, removed bikes that it still shows)."""
        stale = sum(
            self.seen.bikes.get(name, 0) < sent_ns for name, sent_ns in self.truth.bikes.items()
        )
        return stale, sum(name in self.seen.bikes for name in self.removed)


async def run(plan: Plan, link: Link) -> Measurement:
    crew = Crew(plan, link)
    await crew.board_all()
    await crew.seat_all()
    room = Room(crew)
    await link.wait_for_go()
    await room.introduce()
    traffic = Traffic(crew)
    traffic.start()
    await pass_time(link, 1.0, "warming up")
    calm = Window(crew)
    await calm.run(crew.scenario.warm_up_seconds, "before the stall")
    before = calm.close()
    room.stalled.pause()
    window = Window(crew)
    await window.run(crew.scenario.seconds / 2, "stalled")
    room.remove_some()
    await window.run(crew.scenario.seconds / 2, "stalled, bikes leave")
    # The last word is spoken before the reader wakes: what it then gets is what was kept for it,
    # not a new round.
    await traffic.stop()
    await crew.settle_acks()
    during = window.close()
    came_back = await room.resume()
    _tell(during, before, room, came_back=came_back, server_pids=plan.server_pids)
    return during


def _tell(
    during: Measurement,
    before: Measurement,
    room: Room,
    *,
    came_back: bool,
    server_pids: tuple[int, ...],
) -> None:
    stale, ghosts = room.missing()
    calm_ms, busy_ms = _p99_ms_of(before.latency), _p99_ms_of(during.latency)
    during.closed, during.refusals = room.crew.tally.closed, room.crew.tally.refusals
    during.others = room.crew.tally.others
    during.figures = {
        "memory_growth_kb": (during.memory_after_bytes - during.memory_before_bytes) / 1000,
        "memory_afterwards_growth_kb": (
            cpu.usage_of(*server_pids).resident_bytes - during.memory_before_bytes
        )
        / 1000,
        "others_p99_before_ms": calm_ms,
        "others_p99_during_ms": busy_ms,
        "catch_up_ms": room.catch_up_seconds * 1000,
        "reader_had_to_come_back_count": float(came_back),
    }
    by = "after joining again" if came_back else "on the same connection"
    total = len(room.truth.bikes)
    during.checks = [
        Check(
            "newest-of-every-bike",
            stale == 0,
            f"{total - stale} of {total} bikes are up to date, {by}",
        ),
        Check(
            "every-removal",
            ghosts == 0,
            f"{ghosts} of {len(room.removed)} removed bikes are still shown",
        ),
        Check(
            "others-unharmed",
            busy_ms <= max(_UNNOTICEABLE_MS, calm_ms * _HARM_FACTOR),
            f"99 % of the others' latencies below {calm_ms:.1f} ms before, {busy_ms:.1f} ms during",
        ),
    ]


def _p99_ms_of(durations: Durations | None) -> float:
    return durations.summary.p99_ms if durations else 0.0
