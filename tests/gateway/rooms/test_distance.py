import pytest

from gateway.rooms.distance import meters_between as meters


def test_distances_are_right_from_metres_to_the_antipodes() -> None:
    assert meters(0, 0, 0, 180) == pytest.approx(20_015_114, rel=1e-6)
    assert meters(48.8584, 2.2945, 48.8530, 2.3499) == pytest.approx(4_097, rel=1e-3)
    assert meters(52.0, 10.0, 52.00009, 10.0) == pytest.approx(10.0, rel=2e-3)
    assert meters(0, 179.99999, 0, -179.99999) == pytest.approx(2.22, abs=0.01)
    assert meters(90, 0, -90, 77) == pytest.approx(20_015_114, rel=1e-6)
