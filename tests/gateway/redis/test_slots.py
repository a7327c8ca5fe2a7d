from __future__ import annotations

import pytest

from gateway.redis.slots import SLOTS, slot_map_of, slot_of, tag_in
from gateway.settings.redis_url import Endpoint

ASKED = Endpoint("10.0.0.1", 7000)


@pytest.mark.parametrize(("key", "slot"), [(b"123456789", 12_739), (b"a:{foo}:b", 12_182)])
def test_keys_have_the_slots_of_the_specification(key: bytes, slot: int) -> None:
    assert slot_of(key) == slot


def test_the_first_node_of_a_range_is_its_master() -> None:
    reply = [
        [0, 8191, [b"10.0.0.2", 7001, b"id", []], [b"10.0.0.3", 7002, b"id", []]],
        [8192, 16_383, [b"10.0.0.4", 7003, b"id", []]],
    ]

    view = slot_map_of(reply, ASKED)

    assert view.ranges == [
        (0, 8191, Endpoint("10.0.0.2", 7001)),
        (8192, 16_383, Endpoint("10.0.0.4", 7003)),
    ]
    assert view.nodes == {
        ASKED,
        Endpoint("10.0.0.2", 7001),
        Endpoint("10.0.0.3", 7002),
        Endpoint("10.0.0.4", 7003),
    }


@pytest.mark.parametrize("host", [None, b"", b"?"])
def test_a_node_that_does_not_know_its_host_is_the_one_that_was_asked(host: bytes | None) -> None:
    view = slot_map_of([[0, 1, [host, 7001, b"id"]]], ASKED)

    assert view.ranges == [(0, 1, Endpoint("10.0.0.1", 7001))]


def test_a_node_without_the_name_that_it_prefers_still_has_its_address() -> None:
    view = slot_map_of([[0, 1, [b"?", 7001, b"id", [b"ip", b"10.0.0.9"]]]], ASKED)

    assert view.ranges == [(0, 1, Endpoint("10.0.0.9", 7001))]


def test_there_is_a_tag_for_any_part_of_the_slots() -> None:
    for slots in (range(SLOTS // 2), range(4000, 4100), [SLOTS - 1]):
        tag = tag_in(lambda slot, slots=slots: slot in slots)  # type: ignore[misc]

        assert slot_of(f"beat:{{{tag}}}".encode()) in slots
