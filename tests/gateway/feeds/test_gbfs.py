import json
from pathlib import Path
from typing import Any

import hypothesis
import hypothesis.strategies as st
import pytest

from gateway.feeds import gbfs, listing
from gateway.feeds.envelope import FeedMalformed
from gateway.feeds.gbfs import parse
from tests.gateway.feeds import system

EXAMPLES = Path(__file__).parents[2] / "data" / "gbfs"

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


def body_of(name: str, *entries: object, **envelope: object) -> bytes:
    return json.dumps(system.document(name, list(entries), **envelope)).encode()  # type: ignore[arg-type] # also wrong ones


@pytest.mark.parametrize(
    ("path", "feed", "keys"),
    [
        ("v2.3/free_bike_status.json", "free_bike_status", {"TST:Scooter:1234"}),
        (
            "v2.3/station_status.json",
            "station_status",
            {"station/TST:Station:1", "station/TST:Station:2"},
        ),
        (
            "v3.1-RC3/vehicle_status.json",
            "vehicle_status",
            {"973a5c94-c288-4a2b-afa6-de8aeb6ae2e5", "987fd100-b822-4347-86a4-b3eef8ca8b53"},
        ),
        ("v3.1-RC3/station_information.json", "station_information", {"station/pga"}),
    ],
)
def test_documents_of_every_version_are_read_with_the_gateways_own_keys(
    path: str, feed: str, keys: set[str]
) -> None:
    document = parse(feed, (EXAMPLES / path).read_bytes())

    assert document.entities.keys() == keys
    assert document.skipped == 0


def test_an_entity_keeps_every_field_with_the_value_it_came_with() -> None:
    fields = system.bike(1, _unknown={"deep": [0, 1.5, None]}, is_disabled=1)
    document = parse("free_bike_status", body_of("bikes", fields))

    (entity,) = document.entities.values()
    assert entity.fields == fields
    assert type(entity.fields["is_disabled"]) is int


def test_words_of_the_gateway_are_not_taken_from_a_feed() -> None:
    hostile = system.bike(1, roomId="elsewhere", op="remove")
    (entity,) = parse("free_bike_status", body_of("bikes", hostile)).entities.values()

    assert entity.fields == system.bike(1)


def test_a_station_with_an_id_of_its_own_kind_is_no_bike() -> None:
    body = body_of("stations", system.status(1, id=7, bike_id="b"))
    (entity,) = parse("station_status", body).entities.values()

    assert entity.key.startswith("station/")
    assert not {"id", "bike_id"} & entity.fields.keys()


def test_a_version_1_feed_with_numeric_ids_is_read() -> None:
    body = (
        b'{"last_updated": 1, "ttl": 10, "data": {"bikes": [{"bike_id": 17, "lat": 1, "lon": 2}]}}'
    )

    assert parse("free_bike_status", body).entities.keys() == {"17"}


def test_a_byte_order_mark_is_no_reason_to_refuse() -> None:
    assert parse("free_bike_status", b"\xef\xbb\xbf" + body_of("bikes")).entities == {}


@pytest.mark.parametrize(
    "broken",
    [
        17,
        None,
        [],
        "bike",
        {},
        {"bike_id": ""},
        {"bike_id": None},
        {"bike_id": True},
        {"bike_id": "x" * 201},
    ],
)
def test_an_entry_that_cannot_be_named_is_skipped_and_counted(broken: object) -> None:
    document = parse("free_bike_status", body_of("bikes", system.bike(1), broken, system.bike(2)))

    assert len(document.entities) == 2
    assert document.skipped == 1
    assert not document.held


@pytest.mark.parametrize(
    "place",
    [
        {"lat": "41.7"},
        {"lat": None},
        {"lat": 91},
        {"lon": -180.1},
        {"lon": [1]},
        {"lat": True},
    ],
)
def test_an_entry_in_an_impossible_place_is_held_where_it_was(place: dict[str, Any]) -> None:
    broken = system.bike(1, **place)
    document = parse("free_bike_status", body_of("bikes", broken, system.bike(2)))

    assert len(document.entities) == 1
    assert document.held == {broken["bike_id"]}
    assert document.skipped == 1


