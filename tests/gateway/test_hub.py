from __future__ import annotations

import asyncio
import time

import pytest
from msgspec import Raw

from gateway.broker.contract import BrokerUnavailable
from gateway.identity import Grants, Identity, Role, development_identity
from gateway.rooms.publication import Op, Outcome, Receipt
from protocol import codec, events
from protocol.refusals import Refusal, Refused
from tests.gateway.house import SOCIAL, House, bodies_of
from tests.gateway.rooms.drafts import ROOM


class TestPublishing:
    async def test_everyone_in_the_room_but_the_author_is_told_on_every_worker(
        self, house: House, elsewhere: House
    ) -> None:
        ann, ben, eve = house.welcome("ann"), house.welcome("ben"), elsewhere.welcome("eve")
        bystander = house.welcome("bystander")
        for where, peer in ((house, ann), (house, ben), (elsewhere, eve)):
            await where.join(peer)
        await house.join(bystander, "another room")
        text = b'{"roomId":"city:paris","bike_id":"b1","lat":48.10}'
        settled: list[Receipt | BrokerUnavailable] = []
        house.hub.publish_update(ann.identity, codec.bike_update_of(text), ann.id, settled.append)
        (receipt,) = settled
        assert isinstance(receipt, Receipt)
        assert receipt.outcome is Outcome.ACCEPTED
        assert house.peers.told(ann) == house.peers.told(bystander) == []
        for where, peer in ((house, ben), (elsewhere, eve)):
            (publication,) = where.peers.told(peer)
            assert publication.payload == text
            assert publication.op is Op.UPSERT
            assert publication.cursor == receipt.cursor
            assert 0 <= time.time_ns() // 1000 - publication.accepted_us < 60e6

    async def test_a_publisher_need_not_be_in_the_room(self, house: House) -> None:
        ann, ben = house.welcome("ann"), house.welcome("ben")
        await house.join(ben)
        request = events.Publish(ROOM, "cheer", Raw(b'{"loud":1.0}'))
        house.hub.publish_event(ann.identity, request, ann.id, lambda _: None)
        (publication,) = house.peers.told(ben)
        assert publication.packet == b'2["cheer",{"loud":1.0}]'

    @pytest.mark.parametrize(
        "identity",
        [
            Identity("ann", Role.VIEWER),
            Identity("ann", Role.RIDER, Grants(publish=("city:rome",))),
        ],
    )
    async def test_who_may_not_publish_is_refused_and_the_broker_is_not_asked(
        self, house: House, identity: Identity
    ) -> None:
        settled: list[object] = []
        publish = events.Publish(ROOM, "cheer")
        with pytest.raises(Refused) as refused:
            house.hub.publish_event(identity, publish, None, settled.append)
        assert refused.value.refusal is Refusal.FORBIDDEN
        news = events.BikeUpdate(ROOM, b"{}")
        with pytest.raises(Refused):
            house.hub.publish_update(identity, news, None, settled.append)
        assert settled == []
        assert house.rooms.journals == {}

    async def test_a_room_of_live_bikes_refuses_what_is_none(self, house: House) -> None:
        text = b'{"roomId":"strict:1","bike_id":"b1","lat":91.0,"lon":1.0}'
        with pytest.raises(Refused) as refused:
            house.hub.publish_update(
                Identity("ann", Role.RIDER), codec.bike_update_of(text), None, lambda _: None
            )
        assert refused.value.refusal is Refusal.MALFORMED

    @pytest.mark.parametrize(
        ("one", "two"),
        [
            (("ann", "k"), ("ben", "k")),
            (("a", "b\nc"), ("a\nb", "c")),
            (("a", "b c"), ("a b", "c")),
        ],
    )
    async def test_two_senders_with_the_same_idempotency_key_do_not_meet(
        self, house: House, one: tuple[str, str], two: tuple[str, str]
    ) -> None:
        settled: list[Receipt | BrokerUnavailable] = []
        for subject, key in (one, two, one):
            request = events.Publish(ROOM, "cheer", idempotency_key=key)
            identity = Identity(subject, Role.RIDER)
            house.hub.publish_event(identity, request, None, settled.append)
        outcomes = [each.outcome for each in settled if isinstance(each, Receipt)]
        assert outcomes == [Outcome.ACCEPTED, Outcome.ACCEPTED, Outcome.REPEATED]

    async def test_without_a_token_a_key_holds_beyond_the_connection(self, house: House) -> None:
        settled: list[Receipt | BrokerUnavailable] = []
        request = events.Publish(ROOM, "cheer", idempotency_key="k")
        for suffix in ("first", "second"):
            identity = development_identity(suffix)
            house.hub.publish_event(identity, request, None, settled.append)
        outcomes = [each.outcome for each in settled if isinstance(each, Receipt)]
        assert outcomes == [Outcome.ACCEPTED, Outcome.REPEATED]


