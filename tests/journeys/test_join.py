"""Whoever joins, leaves and comes back at any moment sees everything once and in order.

The commotion is made from a seed, which a failure names; the judge sees records alone.
"""

from __future__ import annotations

from collections import Counter

import pytest

from tests.journeys.checker import Joined, Reset, Told, mistakes_of
from tests.journeys.commotion import ROOMS, Commotion
from tests.journeys.returners import Returner


def _mistakes(commotion: Commotion, history_length: int | None) -> list[str]:
    return [
        f"{room}: {mistake}"
        for room in ROOMS
        for mistake in mistakes_of(
            commotion.accepted[room],
            [member.records[room] for member in commotion.members],
            history_length=history_length,
        )
    ]


def _entries(commotion: Commotion) -> list[object]:
    return [e for member in commotion.members for room in ROOMS for e in member.records[room]]


@pytest.mark.parametrize("seed", range(60))
async def test_members_that_come_and_go_see_everything_once_and_in_order(seed: int) -> None:
    commotion = Commotion(seed)
    await commotion.run()
    assert _mistakes(commotion, history_length=1000) == []
    entries = _entries(commotion)
    assert not any(isinstance(entry, Reset) for entry in entries)
    assert sum(isinstance(entry, Told) for entry in entries) > 100
    assert sum(isinstance(entry, Joined) for entry in entries) > 20


@pytest.mark.parametrize("seed", range(60))
async def test_what_cannot_be_made_good_is_announced(seed: int) -> None:
    commotion = Commotion(1000 + seed, losses=3, epochs=2)
    await commotion.run()
    assert _mistakes(commotion, history_length=None) == []


async def test_the_commotion_has_what_it_is_there_for() -> None:
    # Seeds that never met a case would prove nothing about it.
    joined, resets = [], 0
    for seed in range(10):
        commotion = Commotion(2000 + seed, losses=3, epochs=2)
        await commotion.run()
        entries = _entries(commotion)
        joined += [entry for entry in entries if isinstance(entry, Joined)]
        resets += sum(isinstance(entry, Reset) for entry in entries)
    assert resets > 10
    assert {each.recovered for each in joined} == {None, True, False}
    assert any(each.snapshot not in {None, "[]"} for each in joined)
    assert any((each.missed or 0) > 3 for each in joined)
    assert any(each.since is None and not each.asked_snapshot for each in joined)


# ---- who is cut off goes on as itself


@pytest.mark.parametrize("seed", range(60))
async def test_who_is_cut_off_at_any_moment_misses_nothing(seed: int) -> None:
    commotion = Commotion(4000 + seed, make_member=Returner)
    await commotion.run(steps=40)
    town = Returner.towns.pop(commotion)

    assert _mistakes(commotion, history_length=1000) == []
    assert town.count("recovered") > 2


@pytest.mark.parametrize("seed", range(60))
async def test_who_is_cut_off_while_things_are_lost_is_told(seed: int) -> None:
    commotion = Commotion(5000 + seed, losses=3, epochs=2, make_member=Returner)
    await commotion.run(steps=40)
    Returner.towns.pop(commotion)

    assert _mistakes(commotion, history_length=None) == []


async def test_those_who_come_back_meet_every_end_there_is() -> None:
    results: Counter[str] = Counter()
    for seed in range(20):
        commotion = Commotion(6000 + seed, losses=3, epochs=2, make_member=Returner)
        await commotion.run(steps=40)
        for house in Returner.towns.pop(commotion).houses:
            results.update(house.metrics.recoveries)

    assert {name for name, count in results.items() if count} == {
        "recovered",
        "discontinued",
        "abandoned",
        "unknown",
    }
