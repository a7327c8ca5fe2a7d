"""What a worker remembers."""

from __future__ import annotations

import asyncio

import pytest

from gateway.users import cache as module
from gateway.users.cache import LIFETIME_SECONDS, Cache
from gateway.users.store import StoreUnavailable


class Source:
    """What is behind the cache; it answers when it is let."""

    def __init__(self) -> None:
        self.value = "first"
        self.asked: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.is_away = False

    async def load(self, key: str) -> str:
        self.asked.append(key)
        value = self.value
        await self.gate.wait()
        if self.is_away:
            raise StoreUnavailable
        return f"{value} {key}"


async def turns() -> None:
    """Let what was begun get as far as it can."""
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def cache(source: Source) -> Cache[str]:
    return Cache(source.load)


async def test_what_was_loaded_is_remembered(cache: Cache[str], source: Source) -> None:
    assert cache.find("a") is None
    assert await cache.get("a") == await cache.get("a") == "first a"
    assert cache.find("a") == "first a"
    assert source.asked == ["a"]
    assert (cache.hits, cache.misses) == (2, 1)


async def test_many_who_ask_at_once_are_one_question(cache: Cache[str], source: Source) -> None:
    assert set(await asyncio.gather(*(cache.get("a") for _ in range(20)))) == {"first a"}
    assert source.asked == ["a"]


async def test_who_gives_up_does_not_take_it_from_the_others(
    cache: Cache[str], source: Source
) -> None:
    source.gate.clear()
    impatient, patient = (asyncio.create_task(cache.get("a")) for _ in range(2))
    await asyncio.sleep(0)
    impatient.cancel()
    await asyncio.sleep(0)
    source.gate.set()

    assert await patient == "first a"


async def test_what_is_forgotten_is_loaded_anew(cache: Cache[str], source: Source) -> None:
    await cache.get("a")
    source.value = "second"
    cache.forget("a")

    assert await cache.get("a") == "second a"


async def test_nobody_is_told_after_a_change_what_was_read_before_it(
    cache: Cache[str], source: Source
) -> None:
    source.gate.clear()
    before = asyncio.create_task(cache.get("a"))
    await turns()
    source.value = "second"
    cache.forget("a")
    after = asyncio.create_task(cache.get("a"))
    await turns()
    source.gate.set()

    assert (await before, await after) == ("second a", "second a")
    assert source.asked == ["a", "a"]
    assert cache.find("a") == "second a"


async def test_a_failure_is_not_remembered(cache: Cache[str], source: Source) -> None:
    source.is_away = True
    with pytest.raises(StoreUnavailable):
        await cache.get("a")
    source.is_away = False

    assert await cache.get("a") == "first a"


async def test_nothing_is_remembered_for_ever(source: Source) -> None:
    now = 0.0
    cache = Cache(source.load, clock=lambda: now)
    await cache.get("a")

    now = LIFETIME_SECONDS - 1
    assert cache.find("a") == "first a"
    now = LIFETIME_SECONDS
    assert cache.find("a") is None


async def test_the_longest_unused_goes_when_it_is_full(
    cache: Cache[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ENTRIES_LIMIT", 2)
    for key in ("a", "b", "a", "c"):
        await cache.get(key)

    assert (cache.find("a"), cache.find("b"), cache.find("c")) == ("first a", None, "first c")
    cache.forget_all()
    assert len(cache) == 0


async def test_what_is_renewed_is_loaded_once_and_kept_only_if_that_succeeds(
    cache: Cache[str], source: Source
) -> None:
    assert await cache.get("a") == "first a"
    source.value = "second"
    assert not cache.is_loading("a")
    assert await asyncio.gather(*(cache.renew("a") for _ in range(5))) == ["second a"] * 5
    assert (source.asked, cache.find("a")) == (["a", "a"], "second a")

    source.is_away = True
    with pytest.raises(StoreUnavailable):
        await cache.renew("a")
    assert cache.find("a") == "second a"
