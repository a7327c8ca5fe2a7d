"""This module owns decoding as a door does it, for tests of the codec."""

import msgspec
import pytest
from msgspec import Raw

from protocol import codec, events
from protocol.refusals import Refusal, Refused


def decode(name: str, arguments: bytes) -> events.Event:
    """Decode as a door does: from the JSON array of what was sent after the name."""
    return codec.decode(name, msgspec.json.decode(arguments, type=list[Raw]))


def refusal_of(name: str, arguments: bytes) -> Refusal:
    with pytest.raises(Refused) as refused:
        decode(name, arguments)
    return refused.value.refusal


def nested(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels
