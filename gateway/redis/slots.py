"""This module owns the slots of a cluster: which one a key is in, and which node serves which."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from redis.crc import key_slot

from gateway.settings.redis_url import Endpoint

SLOTS: Final = 16_384
_UNKNOWN: Final = frozenset({"", "?"})

slot_of: Callable[[bytes], int] = key_slot


class SlotMap(msgspec.Struct, frozen=True, gc=False):
    """One node's view: ranges of slots with their master, first and last slot included.

    `nodes` are all that were named, replicas too: any of them can be asked for the next view.
    """

    ranges: Sequence[tuple[int, int, Endpoint]]
    nodes: frozenset[Endpoint]


def slot_map_of(reply: Sequence[Any], asked: Endpoint) -> SlotMap:
    """Read the answer to CLUSTER SLOTS; a node that does not know its host means `asked`."""
    ranges = []
    nodes = {asked}
    for first, last, *served_by in reply:
        endpoints = [_endpoint_of(node, asked) for node in served_by]
        ranges.append((int(first), int(last), endpoints[0]))
        nodes.update(endpoints)
    return SlotMap(ranges, frozenset(nodes))


def tag_in(is_served: Callable[[int], bool]) -> str:
    """The first number that as a hash tag leads into one of these slots, of which there are some.

    Takes as many attempts as there are slots for each that is served: 3 with three masters.
    """
    tags = map(str, itertools.count())
    return next(tag for tag in tags if is_served(slot_of(tag.encode())))


def _endpoint_of(node: Sequence[Any], asked: Endpoint) -> Endpoint:
    host, port, *_ = node
    name = "" if host is None else host.decode()
    if name in _UNKNOWN:
        # It prefers a name that it was not given, and may still say its address behind the rest.
        details = node[3] if len(node) > 3 else ()  # noqa: PLR2004 - host, port, id, details
        named = dict(zip(details[::2], details[1::2], strict=True))
        name = named.get(b"ip", b"").decode() or asked.host
    return Endpoint(name, int(port))