class TestPresence:
    async def test_members_hear_of_each_other_on_all_workers_but_not_of_themselves(
        self, house: House, elsewhere: House
    ) -> None:
        ann, ben = house.welcome("ann"), elsewhere.welcome("ben")
        await house.join(ann, SOCIAL)
        await elsewhere.join(ben, SOCIAL)
        member = {"peerId": "ben", "subject": "subject of ben"}
        body = {"roomId": SOCIAL, "member": member}
        assert bodies_of(house, ann, "member-joined") == [body]
        elsewhere.hub.forget(ben)
        await elsewhere.settle()
        assert bodies_of(house, ann, "member-left") == [body]
        assert elsewhere.peers.told(ben) == []

    async def test_in_other_rooms_nobody_is_told(self, house: House) -> None:
        ann, ben = house.welcome("ann"), house.welcome("ben")
        for peer in (ann, ben):
            await house.join(peer)
        house.hub.leave(ben, ROOM)
        await house.settle()
        assert house.peers.told(ann) == []

    async def test_joining_again_is_no_news(self, house: House) -> None:
        ann, ben = house.welcome("ann"), house.welcome("ben")
        await house.join(ann, SOCIAL)
        for _ in range(3):
            await house.join(ben, SOCIAL, snapshot=True)
        assert len(house.peers.told(ann)) == 1

    async def test_leaving_and_coming_back_is_told_in_this_order_or_not_at_all(
        self, house: House
    ) -> None:
        ann, ben = house.welcome("ann"), house.welcome("ben")
        await house.join(ann, SOCIAL)
        await house.join(ben, SOCIAL)
        house.broker.waits_before["leave"] = asyncio.Event()
        house.hub.leave(ben, SOCIAL)
        await house.settle()
        joining = house.start_joining(ben, SOCIAL)
        await house.settle()
        house.broker.waits_before["leave"].set()
        await joining
        await house.settle()
        names = [each.event for each in house.peers.told(ann)]
        assert names == ["member-joined", "member-left", "member-joined"]
        members = await house.hub.members(ann.identity, SOCIAL)
        assert [each.peer_id for each in members] == ["ann", "ben"]

    async def test_who_may_not_join_may_not_ask_who_is_in(self, house: House) -> None:
        with pytest.raises(Refused) as refused:
            await house.hub.members(Identity("ann", grants=Grants(join=())), ROOM)
        assert refused.value.refusal is Refusal.FORBIDDEN


class TestReauthentication:
    async def test_rooms_that_the_new_identity_may_not_read_are_left(self, house: House) -> None:
        ann = house.welcome("ann")
        for room in ("a", "b"):
            await house.join(ann, room)
        house.publish(1, "b")
        lost = house.hub.reauthenticate(ann, Identity("ann", grants=Grants(join=("a",))))
        assert lost == ["b"]
        for room in ("a", "b"):
            house.publish(2, room)
        assert [(each.room, each.offset) for each in house.peers.told(ann)] == [("b", 1), ("a", 1)]
        await house.settle()
        assert house.broker.following == {"a"}

    async def test_a_join_in_the_middle_of_it_is_refused(self, house: House) -> None:
        ann = house.welcome("ann")
        house.broker.waits_before["cursor"] = asyncio.Event()
        joins = [house.start_joining(ann) for _ in range(2)]
        await house.settle()
        assert house.hub.reauthenticate(ann, Identity("ann", grants=Grants(join=()))) == [ROOM]
        house.broker.waits_before["cursor"].set()
        refusals = await asyncio.gather(*joins, return_exceptions=True)
        assert [getattr(each, "refusal", None) for each in refusals] == [
            Refusal.CONFLICT,
            Refusal.FORBIDDEN,
        ]
        await house.settle()
        house.hub.forget(ann)
        assert house.is_blank()
