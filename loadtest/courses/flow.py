"""This module owns the course of publications that flow, in a closed loop or at a pace."""

from __future__ import annotations

import asyncio
from functools import partial
from itertools import cycle
from typing import TYPE_CHECKING

from loadtest.crew import Crew, Window, pass_time
from loadtest.watchers import watch

if TYPE_CHECKING:
    from loadtest.measurement import Measurement
    from loadtest.plan import Link, Plan
    from loadtest.rider import Rider


async def run(plan: Plan, link: Link) -> Measurement:
    crew = Crew(plan, link)
    await crew.board_all()
    await crew.seat_all()
    watch_over = watch(crew)
    await link.wait_for_go()
    traffic = Traffic(crew)
    traffic.start()
    await pass_time(link, crew.scenario.warm_up_seconds, "warming up")
    window = Window(crew)
    await window.run(crew.scenario.seconds)
    measured = window.close()
    await traffic.stop()
    await crew.settle()
    _count_missing(crew, measured)
    measured.checks = watch_over.verdicts(crew, measured)
    return measured


def _count_missing(crew: Crew, measured: Measurement) -> None:
    """Over the whole run, when nothing is on its way any more: how many deliveries never came."""
    scenario, tally = crew.scenario, crew.tally
    measured.closed, measured.refusals, measured.others = tally.closed, tally.refusals, tally.others
    if not scenario.can_be_counted:
        return
    refused = sum(tally.refusals.values())
    others_in_room = scenario.members / scenario.rooms - 1
    measured.expected_deliveries = round((tally.acked - refused) * others_in_room)
    measured.figures |= {
        "missing_deliveries_count": measured.expected_deliveries - crew.received(),
        "missing_acks_count": tally.sent - tally.acked,
    }


class Traffic:
    """The publishers at work, until they are stopped."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self._running = True
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        scenario = self._crew.scenario
        if scenario.in_flight:
            for rider, room in self._crew.publishers():
                rider.on_ack = partial(self._publish_next, room)
                for _ in range(scenario.in_flight):
                    self._crew.publish(rider, room)
        if scenario.publications_per_second:
            self._tasks.append(asyncio.create_task(self._publish_at_pace()))
        if scenario.churn_per_second:
            self._tasks.append(asyncio.create_task(self._come_and_go()))

    async def stop(self) -> None:
        self._running = False
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _publish_next(self, room: str, rider: Rider) -> None:
        if self._running and not rider.closed:
            self._crew.publish(rider, room)

    async def _publish_at_pace(self) -> None:
        # By the plan, not by the last sleep: a late timer is followed by a short one, and the rate
        # holds.
        scenario, loop = self._crew.scenario, asyncio.get_running_loop()
        publishers = cycle(self._crew.publishers())
        start, bursts = loop.time(), 0
        while self._running:
            for _ in range(scenario.burst):
                self._crew.publish(*next(publishers))
            bursts += 1
            await asyncio.sleep(
                start + bursts * scenario.burst / scenario.publications_per_second - loop.time()
            )

    async def _come_and_go(self) -> None:
        """One after the other, a listener leaves and another one takes the seat."""
        crew = self._crew
        first = crew.scenario.rooms * crew.scenario.publishers_per_room
        for number in cycle(range(first, len(crew.riders))):
            await asyncio.sleep(1 / crew.scenario.churn_per_second)
            crew.riders[number].drop()
            successor = await crew.board_one(number)
            successor.received = crew.riders[number].received
            await successor.ask("join-room", {"roomId": crew.room_of(number)})
            crew.riders[number] = successor
