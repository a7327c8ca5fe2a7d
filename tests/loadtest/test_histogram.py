from hypothesis import given
from hypothesis import strategies as st

from loadtest.histogram import Histogram, upper_edge_of

durations = st.lists(st.integers(min_value=0, max_value=10**12), min_size=1, max_size=200)


def histogram_of(values: list[int]) -> Histogram:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    return histogram


@given(durations, st.sampled_from([0.5, 0.9, 0.99, 1.0]))
def test_a_quantile_is_exact_but_for_the_width_of_a_bucket(values: list[int], share: float) -> None:
    exact = next(
        value for rank, value in enumerate(sorted(values), start=1) if rank >= share * len(values)
    )
    assert exact <= histogram_of(values).quantile(share) <= exact * (1 + 1 / 64) + 1


@given(st.integers(min_value=0, max_value=10**12))
def test_a_duration_lies_at_or_below_the_edge_of_its_bucket(value: int) -> None:
    (index,) = histogram_of([value]).sparse()
    assert value <= upper_edge_of(index)
    assert index == 0 or upper_edge_of(index - 1) < value


@given(durations, durations)
def test_absorbing_is_as_good_as_having_counted_everything(
    mine: list[int], others: list[int]
) -> None:
    merged, source = histogram_of(mine), histogram_of(others)
    merged.absorb(source.sparse(), source.largest)
    assert merged.counts == histogram_of(mine + others).counts
    assert merged.summary() == histogram_of(mine + others).summary()


def test_a_clock_that_raced_counts_as_no_time_at_all() -> None:
    assert histogram_of([-5]).sparse() == {0: 1}


def test_nothing_counted_is_zero_and_no_error() -> None:
    assert Histogram().summary().p99_ms == 0
    assert Histogram().curve() == []


def test_a_curve_rises_to_one() -> None:
    curve = histogram_of([1_000_000, 2_000_000, 2_000_000, 9_000_000]).curve()
    assert [share for _, share in curve] == [0.25, 0.75, 1.0]
    assert curve[-1][0] == 9.0


def test_clearing_keeps_the_list_that_others_hold() -> None:
    histogram = histogram_of([7])
    counts = histogram.counts
    histogram.clear()
    assert histogram.counts is counts
    assert sum(counts) == histogram.count == histogram.largest == 0
