"""This module owns the canary: one connection that asks every 5 ms, and so feels every stall.

It runs in a process of its own. In the riders' process it would feel the riders' stalls instead.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from loadtest.crew import Crew
from loadtest.measurement import Durations, Measurement

if TYPE_CHECKING:
    from loadtest.plan import Link, Plan

_INTERVAL_SECONDS: Final = 0.005
_PATIENCE_SECONDS: Final = 30.0
_ROOM: Final = "city:canary"


async def run(plan: Plan, link: Link) -> Measurement:
    crew = Crew(plan, link)
    rider = await crew.board_one(0)
    await rider.ask("join-room", {"roomId": _ROOM})
    await link.wait_for_go()
    loop = asyncio.get_running_loop()
    start = loop.time()
    latest = 0.0
    asked = 0
    while loop.time() - start < plan.scenario.seconds:
        latest = max(latest, loop.time() - start - asked * _INTERVAL_SECONDS)
        crew.publish(rider, _ROOM)
        asked += 1
        await asyncio.sleep(start + asked * _INTERVAL_SECONDS - loop.time())
    await crew.settle_acks(_PATIENCE_SECONDS)
    return Measurement(
        seconds=loop.time() - start,
        units=asked,
        ack_latency=Durations.of(crew.tally.ack_latency),
        figures={
            "longest_stall_ms": crew.tally.ack_latency.largest / 1e6,
            # When this is near the stall, the canary itself was kept from running.
            "canary_lateness_ms": latest * 1000,
            "unanswered_count": crew.tally.sent - crew.tally.acked,
        },
    )
