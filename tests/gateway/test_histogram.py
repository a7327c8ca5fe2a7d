from gateway.histogram import Histogram


def test_a_duration_is_counted_with_those_that_took_no_longer() -> None:
    histogram = Histogram([1_000, 2_500_000])
    for elapsed_us in (0, 1_000, 1_001, 2_500_000, 2_500_001):
        histogram.note(elapsed_us)

    assert histogram.buckets() == [("0.001", 2), ("2.5", 4), ("+Inf", 5)]
    assert histogram.sum_seconds == 5.002002


def test_one_note_counts_for_many() -> None:
    histogram = Histogram([1_000])
    histogram.note(500, 4_000)

    assert histogram.buckets() == [("0.001", 4_000), ("+Inf", 4_000)]
    assert histogram.sum_seconds == 2.0


def test_what_clocks_that_disagree_make_negative_counts_as_none() -> None:
    histogram = Histogram([1_000])
    histogram.note(-7_000, 2)

    assert histogram.buckets() == [("0.001", 2), ("+Inf", 2)]
    assert histogram.sum_seconds == 0.0
