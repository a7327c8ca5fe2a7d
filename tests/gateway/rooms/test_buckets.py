from __future__ import annotations

import time
from itertools import pairwise

import hypothesis
import pytest
from hypothesis import strategies as st

from gateway.rooms.buckets import Allowance, Bucket, Buckets

NOW_SECONDS = 1_000_000.0
# What rounding may add up to.
ROUNDING_SECONDS = 2e-6

rates = st.floats(0.01, 10_000)
bursts = st.floats(1, 10_000)
steps = st.lists(
    st.tuples(st.floats(0, 3), st.floats(0, 50)), max_size=60
)  # seconds since the one before, cost


def _taken(bucket: Bucket, requests: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """What was allowed: (when, how much)."""
    now_seconds, taken = NOW_SECONDS, []
    for pause_seconds, cost in requests:
        now_seconds += pause_seconds
        if not bucket.take(cost, now_seconds):
            taken.append((now_seconds, cost))
    return taken


def test_a_burst_is_allowed_at_once_and_then_the_rate() -> None:
    bucket = Bucket(Allowance(per_second=10, burst=3))
    assert [bucket.take(1, NOW_SECONDS) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert bucket.take(1, NOW_SECONDS) == pytest.approx(0.1, abs=1e-5)
    assert bucket.take(1, NOW_SECONDS + 0.05) == pytest.approx(0.05, abs=1e-5)
    assert bucket.take(1, NOW_SECONDS + 0.11) == 0.0
    assert bucket.take(1, NOW_SECONDS + 0.11) > 0


def test_what_is_refused_costs_nothing() -> None:
    bucket = Bucket(Allowance(per_second=1, burst=5))
    assert bucket.take(4, NOW_SECONDS) == 0.0
    assert bucket.take(3, NOW_SECONDS) == pytest.approx(2.0, abs=1e-5)
    assert bucket.take(1, NOW_SECONDS) == 0.0


def test_a_long_rest_gives_a_burst_and_not_more() -> None:
    bucket = Bucket(Allowance(per_second=100, burst=2))
    bucket.take(2, NOW_SECONDS)
    later_seconds = NOW_SECONDS + 3600
    assert [bucket.take(1, later_seconds) > 0 for _ in range(3)] == [False, False, True]


def test_a_rate_of_zero_is_no_limit() -> None:
    bucket = Bucket(Allowance(per_second=0))
    assert not any(bucket.take(2.0**40, NOW_SECONDS) for _ in range(1000))
    assert bucket.rest_seconds(NOW_SECONDS) == 0.0


def test_a_cost_above_the_burst_is_never_allowed() -> None:
    bucket = Bucket(Allowance(per_second=10, burst=5))
    assert bucket.take(6, NOW_SECONDS) > 0
    assert bucket.take(6, NOW_SECONDS + 1e6) > 0


def test_a_bucket_tells_how_long_until_it_is_full() -> None:
    bucket = Bucket(Allowance(per_second=10, burst=5))
    assert bucket.rest_seconds(NOW_SECONDS) == 0.0
    bucket.take(5, NOW_SECONDS)
    assert bucket.rest_seconds(NOW_SECONDS) == pytest.approx(0.5, abs=1e-5)
    assert bucket.rest_seconds(NOW_SECONDS + 0.5) == 0.0


@hypothesis.given(rate=rates, burst=bursts, requests=steps)
def test_in_no_stretch_of_time_is_more_taken_than_the_burst_and_the_rate(
    rate: float, burst: float, requests: list[tuple[float, float]]
) -> None:
    taken = _taken(Bucket(Allowance(rate, burst)), requests)
    for first, (start_seconds, _) in enumerate(taken):
        amount = 0.0
        for end_seconds, cost in taken[first:]:
            amount += cost
            stretch_seconds = end_seconds - start_seconds + ROUNDING_SECONDS
            assert amount <= burst + rate * stretch_seconds


@hypothesis.given(rate=rates, burst=bursts, requests=steps, cost=st.floats(0.1, 1))
def test_to_wait_as_long_as_told_is_enough_and_hardly_less_is(
    rate: float, burst: float, requests: list[tuple[float, float]], cost: float
) -> None:
    bucket = Bucket(Allowance(rate, burst))
    now_seconds = max((when for when, _ in _taken(bucket, requests)), default=NOW_SECONDS)
    now_seconds += 1e-6
    wait_seconds = bucket.take(cost, now_seconds)
    if wait_seconds > 1e-4:
        assert bucket.take(cost, now_seconds + wait_seconds - 1e-5) > 0
        assert bucket.take(cost, now_seconds + wait_seconds + 1e-6) == 0.0


# ---- by key


def test_each_key_has_a_bucket_of_its_own() -> None:
    buckets = Buckets(Allowance(per_second=1, burst=1), keys_limit=10)
    assert buckets.take("a", 1, NOW_SECONDS) == 0.0
    assert buckets.take("a", 1, NOW_SECONDS) > 0
    assert buckets.take("b", 1, NOW_SECONDS) == 0.0


def test_strangers_do_not_make_it_grow() -> None:
    buckets = Buckets(Allowance(per_second=1, burst=100), keys_limit=50)
    for number in range(1000):
        buckets.take(f"stranger-{number}", 1, NOW_SECONDS)
        assert len(buckets) <= 50
    assert len(buckets) == 50


def test_who_has_rested_is_forgotten_before_the_table_is_full() -> None:
    buckets = Buckets(Allowance(per_second=1, burst=10), keys_limit=1000)
    for number in range(900):
        buckets.take(f"yesterday-{number}", 5, NOW_SECONDS)
    for number in range(300):
        buckets.take(f"today-{number}", 5, NOW_SECONDS + 86_400)
    assert len(buckets) == 300


def test_an_offender_is_remembered_while_others_have_rested() -> None:
    buckets = Buckets(Allowance(per_second=1, burst=10), keys_limit=20)
    for number in range(19):
        buckets.take(f"rested-{number}", 1, NOW_SECONDS)
    now_seconds = NOW_SECONDS + 11
    buckets.take("offender", 10, now_seconds)
    for number in range(19):
        buckets.take(f"newcomer-{number}", 1, now_seconds)
    assert buckets.take("offender", 1, now_seconds) > 0


def test_of_a_crowd_without_end_the_longest_unused_is_forgotten() -> None:
    buckets = Buckets(Allowance(per_second=1, burst=1), keys_limit=3)
    for key in ("a", "b", "c"):
        buckets.take(key, 1, NOW_SECONDS)
    assert buckets.take("a", 1, NOW_SECONDS) > 0
    buckets.take("d", 1, NOW_SECONDS)
    assert buckets.take("a", 1, NOW_SECONDS) > 0
    assert buckets.take("c", 1, NOW_SECONDS) > 0
    assert buckets.take("b", 1, NOW_SECONDS) == 0.0


@hypothesis.given(
    requests=st.lists(
        st.tuples(st.floats(0, 5), st.sampled_from("abcdefgh"), st.floats(0.1, 3)), max_size=80
    ),
    keys_limit=st.integers(1, 9),
)
def test_a_bounded_table_decides_as_an_endless_one_for_whoever_it_remembers(
    requests: list[tuple[float, str, float]], keys_limit: int
) -> None:
    allowance = Allowance(per_second=1, burst=3)
    bounded, endless = Buckets(allowance, keys_limit), Buckets(allowance, 10**6)
    now_seconds = NOW_SECONDS
    for pause_seconds, key, cost in requests:
        now_seconds += pause_seconds
        is_allowed = not bounded.take(key, cost, now_seconds)
        assert len(bounded) <= keys_limit
        # To forget can only be to forgive; with room for all keys nothing in debt is forgotten.
        if not endless.take(key, cost, now_seconds):
            assert is_allowed or keys_limit < 8
        elif keys_limit >= 8:
            assert not is_allowed


def test_a_flood_of_keys_costs_the_same_for_each() -> None:
    def seconds_for(keys_limit: int) -> float:
        buckets = Buckets(Allowance(per_second=1, burst=5), keys_limit)
        for number in range(keys_limit):
            buckets.take(f"first-{number}", 1, NOW_SECONDS)
        began_seconds = time.process_time()
        for number in range(5000):
            buckets.take(f"flood-{number}", 1, NOW_SECONDS)
        return time.process_time() - began_seconds

    small, large = (min(seconds_for(limit) for _ in range(3)) for limit in (500, 50_000))
    assert large < 6 * small


def test_to_take_costs_less_than_a_microsecond() -> None:
    bucket, rounds = Bucket(Allowance(per_second=1e9, burst=1e9)), 100_000
    turns = [time.process_time()]
    for _ in range(5):
        for _ in range(rounds):
            bucket.take(1.0, NOW_SECONDS)
        turns.append(time.process_time())
    assert min(end - start for start, end in pairwise(turns)) / rounds < 1e-6
