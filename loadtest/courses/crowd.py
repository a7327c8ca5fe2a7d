"""This module owns the courses of crowds: many that come, stay silent, drop at once, return."""

from __future__ import annotations

import asyncio
from random import Random
from time import monotonic_ns
from typing import TYPE_CHECKING, Final

from loadtest.crew import Crew, Window, pass_time
from loadtest.histogram import Histogram
from loadtest.measurement import Durations

if TYPE_CHECKING:
    from loadtest.measurement import Measurement
    from loadtest.plan import Link, Plan
    from loadtest.rider import Rider

# Enough for a server to have loaded what it loads lazily, before its memory is called the empty
# server's.
_FIRST_GUESTS: Final = 20
_CALM_SECONDS: Final = 1.0


async def _warm_up(crew: Crew) -> None:
    guests = [await crew.board_one(number) for number in range(_FIRST_GUESTS)]
    for guest in guests:
        await guest.ask("join-room", {"roomId": "city:guests"})
        guest.drop()
    await asyncio.sleep(_CALM_SECONDS)


def _note_memory(measured: Measurement, connections: int) -> None:
    grown = measured.memory_after_bytes - measured.memory_before_bytes
    measured.figures["memory_kb_per_connection"] = grown / 1000 / connections


async def connect(plan: Plan, link: Link) -> Measurement:
    """Everybody comes as fast as the server lets them in.

    Latency is from the first TCP packet to `40{sid}`.
    """
    crew = Crew(plan, link)
    await _warm_up(crew)
    await link.wait_for_go()
    window = Window(crew)
    duration = await _board_timed(crew)
    measured = window.close(units=len(crew.riders))
    measured.latency = Durations.of(duration)
    measured.closed = crew.tally.closed
    _note_memory(measured, len(crew.riders))
    return measured


async def idle(plan: Plan, link: Link) -> Measurement:
    """Everybody is there and nobody says anything but the heartbeat."""
    crew = Crew(plan, link)
    await _warm_up(crew)
    empty = Window(crew)
    await crew.board_all()
    await link.wait_for_go()
    await pass_time(link, _CALM_SECONDS, "calming down")
    window = Window(crew)
    await window.run(crew.scenario.seconds, "idling")
    measured = window.close(units=len(crew.riders))
    measured.memory_before_bytes = empty.close().memory_before_bytes
    measured.closed = crew.tally.closed
    _note_memory(measured, len(crew.riders))
    return measured


async def drop(plan: Plan, link: Link) -> Measurement:
    """All members are gone within one loop turn.

    A canary in another process feels what that does to the server.
    """
    crew = Crew(plan, link)
    await crew.board_all()
    await crew.seat_all()
    await asyncio.sleep(_CALM_SECONDS)
    await link.wait_for_go()
    await pass_time(link, _CALM_SECONDS, "before the drop")
    window = Window(crew)
    for rider in crew.riders:
        rider.drop()
    # The rest of the time belongs to the server: it has to notice, and to let go.
    await window.run(crew.scenario.seconds - 2 * _CALM_SECONDS, "after the drop")
    return window.close(units=len(crew.riders))


async def storm(plan: Plan, link: Link) -> Measurement:
    """A room with a state loses all members; they return within seconds and get the state."""
    crew = Crew(plan, link)
    await crew.board_all()
    await _fill_room(crew)
    await crew.seat_all()
    await link.wait_for_go()
    for rider in crew.riders:
        rider.drop()
    await pass_time(link, 2 * _CALM_SECONDS, "all gone")
    window = Window(crew)
    answered_bytes: list[int] = []
    random = Random(2026)

    async def come_back(number: int) -> tuple[Rider, int]:
        await asyncio.sleep(random.random() * crew.scenario.seconds)
        start = monotonic_ns()
        rider = await crew.board_one(number)
        answered_bytes.append(
            len(await rider.ask("join-room", {"roomId": crew.room_of(0), "snapshot": True}))
        )
        return rider, monotonic_ns() - start

    returned = await asyncio.gather(*(come_back(number) for number in range(crew.scenario.members)))
    measured = window.close(units=len(returned))
    duration = Histogram()
    for _, nanoseconds in returned:
        duration.add(nanoseconds)
    measured.latency = Durations.of(duration)
    measured.figures["snapshot_kb"] = sum(answered_bytes) / len(answered_bytes) / 1000
    measured.closed = crew.tally.closed
    return measured


async def _fill_room(crew: Crew) -> None:
    """Say something of every station, so that there is a state to hand out."""
    # Before the others are seated: the state is what matters, and not a million deliveries of it.
    author = crew.riders[0]
    await author.ask("join-room", {"roomId": crew.room_of(0)})
    for number in range(crew.scenario.fleet):
        crew.publish(author, crew.room_of(0))
        if number % 50 == 0:
            crew.link.progress("filling the room", number, crew.scenario.fleet)
            await crew.settle_acks()
    await crew.settle()


async def _board_timed(crew: Crew) -> Histogram:
    duration = Histogram()

    async def board_one(number: int) -> Rider:
        start = monotonic_ns()
        rider = await crew.board_one(number)
        duration.add(monotonic_ns() - start)
        return rider

    crew.riders = await crew.side_by_side("connecting", crew.scenario.members, board_one)
    return duration
