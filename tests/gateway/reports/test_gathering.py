"""How reports come together, while somebody looks and not otherwise."""

from __future__ import annotations

import asyncio

from gateway.broker.contract import BrokerUnavailable
from gateway.broker.memory_sessions import MemoryIntercom
from gateway.reports.gathering import Gathering
from tests.gateway.reports.reported import Watched


class Fleet:
    """Workers that hear of each other."""

    def __init__(self, count: int) -> None:
        self.workers = [Watched(f"worker-{number}") for number in range(count)]
        self.lines: dict[str, MemoryIntercom] = {}
        self.gatherings = [
            Gathering(worker.reporter, MemoryIntercom(self.lines)) for worker in self.workers
        ]


async def answered() -> None:
    """Turns enough for every answer."""
    for _ in range(50):
        await asyncio.sleep(0)


async def test_every_worker_answers_the_one_that_asks() -> None:
    fleet = Fleet(3)
    await fleet.gatherings[0].ask()
    await answered()
    told = fleet.gatherings[0].overview()

    assert {line.worker_id for line in told.workers} == {"worker-0", "worker-1", "worker-2"}
    assert told.told_by == "worker-0"
    assert fleet.gatherings[1].overview().workers == [], "nobody looks there"


async def test_a_worker_that_nobody_asks_does_nothing() -> None:
    fleet = Fleet(2)
    await answered()

    assert [worker.looks for worker in fleet.workers] == [0, 0]


async def test_when_nobody_looks_any_more_what_was_told_is_forgotten() -> None:
    fleet = Fleet(2)
    await fleet.gatherings[0].ask()
    await answered()
    fleet.gatherings[0].rest()

    assert fleet.gatherings[0].overview().workers == []


async def test_a_worker_that_leaves_tells_those_who_ask() -> None:
    fleet = Fleet(2)
    await fleet.gatherings[0].ask()
    await answered()
    await fleet.gatherings[1].stop()
    states = {line.worker_id: line.state for line in fleet.gatherings[0].overview().workers}

    assert states == {"worker-0": "accepting", "worker-1": "left"}


async def test_without_the_others_one_still_knows_of_itself() -> None:
    class Cut(MemoryIntercom):
        def tell_all(self, topic: str, message: bytes) -> None:  # noqa: ARG002 - its signature
            raise BrokerUnavailable

    worker = Watched("alone")
    gathering = Gathering(worker.reporter, Cut({}))
    await gathering.ask()

    assert [line.worker_id for line in gathering.overview().workers] == ["alone"]