def test_a_docked_bike_needs_no_place() -> None:
    docked = {"bike_id": "b", "station_id": "s", "is_reserved": False, "is_disabled": False}

    assert parse("free_bike_status", body_of("bikes", docked)).entities.keys() == {"b"}


def test_an_entry_with_half_a_character_or_no_number_costs_only_itself() -> None:
    first, second, third = (json.dumps(system.bike(number)).encode() for number in range(3))
    surrogate = rb'{"bike_id": "\ud800", "lat": 1, "lon": 1}'
    not_a_number = b'{"bike_id": "c", "lat": NaN, "lon": 1}'
    entries = b",".join([first, surrogate, second, not_a_number, third])

    document = parse("free_bike_status", b'{"data": {"bikes": [' + entries + b"]}}")
    assert len(document.entities) == 3
    assert document.skipped == 2


def test_an_entry_with_bytes_that_are_no_text_costs_only_itself() -> None:
    first, second = (json.dumps(system.bike(number)).encode() for number in range(2))
    entries = b",".join([first, b'{"bike_id": "\xff", "lat": 1, "lon": 1}', second])

    document = parse("free_bike_status", b'{"data": {"bikes": [' + entries + b"]}}")
    assert len(document.entities) == 2
    assert document.skipped == 1


def test_the_last_of_two_entries_with_one_name_counts() -> None:
    twice = [system.bike(1, is_reserved=0), system.bike(1, is_reserved=1), system.bike(2)]
    document = parse("free_bike_status", body_of("bikes", *twice))

    assert [entity.fields["is_reserved"] for entity in document.entities.values()] == [1, 0]
    assert document.skipped == 1


def test_a_document_that_is_mostly_unusable_says_nothing_about_who_has_left() -> None:
    with pytest.raises(FeedMalformed, match="2 of 3"):
        parse("free_bike_status", body_of("bikes", system.bike(1), 1, 2))


def test_an_empty_fleet_is_a_fleet() -> None:
    assert parse("free_bike_status", body_of("bikes")).entities == {}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"<!DOCTYPE html><p>down for maintenance", "HTML"),
        (b'{"data": {"bikes": [', "invalid JSON"),
        (b"[]", "not a GBFS document"),
        (b"null", "not a GBFS document"),
        (b'{"error": "quota"}', "not a GBFS document"),
        (b'{"data": null}', "not a GBFS document"),
        (b'{"data": {}}', "no vehicles or bikes"),
        (b'{"data": {"bikes": null}}', "not an array"),
        (b'{"data": {"bikes": {}}}', "not an array"),
        (b'{"data": {"bikes": [NaN]}}', "unusable"),
        (b'{"data": {"bikes": NaN}}', "not an array"),
        (b'{"data": {"bikes": {"a": NaN}}}', "not an array"),
        (b'{"data": NaN}', "invalid JSON"),
        (b'{"data": {"bikes": ' + b"[" * 100_000, "invalid JSON"),
        (b'{"data": {"bikes": ' + b"[" * 9_999 + b"]" * 9_999 + b"}}", "unusable|invalid JSON"),
        (b"\x00\xff\xfe", "invalid JSON"),
    ],
)
def test_a_broken_document_is_refused_with_a_reason(body: bytes, reason: str) -> None:
    with pytest.raises(FeedMalformed, match=reason):
        parse("free_bike_status", body)


@hypothesis.given(data=ANY_JSON, entries=st.lists(ANY_JSON, max_size=5), ttl=ANY_JSON)
def test_whatever_comes_is_read_or_refused_and_nothing_else_happens(
    data: object, entries: list[object], ttl: object
) -> None:
    for content in (data, {"bikes": entries}, {"stations": entries}, {"feeds": entries}):
        body = json.dumps({"data": content, "ttl": ttl, "last_updated": ttl}).encode()
        for feed in gbfs.FEEDS:
            try:
                parse(feed, body)
                listing.name_of(body, "")
                listing.addresses_of(body)
            except FeedMalformed:
                pass


@hypothesis.given(st.binary(max_size=200))
def test_bytes_of_any_kind_are_read_or_refused(body: bytes) -> None:
    try:
        parse("free_bike_status", body)
    except FeedMalformed as refused:
        assert str(refused)  # noqa: PT017 - both outcomes are fine, a silent one is not
