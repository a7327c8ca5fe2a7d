from __future__ import annotations

import msgspec
import pytest

from protocol.bodies import parameters_of
from protocol.members import Whom
from protocol.refusals import Refusal, Refused


def test_whom_to_remove_is_read_from_a_url_and_said_again_without_what_was_not_said() -> None:
    whom = parameters_of([("peerId", "abc")], Whom)
    assert whom == Whom(peer_id="abc")
    assert msgspec.json.encode(whom) == b'{"peerId":"abc"}'


@pytest.mark.parametrize("pairs", [[("peerId", "")], [("subject", "x" * 201)], [("who", "a")]])
def test_what_is_wrong_with_it_is_named(pairs: list[tuple[str, str]]) -> None:
    with pytest.raises(Refused) as refused:
        parameters_of(pairs, Whom)
    assert refused.value.refusal is Refusal.INVALID
    assert set(refused.value.details["fields"]) == {pairs[0][0]}
