"""How connected peers learn that their tokens do not hold any more."""

from __future__ import annotations

from gateway.identity import Identity
from gateway.rooms.membership import Membership, Peer
from gateway.verdicts import Verdicts
from protocol.refusals import Goodbye


def test_those_of_the_subjects_go_who_are_given_a_goodbye() -> None:
    membership = Membership()
    sent_off: list[tuple[str, Goodbye]] = []
    for number, (subject, session) in enumerate(
        [("ada", "one"), ("ada", "two"), ("bob", "one"), ("ada", "one")]
    ):
        membership.add(Peer(f"peer {number}", Identity(subject, session_id=session)))
    verdicts = Verdicts(membership, lambda peer, goodbye: sent_off.append((peer.id, goodbye)))

    gone = verdicts.judge(
        {"ada"},
        lambda identity: Goodbye.REVOKED if identity.session_id == "one" else None,
    )

    assert gone == ["peer 0", "peer 3"]
    assert sent_off == [("peer 0", Goodbye.REVOKED), ("peer 3", Goodbye.REVOKED)]
    assert verdicts.subjects() == {"ada", "bob"}


def test_others_who_are_connected_are_judged_with_the_peers() -> None:
    membership = Membership()
    sent_off: list[str] = []
    watcher = Peer("watcher", Identity("ada"))
    verdicts = Verdicts(membership, lambda peer, _: sent_off.append(f"peer {peer.id}"))
    verdicts.include(lambda: [watcher], lambda each, _: sent_off.append(f"other {each.id}"))
    membership.add(Peer("one", Identity("ada")))

    assert verdicts.judge({"ada"}, lambda _: Goodbye.DISABLED) == ["one", "watcher"]
    assert sent_off == ["peer one", "other watcher"]
    assert verdicts.subjects() == {"ada"}
