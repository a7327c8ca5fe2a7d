"""PROTOCOL.md tells the truth: the classes read its examples, the catalogue has its tables."""

import re
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from protocol import bikes, codec, events, reference
from protocol.catalogue import (
    CLIENT_EVENTS,
    EVENT_DATA_LIMIT_BYTES,
    EVENT_NAME_LIMIT_CHARACTERS,
    SERVER_EVENTS,
)
from protocol.cursor import Cursor
from protocol.refusals import Goodbye, Refusal
from protocol.rooms import ROOM_NAME_LIMIT_CHARACTERS
from tests.toolbox.programs import REPOSITORY

PAGE = (REPOSITORY / "protocol" / "PROTOCOL.md").read_text(encoding="utf-8")
# ```json client join-room
EXAMPLES: list[tuple[str, str, str]] = re.findall(
    r"^```json ?([\w-]*) ?([\w-]*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL
)


def read_as(text: str, shape: type[msgspec.Struct]) -> Any:  # noqa: ANN401 - of the shape that is asked for
    """Decode, and refuse a field that the shape does not have: it would be a slip of the pen."""
    known = {field.encode_name for field in msgspec.structs.fields(shape)}
    is_open = not issubclass(shape, events.Event)
    assert is_open or msgspec.json.decode(text, type=dict[str, Raw]).keys() <= known
    return msgspec.json.decode(text, type=shape)


def text_of(raw: Raw) -> str:
    return bytes(raw).decode()


def check_client(event: str, text: str) -> None:
    decoded = codec.decode(event, msgspec.json.decode(text, type=list[Raw]))
    argument, *rest = msgspec.json.decode(text, type=list[Raw])
    row = CLIENT_EVENTS[event]
    if not text_of(argument).startswith('"'):
        read_as(text_of(argument), row.shape)
    for options in rest:
        assert row.options is not None
        read_as(text_of(options), row.options)
    assert isinstance(decoded, row.argument)
    if isinstance(decoded, events.JoinRoom) and decoded.since is not None:
        Cursor.parse(decoded.since)


def check_ack(event: str, text: str) -> None:
    envelope = msgspec.json.decode(text, type=dict[str, Raw])
    assert {"data"} <= envelope.keys() <= {"data", "meta"}
    data = read_as(text_of(envelope["data"]), CLIENT_EVENTS[event].ack)
    if hasattr(data, "cursor"):
        Cursor.parse(data.cursor)


def check_server(event: str, text: str) -> None:
    message = read_as(text, SERVER_EVENTS[event].shape)
    if isinstance(message, events.GoodbyeNotice):
        known = {goodbye.code: goodbye.reason for goodbye in Goodbye}
        assert message.reason == known[message.code]


def check_refusal(_: str, text: str) -> None:
    body = msgspec.json.decode(text)
    assert body["message"] == Refusal[body["code"]].sentence
    assert body.keys() <= {"code", "message", "details"}


def check_failure(_: str, text: str) -> None:
    check_refusal(_, text_of(msgspec.json.decode(text, type=dict[str, Raw])["error"]))


def check_auth(_: str, text: str) -> None:
    auth = msgspec.json.decode(text, type=dict[str, str | bool])
    assert {"token"} <= auth.keys() <= {"token", "recover", "pid", "offset"}
    for place in str(auth.get("offset", "")).split(",") if "offset" in auth else ():
        Cursor.parse(place.partition(":")[2])


def check_http_item(_: str, text: str) -> None:
    item = msgspec.json.decode(text, type=dict[str, Raw])
    assert {"event", "data"} <= item.keys() <= {"event", "data", "idempotencyKey"}
    event = msgspec.json.decode(item["event"], type=str)
    if event == "bike-update":
        codec.bike_update_of(item["data"], room="city:paris")
    else:
        codec.publish_of("city:paris", event, item["data"])


def check_http_items(_: str, text: str) -> None:
    for item in msgspec.json.decode(text, type=list[Raw]):
        check_http_item(_, text_of(item))


def check_told(told: Raw) -> None:
    if "error" in msgspec.json.decode(told, type=dict[str, Raw]):
        check_failure("", text_of(told))
    else:
        Cursor.parse(read_as(text_of(told), events.Published).cursor)


def check_http_answer(_: str, text: str) -> None:
    check_http_answers(_, text.replace('"data": ', '"data": [', 1).replace("}, ", "}], ", 1))


def check_http_answers(_: str, text: str) -> None:
    envelope = msgspec.json.decode(text, type=dict[str, Raw])
    assert envelope.keys() == {"data", "meta"}
    for told in msgspec.json.decode(envelope["data"], type=list[Raw]):
        check_told(told)
    counts = msgspec.json.decode(envelope["meta"], type=dict[str, int])
    assert {"accepted", "repeated", "superseded"} <= counts.keys()


CHECKS = {
    "ack": check_ack,
    "auth": check_auth,
    "client": check_client,
    "failure": check_failure,
    "http-answer": check_http_answer,
    "http-answers": check_http_answers,
    "http-item": check_http_item,
    "http-items": check_http_items,
    "refusal": check_refusal,
    "server": check_server,
}


@pytest.mark.parametrize(("kind", "event", "text"), EXAMPLES)
def test_an_example_is_what_the_classes_read(kind: str, event: str, text: str) -> None:
    CHECKS[kind](event, text)


def test_every_event_and_every_kind_has_an_example() -> None:
    def shown(kind: str) -> set[str]:
        return {event for shown_kind, event, _ in EXAMPLES if shown_kind == kind}

    assert shown("client") == shown("ack") == CLIENT_EVENTS.keys()
    assert shown("server") == SERVER_EVENTS.keys()
    assert {kind for kind, _, _ in EXAMPLES} == CHECKS.keys()
    assert PAGE.count("```json") == len(EXAMPLES)


@pytest.mark.parametrize(
    "table",
    [
        reference.client_events_table(),
        reference.server_events_table(),
        reference.refusals_table(),
        reference.goodbyes_table(),
    ],
)
def test_the_tables_are_those_of_the_catalogue_and_the_codes(table: str) -> None:
    assert table in PAGE


@pytest.mark.parametrize(
    ("what", "limit"),
    [
        ("a room's name", f"{ROOM_NAME_LIMIT_CHARACTERS} characters"),
        ("an event's name", f"{EVENT_NAME_LIMIT_CHARACTERS} characters"),
        ("a bike-update, or the `data` of a publish", f"{EVENT_DATA_LIMIT_BYTES} bytes"),
        ("levels of nesting in either", f"{codec.NESTING_LIMIT_LEVELS}"),
        ("a bike's or a station's identity", f"{bikes.KEY_LIMIT_CHARACTERS} characters"),
    ],
)
def test_the_limits_are_those_that_hold(what: str, limit: str) -> None:
    assert f"| {what} | {limit} |" in PAGE


def test_links_lead_somewhere() -> None:
    targets: Iterable[str] = re.findall(r"\]\(([^)#]+)\)", PAGE)

    assert [name for name in targets if not (REPOSITORY / "protocol" / name).exists()] == []
