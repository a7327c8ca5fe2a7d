from __future__ import annotations

import pytest

from gateway.identity import Grants, Identity, Role
from gateway.rooms import access
from gateway.rooms.membership import Membership, Peer
from gateway.settings import RoomKind
from protocol.refusals import Refusal, Refused

NARROW = Grants(join=("city:*",), publish=("city:paris",))


@pytest.mark.parametrize("role", list(Role))
def test_every_role_may_join_what_its_grants_name(role: Role) -> None:
    access.check_join(Identity("ann", role), "anything")
    access.check_join(Identity("ann", role, NARROW), "city:rome")
    with pytest.raises(Refused) as refused:
        access.check_join(Identity("ann", role, NARROW), "town:rome")
    assert refused.value.refusal is Refusal.FORBIDDEN


def test_a_viewer_publishes_nowhere_whatever_its_grants_say() -> None:
    with pytest.raises(Refused) as refused:
        access.check_publish(Identity("ann", Role.VIEWER, NARROW), "city:paris")
    assert refused.value.refusal is Refusal.FORBIDDEN


def test_a_rider_publishes_where_its_grants_say() -> None:
    access.check_publish(Identity("ann", Role.RIDER), "anything")
    access.check_publish(Identity("ann", Role.RIDER, NARROW), "city:paris")
    with pytest.raises(Refused) as refused:
        access.check_publish(Identity("ann", Role.RIDER, NARROW), "city:rome")
    assert refused.value.refusal is Refusal.FORBIDDEN


def test_only_what_was_said_to_be_public_is() -> None:
    access.check_public(RoomKind(public=True))
    with pytest.raises(Refused) as refused:
        access.check_public(RoomKind())
    assert refused.value.refusal is Refusal.FORBIDDEN


def test_a_peer_may_be_in_as_many_rooms_as_the_limit_and_no_more() -> None:
    membership, peer = Membership(), Peer("peer-1", Identity("ann"))
    membership.subscribe(peer, "a")
    access.check_room_count(peer, 2)
    membership.subscribe(peer, "b")
    with pytest.raises(Refused) as refused:
        access.check_room_count(peer, 2)
    assert refused.value.refusal is Refusal.TOO_MANY_ROOMS
    assert refused.value.details == {"limit": 2}
