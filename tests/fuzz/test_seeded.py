"""A run that could find nothing would be no run: bugs are planted, and have to be found."""

from __future__ import annotations

import ast
import time

import pytest

from tests.fuzz.seeded import Spoiled, judge_inputs
from tests.fuzz.targets import TIME_LIMIT_SECONDS, Target


def trip_over_nan(data: bytes) -> None:
    if b"NaN" in data:
        raise KeyError(0)


def take_too_long(data: bytes) -> None:
    if len(data) > 20:
        began_seconds = time.thread_time()
        while time.thread_time() < began_seconds + 1.1 * TIME_LIMIT_SECONDS:
            pass


def test_a_bug_is_found_with_the_input_that_shows_it() -> None:
    with pytest.raises(Spoiled) as spoiled:
        judge_inputs(Target(trip_over_nan, (b"[1,2]",)), seed=1, seconds=10)

    data = ast.literal_eval(str(spoiled.value).partition(": ")[2])
    assert b"NaN" in data
    assert isinstance(spoiled.value.__cause__, KeyError)


def test_what_takes_too_long_is_a_bug() -> None:
    with pytest.raises(Spoiled):
        judge_inputs(Target(take_too_long, (b"[1,2]",)), seed=1, seconds=10)


def test_the_same_seed_gives_the_same_inputs() -> None:
    def inputs_of(seed: int) -> list[bytes]:
        inputs: list[bytes] = []
        judge_inputs(Target(inputs.append, (b"[1,2]", b'{"a":1}')), seed, seconds=0.05)
        return inputs[:50]

    assert inputs_of(1) == inputs_of(1) != inputs_of(2)
