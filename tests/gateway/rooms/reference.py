"""A naive second opinion on last values: plain dictionaries, RFC 7396 at the top level."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TypeAlias

from gateway.rooms.publication import Op, Publication

Value: TypeAlias = "dict[str, object]"


def merged(older: Value, patch: Value) -> Value:
    """The object after the patch: null clears, all else replaces."""
    both = {**older, **patch}
    return {name: value for name, value in both.items() if value is not None}


def state_after(publications: Iterable[Publication]) -> dict[str, Value]:
    """Every entity's object after these publications, by key."""
    state: dict[str, Value] = {}
    for publication in publications:
        if publication.key is None:
            continue
        if publication.op is Op.REMOVE:
            state.pop(publication.key, None)
        elif publication.op is Op.UPSERT:
            patch = json.loads(publication.payload)
            state[publication.key] = merged(state.get(publication.key, {}), patch)
    return state


def values_of(array: bytes) -> list[Value]:
    """The objects of a snapshot, in an order of their own."""
    values: list[Value] = json.loads(array)
    return sorted(values, key=repr)


def values_after(publications: Iterable[Publication]) -> list[Value]:
    """What a snapshot taken after these publications holds."""
    return sorted(state_after(publications).values(), key=repr)
