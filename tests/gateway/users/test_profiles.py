"""Users for reading: from memory, else from what workers share, else the store."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import pytest

from gateway.metrics import Metrics
from gateway.users.profiles import Profiles
from gateway.users.store import StoreUnavailable
from gateway.users.user import User, changed
from protocol.users import UserChanges
from tests.gateway.users.people import NOW_MS, person

ADA = person(1)
LATER = changed(ADA, UserChanges(name="Ada L."), NOW_MS + 5)


class Kept:
    """Users of a database that answers when it is let."""

    def __init__(self) -> None:
        self.users = {ADA.id: ADA}
        self.asked = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def find_by_id(self, user_id: str) -> User | None:
        self.asked += 1
        user = self.users.get(user_id)
        await self.gate.wait()
        return user


class Shared:
    """A shelf in this process: what it is told is what happens."""

    def __init__(self) -> None:
        self.users: dict[str, User] = {}
        self.permits: dict[str, str] = {}
        self.is_stopped = False
        self.asked = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def find(self, user_id: str) -> User | str | None:
        self.asked += 1
        found = self.users.get(user_id)
        if found is None:
            self.permits[user_id] = f"permit {self.asked}"
            return self.permits[user_id]
        return found

    def put(self, user: User, permit: str) -> None:
        if self.permits.get(user.id) == permit:
            self.users[user.id] = user

    async def forget(self, user_ids: Collection[str]) -> None:
        await self.gate.wait()
        for user_id in user_ids:
            self.users.pop(user_id, None)
            self.permits.pop(user_id, None)

    def forget_all(self) -> None:
        self.users.clear()

    async def stop(self) -> None:
        self.is_stopped = True


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def shared() -> Shared:
    return Shared()


def worker(kept: Kept, shared: Shared, metrics: Metrics | None = None) -> Profiles:
    return Profiles(kept.find_by_id, shared, metrics)


async def test_the_store_is_asked_once_for_all_workers(kept: Kept, shared: Shared) -> None:
    metrics = Metrics()
    here, there = (worker(kept, shared, metrics) for _ in range(2))
    assert [await each.get(ADA.id) for each in (here, there, here, there)] == [ADA] * 4

    assert (kept.asked, shared.asked) == (1, 2)
    assert metrics.user_reads == {"memory": 2, "shared": 1, "store": 1, "other": 0}
    assert sum(metrics.user_read_seconds["store"].counts) == 1


async def test_who_is_in_memory_is_found_without_a_question(kept: Kept, shared: Shared) -> None:
    metrics = Metrics()
    profiles = worker(kept, shared, metrics)
    assert profiles.find(ADA.id) is None
    assert await profiles.get(ADA.id) == profiles.find(ADA.id) == ADA
    await profiles.forget([ADA.id])

    assert profiles.find(ADA.id) is None
    assert metrics.user_reads == {"memory": 1, "shared": 0, "store": 1, "other": 0}


async def test_many_who_ask_at_once_are_one_question(kept: Kept, shared: Shared) -> None:
    profiles = worker(kept, shared)
    assert await asyncio.gather(*(profiles.get(ADA.id) for _ in range(20))) == [ADA] * 20
    assert (kept.asked, shared.asked) == (1, 1)


async def test_nobody_is_remembered_too_but_here_alone(kept: Kept, shared: Shared) -> None:
    profiles = worker(kept, shared)
    assert await profiles.get("nobody") is await profiles.get("nobody") is None
    assert profiles.find("nobody") is None
    assert kept.asked == 1
    assert not shared.users


async def test_after_a_change_nobody_here_reads_what_was_before(kept: Kept, shared: Shared) -> None:
    profiles = worker(kept, shared)
    await profiles.get(ADA.id)
    kept.users[ADA.id] = LATER
    await profiles.forget([ADA.id])
    assert await profiles.get(ADA.id) == LATER


async def test_what_was_taken_from_the_shelf_while_it_was_cleared_is_not_kept(
    kept: Kept, shared: Shared
) -> None:
    profiles = worker(kept, shared)
    await profiles.get(ADA.id)
    kept.users[ADA.id] = LATER
    shared.gate.clear()
    forgetting = asyncio.create_task(profiles.forget([ADA.id]))
    await asyncio.sleep(0)
    assert await profiles.get(ADA.id) == ADA, "the change is not acknowledged yet"
    shared.gate.set()
    await forgetting
    assert await profiles.get(ADA.id) == LATER


async def test_a_read_from_before_a_change_puts_nothing_back(kept: Kept, shared: Shared) -> None:
    here, there = (worker(kept, shared) for _ in range(2))
    kept.gate.clear()
    before = asyncio.create_task(here.get(ADA.id))
    while not kept.asked:  # noqa: ASYNC110 - a few turns
        await asyncio.sleep(0)
    kept.users[ADA.id] = LATER
    await there.forget([ADA.id])
    kept.gate.set()
    assert await before == ADA
    assert not shared.users
    assert await there.get(ADA.id) == LATER


async def test_what_the_store_refuses_is_refused_and_nothing_is_remembered(
    kept: Kept, shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(_: str) -> User | None:
        raise StoreUnavailable

    with monkeypatch.context() as patched:
        patched.setattr(kept, "find_by_id", away)
        with pytest.raises(StoreUnavailable):
            await worker(kept, shared).get(ADA.id)
    assert not shared.users
    profiles = worker(kept, shared)
    assert await profiles.get(ADA.id) == ADA


async def test_it_takes_the_shelf_down_with_it(kept: Kept, shared: Shared) -> None:
    profiles = worker(kept, shared)
    await profiles.get(ADA.id)
    profiles.forget_all()
    assert not shared.users
    await profiles.stop()
    assert shared.is_stopped
