from __future__ import annotations

import json
from itertools import count

import hypothesis
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway.rooms.outbox import ANSWERS_LIMIT_BYTES, Outbox
from gateway.rooms.places import CURSORS
from gateway.rooms.publication import Publication
from tests.gateway.rooms.drafts import event, publication_of, removal, update
from tests.gateway.rooms.reference import Value, merged

PLENTY_BYTES = 10**9

keys = st.sampled_from(["b1", "b2", "b3"])
rooms = st.sampled_from(["a", "b"])
fields = st.dictionaries(
    st.sampled_from(["x", "y", "z"]), st.none() | st.integers(0, 9), max_size=3
)


def taken(outbox: Outbox, limit_bytes: int) -> list[bytes]:
    """The packets, where none has attachments."""
    parts = outbox.take(limit_bytes)
    assert all(attachments == () for _, attachments, _ in parts)
    return [packet for packet, _, _ in parts]


def _publications() -> tuple[Publication, Publication, Publication]:
    return (
        publication_of(update("b1", {"x": 1, "y": 1}), 1),
        publication_of(update("b2", {"x": 2}), 2),
        publication_of(update("b1", {"x": 3, "z": None}), 3),
    )


def test_a_newer_update_of_a_bike_takes_the_place_of_the_waiting_one() -> None:
    outbox = Outbox(PLENTY_BYTES)
    assert all(outbox.put(publication) for publication in _publications())
    first, second = taken(outbox, PLENTY_BYTES)
    assert json.loads(first[1:])[1] == {"vehicle_id": "b1", "x": 3, "y": 1, "z": None}
    assert json.loads(second[1:])[1] == {"vehicle_id": "b2", "x": 2}
    assert (outbox.conflations, outbox.size_bytes, len(outbox)) == (1, 0, 0)


def test_one_update_alone_goes_out_letter_for_letter() -> None:
    outbox = Outbox(PLENTY_BYTES)
    publication = publication_of(update("b1", b'{ "x" : 1.10 }'), 1)
    outbox.put(publication)
    assert taken(outbox, PLENTY_BYTES) == [publication.packet]


def test_a_report_of_the_same_fields_goes_out_letter_for_letter_too() -> None:
    outbox = Outbox(PLENTY_BYTES)
    drafts = [update("b1", b'{"x":1,"y":1}'), update("b1", b'{ "x":2.0, "y":2 }')]
    for offset, draft in enumerate(drafts):
        outbox.put(publication_of(draft, offset))
    assert taken(outbox, PLENTY_BYTES) == [drafts[-1].packet]


def test_an_update_does_not_move_to_before_a_removal() -> None:
    outbox = Outbox(PLENTY_BYTES)
    drafts = [update("b1", {"x": 1}), removal("b1"), update("b1", {"y": 1})]
    for offset, draft in enumerate(drafts):
        outbox.put(publication_of(draft, offset))
    assert taken(outbox, PLENTY_BYTES) == [draft.packet for draft in drafts]


def test_the_same_bike_in_another_room_is_another_bike() -> None:
    outbox = Outbox(PLENTY_BYTES)
    drafts = [update("b1", {"x": 1}, room="a"), update("b1", {"x": 1}, room="b")]
    for draft in drafts:
        outbox.put(publication_of(draft, 1))
    assert taken(outbox, PLENTY_BYTES) == [draft.packet for draft in drafts]


def test_what_was_taken_is_not_changed_any_more() -> None:
    outbox = Outbox(PLENTY_BYTES)
    first, second, third = _publications()
    outbox.put(first)
    outbox.put(second)
    assert taken(outbox, 1) == [first.packet]
    outbox.put(third)
    assert taken(outbox, PLENTY_BYTES) == [second.packet, third.packet]


def test_behind_a_seal_nothing_moves_to_before_it() -> None:
    outbox = Outbox(PLENTY_BYTES)
    first, second, third = _publications()
    outbox.put(first)
    outbox.put(second)
    outbox.seal()
    outbox.put_packet(b"snapshot")
    outbox.put(third)
    expected = [first.packet, second.packet, b"snapshot", third.packet]
    assert taken(outbox, PLENTY_BYTES) == expected


def test_too_much_is_said_and_only_then() -> None:
    publication = publication_of(event("x" * 1000), 1)
    outbox = Outbox(5_000)
    answers = [outbox.put(publication) for _ in range(6)]
    assert answers[0] is True
    assert answers[-1] is False
    assert answers == sorted(answers, reverse=True)


def test_a_bike_that_moves_all_the_time_does_not_fill_it() -> None:
    outbox = Outbox(5_000)
    drafts = (publication_of(update("b1", {"x": n}), n) for n in range(1000))
    assert all(outbox.put(publication) for publication in drafts)
    assert len(outbox) == 1


def test_taking_from_an_empty_one_gives_nothing() -> None:
    assert taken(Outbox(1), PLENTY_BYTES) == []


