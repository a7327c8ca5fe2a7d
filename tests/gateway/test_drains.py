"""An operator has a worker leave, through any of them."""

from __future__ import annotations

import functools

import pytest

from gateway.broker.contract import BrokerUnavailable
from gateway.broker.memory_sessions import MemoryIntercom
from gateway.drains import Drain, Drains


class Cut(MemoryIntercom):
    def tell_all(self, topic: str, message: bytes) -> None:  # noqa: ARG002 - its signature
        raise BrokerUnavailable


def test_the_worker_that_is_meant_leaves_and_no_other() -> None:
    left: list[str] = []
    lines: dict[str, MemoryIntercom] = {}
    one, _, _ = [
        Drains(name, MemoryIntercom(lines), functools.partial(left.append, name))
        for name in ("one", "two", "three")
    ]
    one.order(Drain("two", "olga"))
    one.order(Drain("nobody", "olga"))
    one.order(Drain("one", "olga"))

    assert left == ["two", "one"]


def test_without_the_others_a_worker_can_still_be_told_itself() -> None:
    left: list[str] = []
    drains = Drains("one", Cut({}), lambda: left.append("one"))
    with pytest.raises(BrokerUnavailable):
        drains.order(Drain("two", "olga"))
    drains.order(Drain("one", "olga"))

    assert left == ["one"]
