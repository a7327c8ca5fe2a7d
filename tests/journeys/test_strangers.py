"""Half a minute of what `make fuzz` does for as long as one likes; the seed is always the same."""

from __future__ import annotations

import collections
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzz import live
from tests.fuzz.seeded import judge_inputs
from tests.fuzz.targets import NAMES, Target, targets
from tests.toolbox.siege import say

pytestmark = pytest.mark.journey

SEED = 1
SECONDS_OF_A_READER = 0.6
SECONDS_OF_STRANGERS = 10.0


@pytest.fixture(scope="module")
def table() -> Iterator[dict[str, Target]]:
    with targets() as table:
        yield table


@pytest.mark.parametrize("name", NAMES)
def test_no_damage_to_what_is_read_shows_a_bug(table: dict[str, Target], name: str) -> None:
    count = judge_inputs(table[name], f"{SEED}-{name}", SECONDS_OF_A_READER)
    say(f"{name}: {count} inputs")
    assert count > 10


async def test_strangers_break_nothing_leave_nothing_and_disturb_nobody(tmp_path: Path) -> None:
    visits: collections.Counter[str] = collections.Counter()
    await live.run(tmp_path, SEED, SECONDS_OF_STRANGERS, visits, say)
    assert len(visits) == 5
    assert visits.total() > 100
