import json

import pytest

from paceline_publisher.events import Event, batches_of


def test_an_event_is_what_the_gateway_reads_and_has_a_key_of_its_own() -> None:
    one, other = Event("bike-update", {"name": "Zürich"}), Event("bike-update", {"name": "Zürich"})

    assert json.loads(one.encoded()) == {
        "event": "bike-update",
        "data": {"name": "Zürich"},
        "idempotencyKey": one.key,
    }
    assert one.key != other.key


@pytest.mark.parametrize("data", [float("nan"), float("inf"), "\ud800"])
def test_what_json_cannot_hold_is_an_error_before_anything_is_sent(data: object) -> None:
    with pytest.raises(ValueError, match=r"JSON compliant|surrogates"):
        Event("bike-update", {"lat": data}).encoded()


def test_batches_keep_the_order_and_the_limits() -> None:
    bodies = [b"x" * 100] * 1_200
    assert [len(batch) for batch in batches_of(bodies, range(1_200))] == [500, 500, 200]

    large = [b"x" * 500_000, b"x" * 500_000, b"x" * 2_000_000, b"x"]
    assert list(batches_of(large, [0, 1, 2, 3])) == [[0], [1], [2], [3]]
    assert list(batches_of(large, [])) == []
