"""The contract of a registry, over every backend."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from gateway.workers.folder import FolderRegistry, private_directory
from gateway.workers.registry import ALIVE_SECONDS, ANNOUNCE_SECONDS, Registry
from gateway.workers.shared import Call, SharedRegistry
from tests.gateway.workers.places import place_of

NewRegistry = Callable[[], Registry]


@pytest.fixture(params=["folder", "Redis"])
def new_registry(request: pytest.FixtureRequest, tmp_path: Path) -> NewRegistry:
    """What gives another worker's way into the same registry."""
    if request.param == "folder":
        directory = private_directory(tmp_path / "run")
        return lambda: FolderRegistry(directory)
    call: Call = request.getfixturevalue("call")
    return lambda: SharedRegistry(call, "test")


async def test_who_is_announced_is_found_by_everybody(new_registry: NewRegistry) -> None:
    one, two = new_registry(), new_registry()
    await one.announce(place_of("aaaaaa"))
    await two.announce(place_of("bbbbbb"))

    assert await one.find("bbbbbb") == await two.find("bbbbbb") == place_of("bbbbbb")
    assert sorted(place.worker_id for place in await one.all()) == ["aaaaaa", "bbbbbb"]
    assert sorted(place.worker_id for place in await two.all()) == ["aaaaaa", "bbbbbb"]
    assert await one.find("cccccc") is None
    for worker_id, registry in (("aaaaaa", one), ("bbbbbb", two)):
        await registry.withdraw(worker_id)


async def test_what_is_announced_last_counts(new_registry: NewRegistry) -> None:
    one, two = new_registry(), new_registry()
    long = place_of("aaaaaa", url="http://a-rather-long-name.example:8080")
    leaving = msgspec.structs.replace(place_of("aaaaaa"), is_leaving=True)
    for place in (place_of("aaaaaa"), long, leaving, place_of("aaaaaa")):
        await one.announce(place)

        assert await two.all() == [place]
        assert await two.find("aaaaaa") == place
    await one.withdraw("aaaaaa")


async def test_who_is_withdrawn_is_gone_and_may_be_withdrawn_again(
    new_registry: NewRegistry,
) -> None:
    one, two = new_registry(), new_registry()
    await one.announce(place_of("aaaaaa"))
    await one.withdraw("aaaaaa")
    await one.withdraw("aaaaaa")
    await one.withdraw("cccccc")

    assert await two.find("aaaaaa") is None
    assert await two.all() == []


@pytest.mark.parametrize("text", ["../../etc/passwd", "", "a" * 500, "\0"])
async def test_a_stranger_s_text_finds_nobody(new_registry: NewRegistry, text: str) -> None:
    assert await new_registry().find(text) is None


def test_a_live_worker_is_announced_often_enough_to_miss_twice() -> None:
    assert ANNOUNCE_SECONDS * 3 < ALIVE_SECONDS