def test_taking_gives_at_least_one_and_about_what_was_asked_for() -> None:
    outbox = Outbox(PLENTY_BYTES)
    for _ in range(10):
        outbox.put_packet(b"x" * 100)
    assert [len(taken(outbox, size)) for size in (1, 100, 101, 250)] == [1, 1, 2, 3]


class Slow(RuleBasedStateMachine):
    """A slow peer next to one that gets everything at once."""

    def __init__(self) -> None:
        super().__init__()
        self.limit_bytes = 0
        self.outbox = Outbox(0)
        self.offsets = count(1)
        self.all: dict[tuple[str, str], Value] = {}
        self.taken: dict[tuple[str, str], Value] = {}
        self.lasting: list[bytes] = []  # removals and other events, as they were put
        self.got: list[bytes] = []
        self.longest_bytes = 0

    @initialize(limit_bytes=st.integers(300, 5_000))
    def begin(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.outbox = Outbox(limit_bytes)

    def _put(self, publication: Publication) -> None:
        before = self.outbox.size_bytes
        fits = self.outbox.put(publication)
        assert fits == (self.outbox.size_bytes <= self.limit_bytes)
        # Whoever has too much waiting is sent off; what one publication adds is bounded by itself.
        assert self.outbox.size_bytes <= before + len(publication.packet) + 200
        if not fits:
            while self.outbox:
                self._read(taken(self.outbox, PLENTY_BYTES))

    @rule(room=rooms, key=keys, patch=fields)
    def update_bike(self, room: str, key: str, patch: Value) -> None:
        tagged: Value = {"roomId": room, **patch}
        publication = publication_of(update(key, tagged, room=room), next(self.offsets))
        self.all[room, key] = merged(self.all.get((room, key), {}), {"vehicle_id": key, **tagged})
        self._put(publication)

    @rule(room=rooms, key=keys)
    def remove_bike(self, room: str, key: str) -> None:
        publication = publication_of(removal(key, room=room), next(self.offsets))
        self.all.pop((room, key), None)
        self.lasting.append(publication.packet)
        self._put(publication)

    @rule(room=rooms)
    def tell_event(self, room: str) -> None:
        offset = next(self.offsets)
        publication = publication_of(event(offset, room=room), offset)
        self.lasting.append(publication.packet)
        self._put(publication)

    @rule()
    def answer(self) -> None:
        packet = f"ack {next(self.offsets)}".encode()
        self.lasting.append(packet)
        self.outbox.put_packet(packet)

    @rule()
    def seal(self) -> None:
        self.outbox.seal()

    @rule(limit_bytes=st.integers(1, 1_000))
    def take(self, limit_bytes: int) -> None:
        was_waiting = len(self.outbox)
        packets = taken(self.outbox, limit_bytes)
        assert bool(packets) == bool(was_waiting)
        self._read(packets)

    def _read(self, packets: list[bytes]) -> None:
        for packet in packets:
            if not packet.startswith(b'2["bike-'):
                self.got.append(packet)
                continue
            name, body = json.loads(packet[1:])
            key = body.get("bikeId") or body["vehicle_id"]
            if name == "bike-removed":
                self.got.append(packet)
                self.taken.pop((body["roomId"], key), None)
            else:
                place = (body["roomId"], key)
                self.taken[place] = merged(self.taken.get(place, {}), body)

    @invariant()
    def it_knows_its_size(self) -> None:
        assert self.outbox.size_bytes >= 0
        if not self.outbox:
            assert self.outbox.size_bytes == 0

    def teardown(self) -> None:
        self._read(taken(self.outbox, PLENTY_BYTES))
        assert self.taken == self.all
        assert self.got == self.lasting
        assert (len(self.outbox), self.outbox.size_bytes) == (0, 0)


TestSlow = Slow.TestCase
TestSlow.settings = hypothesis.settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_a_replaced_update_keeps_the_trail_of_the_older_one() -> None:
    outbox = Outbox(PLENTY_BYTES)
    first, between, last = (
        publication_of(update(key, {"x": offset}), offset)
        for offset, key in enumerate(("b1", "b2", "b1"), start=1)
    )
    for publication in (first, between, last):
        assert outbox.put(publication, CURSORS.after(publication))

    trails = [packet.rsplit(b",", 1)[1] for packet, _, _ in outbox.take(PLENTY_BYTES)]

    assert trails == [f'"{each.cursor}"]'.encode() for each in (first, between)]


def test_an_answer_of_any_size_waits_beside_what_the_room_has() -> None:
    outbox = Outbox(1_000)
    snapshot = b"x" * (ANSWERS_LIMIT_BYTES + 1)

    assert outbox.put_packet(snapshot)
    assert outbox.put(publication_of(event(1), 1)), "the snapshot does not count"
    assert not outbox.put_packet(b"one more"), "but there is an end to answers too"
    assert outbox.take(1) == [(snapshot, (), 0)]
    assert outbox.put_packet(b"one more")
