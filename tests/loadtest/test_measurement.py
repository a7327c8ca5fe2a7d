from loadtest.measurement import METRICS, Measurement, Result
from loadtest.scenarios import TABLE

CPU = next(metric for metric in METRICS if metric.key == "cpu")


def measured(peer: str, round_number: int, cpu_seconds: float, **rest: float) -> Measurement:
    return Measurement(
        peer=peer,
        round_number=round_number,
        seconds=10,
        units=1000,
        server_user_seconds=cpu_seconds,
        **rest,  # type: ignore[arg-type] # the fields that a test is about, all numbers
    )


def result_of(*measurements: Measurement) -> Result:
    return Result(TABLE["fanout"], ["paceline", "node"], list(measurements), {})


def test_cost_is_user_and_system_time_divided_by_the_work() -> None:
    assert measured("node", 1, 0.5, server_system_seconds=0.5).cpu_us_per_unit == 1000


def test_a_round_without_work_costs_nothing_instead_of_failing() -> None:
    assert Measurement(seconds=0, units=0).cpu_us_per_unit == 0
    assert Measurement(seconds=0, units=0).units_per_second == 0


def test_ratios_compare_servers_within_their_round() -> None:
    result = result_of(
        measured("paceline", 1, 1.0),
        measured("node", 1, 5.0),
        measured("paceline", 2, 2.0),
        measured("node", 2, 8.0),
        measured("paceline", 3, 2.0),
    )
    assert result.ratios_of("node", CPU) == [5.0, 4.0]


def test_a_load_that_was_itself_busy_is_remarked() -> None:
    busy = measured("node", 1, 1.0, swarm_cpu_seconds=9.0)
    calm = measured("paceline", 1, 1.0, swarm_cpu_seconds=4.0)
    (remark,) = result_of(busy, calm).remarks()
    assert remark.startswith("node: the load used 90% of its core")


def test_what_went_wrong_is_remarked() -> None:
    troubled = measured("node", 1, 1.0)
    troubled.closed, troubled.refusals = 2, {"FORBIDDEN": 3}
    troubled.figures["missing_deliveries_count"] = 4
    remarks = " ".join(result_of(troubled).remarks())
    assert "closed 2 connections" in remarks
    assert "refused 3 publications with FORBIDDEN" in remarks
    assert "4 deliveries never came" in remarks
