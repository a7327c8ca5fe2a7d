"""The bodies of API keys."""

from __future__ import annotations

import msgspec
import pytest

from protocol.bodies import body_of
from protocol.keys import NewKey, Rotation
from protocol.refusals import Refused


def test_a_key_has_a_name_and_rooms() -> None:
    body = body_of(b'{"name": "shop", "publish": ["city:*"]}', NewKey)

    assert (body.name, body.join, body.publish) == ("shop", (), ("city:*",))


@pytest.mark.parametrize("pattern", ["", "a\nb", "\x00", "x" * 201])
def test_a_pattern_is_what_a_room_s_name_could_be(pattern: str) -> None:
    with pytest.raises(Refused):
        body_of(msgspec.json.encode({"name": "shop", "join": [pattern]}), NewKey)


def test_an_overlap_is_a_day_unless_told() -> None:
    assert body_of(b"{}", Rotation).overlap_seconds == 86_400
