"""What one worker knows of the others, and how seldom it asks."""

from __future__ import annotations

import asyncio

from gateway.workers.directory import DOUBT_SECONDS, LOOKS_APART_SECONDS, Directory
from gateway.workers.place import WorkerPlace
from gateway.workers.registry import RegistryUnavailable
from tests.gateway.workers.places import place_of
from tests.toolbox import virtual_time


class StagedRegistry:
    """A registry of which the test says what it knows, and whether it answers."""

    def __init__(self, *places: WorkerPlace) -> None:
        self.places = list(places)
        self.is_away = False
        self.questions = 0

    async def announce(self, place: WorkerPlace) -> None:
        self.places.append(place)

    async def withdraw(self, worker_id: str) -> None:
        self.places = [place for place in self.places if place.worker_id != worker_id]

    async def find(self, worker_id: str) -> WorkerPlace | None:
        raise AssertionError(worker_id)

    async def all(self) -> list[WorkerPlace]:
        self.questions += 1
        await asyncio.sleep(0.02)
        if self.is_away:
            raise RegistryUnavailable("it is away")
        return list(self.places)


def test_who_is_known_is_found_without_a_question() -> None:
    async def scenario() -> None:
        registry = StagedRegistry(place_of("aaaaaa"))
        directory = Directory(registry)
        await directory.look()

        for _ in range(100):
            assert await directory.find("aaaaaa") == place_of("aaaaaa")
        assert registry.questions == 1

    virtual_time.run(scenario())


def test_who_has_just_come_is_looked_for_by_all_who_miss_them_together() -> None:
    async def scenario() -> None:
        registry = StagedRegistry()
        directory = Directory(registry)
        await directory.look()
        registry.places = [place_of("aaaaaa")]
        found = await asyncio.gather(*(directory.find("aaaaaa") for _ in range(100)))

        assert found == [place_of("aaaaaa")] * 100
        assert registry.questions == 2

    virtual_time.run(scenario())


def test_a_question_that_was_asked_before_is_no_answer_to_who_came_after() -> None:
    async def scenario() -> None:
        registry = StagedRegistry()
        directory = Directory(registry)
        early = asyncio.create_task(directory.find("aaaaaa"))
        await asyncio.sleep(0.01)
        registry.places = [place_of("bbbbbb")]
        late = asyncio.create_task(directory.find("bbbbbb"))

        assert await early is None
        assert await late == place_of("bbbbbb")

    virtual_time.run(scenario())


def test_a_flood_of_ids_that_nobody_has_costs_few_questions() -> None:
    async def scenario() -> None:
        registry = StagedRegistry()
        directory = Directory(registry)
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number in range(50):
            assert await directory.find(f"{number:06}") is None
        lasted_seconds = loop.time() - began

        assert registry.questions <= lasted_seconds / LOOKS_APART_SECONDS + 2

    virtual_time.run(scenario())


def test_what_is_no_id_is_not_asked_for() -> None:
    async def scenario() -> None:
        registry = StagedRegistry()

        assert await Directory(registry).find("../etc") is None
        assert registry.questions == 0

    virtual_time.run(scenario())


def test_while_the_registry_is_away_what_was_known_still_holds() -> None:
    async def scenario() -> None:
        registry = StagedRegistry(place_of("aaaaaa"))
        directory = Directory(registry)
        await directory.look()
        registry.is_away = True
        await directory.look()

        assert await directory.find("aaaaaa") == place_of("aaaaaa")
        assert await directory.find("bbbbbb") is None
        registry.is_away = False
        registry.places = []
        await directory.look()
        assert await directory.find("aaaaaa") is None

    virtual_time.run(scenario())


def test_who_could_not_be_reached_is_left_alone_for_a_moment() -> None:
    async def scenario() -> None:
        directory = Directory(StagedRegistry(place_of("aaaaaa"), place_of("bbbbbb")))
        await directory.look()
        directory.doubt("aaaaaa")

        assert await directory.find("aaaaaa") is None
        assert await directory.find("bbbbbb") == place_of("bbbbbb")
        await asyncio.sleep(DOUBT_SECONDS + 0.1)
        assert await directory.find("aaaaaa") == place_of("aaaaaa")

    virtual_time.run(scenario())
