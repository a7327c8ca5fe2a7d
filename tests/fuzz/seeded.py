"""This module owns one target under seeded damage: the same inputs in the same order every time.

`python -m tests.fuzz.seeded NAME SEED SECONDS` prints how many inputs there were; with a finding
its status is 77, as libFuzzer's is. This is what there is where Atheris is not installed, and what
a run in CI is short enough for.
"""

from __future__ import annotations

import itertools
import sys
import time
from random import Random

from tests.fuzz.mutation import mutated
from tests.fuzz.targets import INPUT_LIMIT_BYTES, TOKENS, Target, judge_input, targets

FINDING_STATUS = 77


class Spoiled(AssertionError):
    """An input that shows a bug, in a form to be pasted into a test."""

    def __init__(self, number: int, data: bytes) -> None:
        super().__init__(f"input {number}: {data!r}")


def judge_inputs(target: Target, seed: object, seconds: float) -> int:
    """Judge input after input for so long; how many. Raises `Spoiled` from what went wrong."""
    random = Random(f"{seed}")
    end = time.monotonic() + seconds
    for number in itertools.count(1):
        data = mutated(random, random.choice(target.seeds), target.seeds, TOKENS)
        data = data[:INPUT_LIMIT_BYTES]
        try:
            judge_input(target, data)
        except Exception as error:
            raise Spoiled(number, data) from error
        if time.monotonic() > end:
            break
    return number


def main() -> None:
    """Run one target."""
    name, seed, seconds = sys.argv[1:]
    with targets() as table:
        try:
            count = judge_inputs(table[name], f"{seed}-{name}", float(seconds))
        except Spoiled as spoiled:
            sys.excepthook(type(spoiled), spoiled, spoiled.__traceback__)
            sys.exit(FINDING_STATUS)
    sys.stdout.write(f"inputs: {count}\n")


if __name__ == "__main__":
    main()
