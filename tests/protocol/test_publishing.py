"""The body with which a backend publishes."""

from __future__ import annotations

import msgspec
import pytest

from protocol.publishing import Item


def test_data_is_kept_as_it_came_and_null_when_there_is_none() -> None:
    item = msgspec.json.decode(b'{"event": "e", "data": {"a":  1.0}}', type=Item)

    assert bytes(item.data) == b'{"a":  1.0}'
    assert bytes(msgspec.json.decode(b'{"event": "e"}', type=Item).data) == b"null"


def test_what_is_not_of_an_event_is_a_mistake() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"event": "e", "room": "r"}', type=Item)
