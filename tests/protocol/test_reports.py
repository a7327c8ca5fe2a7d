"""What the operations page is told, as it goes over the wire."""

from __future__ import annotations

import msgspec
import pytest

from protocol.reports import BrokerPulse, LookRequest, Overview
from protocol.typescript import reports_source


def test_names_are_those_of_javascript() -> None:
    pulse = BrokerPulse(kind="redis", is_well=True, silent_seconds=0.5, waiting=2)

    assert msgspec.to_builtins(pulse) == {
        "kind": "redis",
        "isWell": True,
        "silentSeconds": 0.5,
        "waiting": 2,
    }


@pytest.mark.parametrize("body", [{}, {"roomId": ""}, {"roomId": "r", "since": "x" * 201}])
def test_a_look_names_a_room_and_no_more_than_a_cursor(body: object) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(body, LookRequest)


def test_the_page_s_types_know_every_field_that_is_told() -> None:
    source = reports_source()

    assert "export interface Overview {" in source
    for field in msgspec.structs.fields(Overview):
        assert f"  {field.encode_name}: " in source
    assert "[field: string]" not in source, "nothing passes that is not named"
