"""This module owns the riders of one process, and the window in which all is counted.

It brings them in, seats them in rooms and lets them publish.
"""

from __future__ import annotations

import asyncio
import os
from time import monotonic, process_time
from typing import TYPE_CHECKING, Final, TypeVar

from loadtest import cpu
from loadtest.handshake import Address, HandshakeFailed, board
from loadtest.measurement import Durations, Measurement
from loadtest.rider import Rider, Tally
from loadtest.scenarios import PAYLOADS
from loadtest.tokens import token_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from loadtest.plan import Link, Plan

Result = TypeVar("Result")

# Below the listen backlog of 128 that asyncio and Node servers commonly have.
_HANDSHAKES_AT_ONCE: Final = 64
_ATTEMPTS: Final = 3
_QUIET_SECONDS: Final = 0.4
_SETTLE_SECONDS: Final = 8.0


class Crew:
    """All connections of this process. Rider i sits in room i modulo the number of rooms."""

    def __init__(self, plan: Plan, link: Link) -> None:
        self.plan = plan
        self.scenario = plan.scenario
        self.link = link
        self.tally = Tally(plan.origin_ns)
        self.riders: list[Rider] = []
        self.make = PAYLOADS[self.scenario.payload](self.scenario.fleet)
        self.published = 0
        self.on_publish: Callable[[bytes, int], None] | None = None
        total = self.scenario.members + 1
        self.tokens = [token_of(plan.first_number + number, plan.secret) for number in range(total)]

    def room_of(self, number: int) -> str:
        return f"city:load-{number % self.scenario.rooms}"

    def address_of(self, number: int) -> Address:
        """Neighbours in a room, and the publishers of neighbouring rooms, sit on other workers."""
        busy = len(self.plan.addresses) - self.scenario.idle_workers
        return self.plan.addresses[(number + number // self.scenario.rooms) % busy]

    async def board_one(self, number: int) -> Rider:
        """A new connected rider. Raises HandshakeFailed after a few attempts."""
        for attempt in range(_ATTEMPTS):
            rider = Rider(self.tally, self.scenario.sample_every - 1)
            try:
                token: dict[str, object] = {"token": self.tokens[number % len(self.tokens)]}
                await board(rider, self.address_of(number), token, self.plan.first_number + number)
            except HandshakeFailed:
                if attempt == _ATTEMPTS - 1:
                    raise
                await asyncio.sleep(0.2)
            else:
                return rider
        raise AssertionError

    async def board_all(self, phase: str = "connecting") -> None:
        self.riders = await self.side_by_side(phase, self.scenario.members, self.board_one)

    async def seat_all(self) -> None:
        async def seat(number: int) -> bytes:
            return await self.riders[number].ask("join-room", {"roomId": self.room_of(number)})

        await self.side_by_side("joining", len(self.riders), seat)

    async def side_by_side(
        self, phase: str, total: int, work: Callable[[int], Awaitable[Result]]
    ) -> list[Result]:
        """Do `work` for every number below `total`, a bounded count of them at any time."""
        results: dict[int, Result] = {}
        numbers = iter(range(total))

        async def worker() -> None:
            for number in numbers:
                results[number] = await work(number)
                if len(results) % 100 == 0:
                    self.link.progress(phase, len(results), total)

        async with asyncio.TaskGroup() as workers:
            for _ in range(min(total, _HANDSHAKES_AT_ONCE)):
                workers.create_task(worker())
        self.link.progress(phase, total, total)
        return [results[number] for number in range(total)]

    def publishers(self) -> list[tuple[Rider, str]]:
        """Of each room the first riders, with the room that they publish into."""
        count = self.scenario.rooms * self.scenario.publishers_per_room
        return [(rider, self.room_of(number)) for number, rider in enumerate(self.riders[:count])]

    def listeners(self) -> list[Rider]:
        return self.riders[self.scenario.rooms * self.scenario.publishers_per_room :]

    def publish(self, rider: Rider, room: str) -> None:
        sent_ns = self.tally.now()
        body = self.make(room, self.published, sent_ns)
        self.published += 1
        if self.on_publish is not None:
            self.on_publish(body, sent_ns)
        rider.publish(body, sent_ns)

    def received(self) -> int:
        return sum(rider.received for rider in self.riders)

    async def settle_acks(self, patience_seconds: float = _SETTLE_SECONDS) -> None:
        """Wait until every publication is acknowledged, or a connection is lost."""
        tally = self.tally

        def is_over() -> bool:
            return tally.acked >= tally.sent or tally.closed > 0

        await _wait_until(is_over, patience_seconds, 0.005)

    async def settle(self) -> None:
        """Wait until nothing more arrives; for a server that is far behind, not forever."""
        seen = (-1, -1)

        def is_quiet() -> bool:
            nonlocal seen
            return seen == (seen := (self.received(), self.tally.acked))

        await _wait_until(is_quiet, _SETTLE_SECONDS, _QUIET_SECONDS)


async def _wait_until(
    is_over: Callable[[], bool], patience_seconds: float, interval_seconds: float
) -> None:
    # Looked at again and again: an event would have to be set in the hot path, for every delivery.
    deadline = monotonic() + patience_seconds
    while not is_over() and monotonic() < deadline:  # noqa: ASYNC110 - see above
        await asyncio.sleep(interval_seconds)


class Window:
    """From here to `close` the server's cost and the riders' counts are taken."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self._usage = cpu.usage_of(*crew.plan.server_pids)
        self._idle_usage = self._usage_of_idle()
        self._counts = self._read_counts()
        crew.tally.latency.clear()
        crew.tally.ack_latency.clear()
        self._own_waited = cpu.waited_seconds_of(os.getpid())
        self._own_cpu, self._opened = process_time(), monotonic()

    def _read_counts(self) -> tuple[int, int]:
        return self._crew.tally.acked, self._crew.received()

    def _usage_of_idle(self) -> cpu.Usage:
        idle = self._crew.scenario.idle_workers
        return cpu.usage_of(*self._crew.plan.server_pids[-idle:]) if idle else cpu.Usage()

    def _figures(self, seconds: float) -> dict[str, float]:
        if not self._crew.scenario.idle_workers:
            return {}
        idle_seconds = self._usage_of_idle().cpu_seconds - self._idle_usage.cpu_seconds
        return {"idle_workers_core_percent": idle_seconds / seconds * 100}

    def close(self, units: int | None = None) -> Measurement:
        """The measurement; its units are deliveries unless told otherwise."""
        seconds, own_cpu = monotonic() - self._opened, process_time() - self._own_cpu
        usage, tally = cpu.usage_of(*self._crew.plan.server_pids), self._crew.tally
        acked, received = (
            now - then for now, then in zip(self._read_counts(), self._counts, strict=True)
        )
        return Measurement(
            seconds=seconds,
            units=received if units is None else units,
            publications=acked,
            deliveries=received,
            server_user_seconds=usage.user_seconds - self._usage.user_seconds,
            server_system_seconds=usage.system_seconds - self._usage.system_seconds,
            server_waited_seconds=usage.waited_seconds - self._usage.waited_seconds,
            swarm_cpu_seconds=own_cpu,
            swarm_waited_seconds=cpu.waited_seconds_of(os.getpid()) - self._own_waited,
            memory_before_bytes=self._usage.resident_bytes,
            memory_after_bytes=usage.resident_bytes,
            latency=Durations.of(tally.latency) if tally.latency.count else None,
            ack_latency=Durations.of(tally.ack_latency) if tally.ack_latency.count else None,
            figures=self._figures(seconds),
        )

    async def run(self, seconds: float, phase: str = "measuring") -> None:
        """Let `seconds` pass, telling the parent how far they are."""
        await pass_time(self._crew.link, seconds, phase)


async def pass_time(link: Link, seconds: float, phase: str) -> None:
    start = monotonic()
    while (passed := monotonic() - start) < seconds:
        link.progress(phase, passed, seconds)
        await asyncio.sleep(min(0.25, seconds - passed))
    link.progress(phase, seconds, seconds)
