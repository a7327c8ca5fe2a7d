import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.metrics import LabelledCount, Metrics, render
from protocol.refusals import Goodbye, Refusal


def samples_of(metrics: Metrics) -> dict[str, float]:
    """What a Prometheus server reads: value by name and labels."""
    return {
        f"{sample.name}{sorted(sample.labels.values())}": sample.value
        for family in text_string_to_metric_families(render(metrics))
        for sample in family.samples
    }


def test_numbers_counted_in_place_are_read_by_prometheus() -> None:
    metrics = Metrics()
    metrics.deliveries_fast += 300
    metrics.deliveries_slow += 2
    metrics.bytes_sent += 4096
    metrics.delivery_seconds["fast"].note(3_000, 300)
    metrics.note_publication("accepted")
    metrics.note_join("recovered")
    metrics.note_refusal(Refusal.FORBIDDEN)
    metrics.note_goodbye(Goodbye.TOO_SLOW)
    metrics.note_dropped_log_line()
    samples = samples_of(metrics)
    assert samples["paceline_deliveries_total['fast']"] == 300
    assert samples["paceline_deliveries_total['slow']"] == 2
    assert samples["paceline_sent_bytes_total[]"] == 4096
    assert samples["paceline_delivery_seconds_bucket['0.0025', 'fast']"] == 0
    assert samples["paceline_delivery_seconds_bucket['0.005', 'fast']"] == 300
    assert samples["paceline_delivery_seconds_count['fast']"] == 300
    assert samples["paceline_delivery_seconds_sum['fast']"] == pytest.approx(0.9)
    assert samples["paceline_delivery_seconds_count['slow']"] == 0
    assert samples["paceline_publications_total['accepted']"] == 1
    assert samples["paceline_joins_total['recovered']"] == 1
    assert samples["paceline_refusals_total['FORBIDDEN']"] == 1
    assert samples["paceline_goodbyes_total['3001']"] == 1
    assert samples["paceline_log_lines_dropped_total[]"] == 1


def test_every_code_is_shown_from_the_start_so_that_its_first_rise_is_seen() -> None:
    samples = samples_of(Metrics())
    for refusal in Refusal:
        assert samples[f"paceline_refusals_total['{refusal.code}']"] == 0
    for goodbye in Goodbye:
        assert samples[f"paceline_goodbyes_total['{goodbye.code}']"] == 0
    assert not [name for name in samples if "other" in name]


def test_a_label_that_nobody_foresaw_is_counted_as_other() -> None:
    metrics = Metrics()
    for number in range(1000):
        metrics.joins.add(f"label {number}")
    samples = samples_of(metrics)
    assert samples["paceline_joins_total['other']"] == 1000
    assert len(metrics.joins) == len(Metrics().joins)


def test_a_labelled_count_adds_amounts() -> None:
    counts = LabelledCount(["a"])
    counts.add("a", 3)
    counts["a"] += 1
    assert counts == {"a": 4, "other": 0}


def test_a_histogram_counts_what_took_no_longer_than_each_bound() -> None:
    metrics = Metrics()
    for elapsed_us in (100, 500, 4000, 99_000_000):
        metrics.user_read_seconds["store"].note(elapsed_us)
    samples = samples_of(metrics)
    assert samples["paceline_user_read_seconds_bucket['0.0005', 'store']"] == 2
    assert samples["paceline_user_read_seconds_bucket['0.005', 'store']"] == 3
    assert samples["paceline_user_read_seconds_bucket['+Inf', 'store']"] == 4
    assert samples["paceline_user_read_seconds_count['store']"] == 4
    assert samples["paceline_user_read_seconds_sum['store']"] == pytest.approx(99.0046)


def test_a_gauge_is_asked_when_it_is_read() -> None:
    metrics = Metrics()
    peers: list[str] = []
    metrics.gauge("peers", lambda: len(peers))
    peers.append("ada")
    assert samples_of(metrics)["paceline_peers[]"] == 1
    peers.append("bob")
    assert samples_of(metrics)["paceline_peers[]"] == 2


def test_a_gauge_without_a_sentence_is_a_mistake_of_the_program() -> None:
    with pytest.raises(KeyError):
        Metrics().gauge("peer", lambda: 0)


def test_counters_are_counters_and_gauges_are_gauges() -> None:
    metrics = Metrics()
    for name in ("connections", "peers", "rooms", "tasks"):
        metrics.gauge(name, lambda: 0)
    kinds = {family.name: family.type for family in text_string_to_metric_families(render(metrics))}
    ours = {name: kind for name, kind in kinds.items() if name.startswith("paceline_")}
    assert ours == {
        "paceline_publications": "counter",
        "paceline_deliveries": "counter",
        "paceline_joins": "counter",
        "paceline_recoveries": "counter",
        "paceline_refusals": "counter",
        "paceline_goodbyes": "counter",
        "paceline_ingested": "counter",
        "paceline_turned_away": "counter",
        "paceline_handovers": "counter",
        "paceline_user_reads": "counter",
        "paceline_user_read_seconds": "histogram",
        "paceline_rate_limited": "counter",
        "paceline_quota_questions": "counter",
        "paceline_jobs": "counter",
        "paceline_sent_bytes": "counter",
        "paceline_log_lines_dropped": "counter",
        "paceline_delivery_seconds": "histogram",
        "paceline_connections": "gauge",
        "paceline_peers": "gauge",
        "paceline_rooms": "gauge",
        "paceline_tasks": "gauge",
        "paceline_build_info": "gauge",
    }
    assert "process_resident_memory_bytes" in kinds


def test_two_gateways_in_one_process_count_each_for_itself() -> None:
    first, second = Metrics(), Metrics()
    first.note_refusal(Refusal.TOO_FAST)
    assert second.refusals["TOO_FAST"] == 0


def test_where_there_are_several_workers_each_number_says_whose_it_is() -> None:
    metrics = Metrics(worker="3")
    metrics.note_refusal(Refusal.TOO_FAST)
    metrics.gauge("peers", lambda: 7)
    families = list(text_string_to_metric_families(render(metrics)))
    samples = [sample for family in families for sample in family.samples]

    assert {sample.labels["worker"] for sample in samples} == {"3"}
    refused = [sample for sample in samples if sample.labels.get("code") == "TOO_FAST"]
    assert [sample.value for sample in refused] == [1]
    assert "process_cpu_seconds" in {family.name for family in families}


def test_numbers_that_somebody_else_keeps_are_shown_by_label_and_kind() -> None:
    metrics = Metrics()
    metrics.gauge("check_passed", lambda: {"broker": 1, "store": 0})
    metrics.gauge("account_cache_hits_total", lambda: 3)
    samples = samples_of(metrics)

    assert samples["paceline_check_passed['broker']"] == 1
    assert samples["paceline_check_passed['store']"] == 0
    assert samples["paceline_account_cache_hits_total[]"] == 3
    assert "# TYPE paceline_account_cache_hits_total counter" in render(metrics)
