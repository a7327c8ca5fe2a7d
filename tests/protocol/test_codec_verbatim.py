import json

import hypothesis
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from protocol import codec, events
from protocol.catalogue import EVENT_DATA_LIMIT_BYTES, RESERVED_NAMES
from protocol.refusals import Refusal, Refused
from tests.protocol.decoding import decode, nested

MALFORMED = Refusal.MALFORMED


# ---- verbatim

_numbers = st.from_regex(
    r"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,2})?", fullmatch=True
)
_texts = st.builds(
    lambda text, is_ascii: json.dumps(text, ensure_ascii=is_ascii),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.booleans(),
)
_spaces = st.sampled_from(["", "", " ", "\n", "\t\r\n "])


def _array(items: list[str], space: str) -> str:
    return "[" + space + f"{space},{space}".join(items) + space + "]"


def _object(fields: list[tuple[str, str]], space: str) -> str:
    members = [f"{name}{space}:{space}{value}" for name, value in fields]
    return "{" + space + f"{space},{space}".join(members) + space + "}"


_values = st.recursive(
    st.one_of(_numbers, _texts, st.sampled_from(["true", "false", "null"])),
    lambda inner: st.one_of(
        st.builds(_array, st.lists(inner, max_size=4), _spaces),
        st.builds(_object, st.lists(st.tuples(_texts, inner), max_size=4), _spaces),
    ),
    max_leaves=25,
)


@given(st.lists(st.tuples(_texts, _values), max_size=6), _spaces)
def test_a_bike_update_comes_through_byte_for_byte(
    fields: list[tuple[str, str]], space: str
) -> None:
    payload = _object([*fields, ('"roomId"', '"r"')], space).encode()

    update = decode("bike-update", b"[" + payload + b"]")

    assert isinstance(update, events.BikeUpdate)
    packet = codec.packet_of("bike-updated", update.payload)
    assert codec.payload_of(packet, "bike-updated") == payload
    assert packet == b'2["bike-updated",' + payload + b"]"


@given(_values, st.text(st.characters(categories=["L", "P", "S", "Zs"]), min_size=1, max_size=64))
def test_any_other_event_comes_through_byte_for_byte(data: str, name: str) -> None:
    name = "".join(filter(str.isprintable, name)) or "x"
    hypothesis.assume(name not in RESERVED_NAMES)
    request = f'[{{"roomId":"r","event":{json.dumps(name)},"data":{data}}}]'

    event = decode("publish", request.encode())

    assert isinstance(event, events.Publish)
    packet = codec.packet_of(event.event, bytes(event.data))
    assert codec.payload_of(packet, name) == data.encode()
    assert msgspec.json.decode(packet[1:], type=list[Raw])[0] == Raw(msgspec.json.encode(name))


@pytest.mark.parametrize(
    "value",
    [
        b"48.856614000000001",
        b"0.1e-6",
        b"1E+2",
        b"-0",
        b"-0.0",
        b"9007199254740993",
        b"123456789012345678901234567890",
        b"1" * 308,
        b"1e-400",
        b"0." + b"3" * 400,
        b'"' + b"1" * 400 + b'"',
        b'["\\"' + b"1" * 400 + b'","\\\\"]',
        '"\u2028 ключ 🚲"'.encode(),
        b'"\\ud83d\\udeb2 \\u0000 \\/ \x7f"',
        b'{"a":1,"a":2}',
        b'{"_placeholder":true,"num":0}',
        b'{"__proto__":{"x":1}}',
        nested(99),
        b'"' + b"[" * 5000 + b'"',
        b"[" + b",".join([b"[[]]"] * 5000) + b"]",
    ],
)
def test_odd_values_that_every_client_can_read_pass_verbatim(value: bytes) -> None:
    payload = b'{"roomId":"r","odd":' + value + b"}"

    update = decode("bike-update", b"[" + payload + b"]")

    assert isinstance(update, events.BikeUpdate)
    assert update.payload == payload


def test_a_shop_item_of_8_kb_passes_verbatim() -> None:
    item = {"sku": "a" * 20, "variants": [{"size": size, "price": 19.90} for size in range(12)]}
    text = json.dumps({"roomId": "shop", "id": {"own": "kind"}, "items": [item] * 20}, indent=1)
    payload = text.encode()
    assert 8_000 < len(payload) < EVENT_DATA_LIMIT_BYTES

    update = decode("bike-update", b"[" + payload + b"]")

    assert update == events.BikeUpdate("shop", payload)


# ---- what some client would break on


@pytest.mark.parametrize(
    "value",
    [
        b"NaN",
        b"Infinity",
        b"-Infinity",
        b"1e999",
        b"-1e999",
        b"1" + b"0" * 400,
        b"-" + b"9" * 309,
        b"9" * 5000,
        b"[" + b"9" * 309 + b"]",
        b'"\\ud800"',
        b'"\\ude00\\ud83d"',
        b'{"\\ud800":1}',
        b'"\xff"',
        b'"\xc0\x80"',
        b'"\xed\xa0\x80"',
        b'{"\xff":1}',
        b'"a\x00b"',
        b'"a\x1eb"',
        b'"a\nb"',
        b"\x00",
        b"01",
        b"1.",
        b".5",
        b"+1",
        b"'x'",
        b"[1,]",
        b"{1:2}",
        b"undefined",
        b"",
        b"1 2",
        b"\xef\xbb\xbf1",
        b"/**/1",
        nested(101),
        nested(16_000),
        b'{"a":' * 101 + b"1" + b"}" * 101,
        b"[" * 30_000,
    ],
)
def test_json_that_some_client_would_break_on_is_refused(value: bytes) -> None:
    with pytest.raises(Refused) as refused:
        codec.plain_json(value)
    assert refused.value.refusal is MALFORMED


@given(st.integers(0, 700), st.integers(309, 330), st.booleans())
def test_an_endless_integer_is_found_wherever_it_is(
    before: int,
    digits: int,
    is_negative: bool,  # noqa: FBT001 - hypothesis gives it
) -> None:
    number = b"-" * is_negative + b"7" * digits

    with pytest.raises(Refused):
        codec.plain_json(b'{"' + b"x" * before + b'":' + number + b"}")


@given(st.integers(0, 700), st.integers(1, 308))
def test_an_integer_that_javascript_can_hold_passes(before: int, digits: int) -> None:
    codec.plain_json(b'{"' + b"x" * before + b'":' + b"7" * digits + b"}")


@pytest.mark.parametrize(
    ("opening", "closing", "deepest"),
    [
        (b"[", b"]", 100),
        (b'{"a":', b"}", 100),
        (b'["]\\"",', b',"["]', 100),
        (b'{"}":[],"\\\\":', b',"{":[{}]}', 98),
        (b"[[[[[]]]],", b"]", 96),
    ],
)
def test_no_more_than_a_hundred_levels_pass(opening: bytes, closing: bytes, deepest: int) -> None:
    codec.plain_json(opening * deepest + b"1" + closing * deepest)

    with pytest.raises(Refused, match="Nested more than 100 levels"):
        codec.plain_json(opening * (deepest + 1) + b"1" + closing * (deepest + 1))


def test_depth_is_judged_the_same_however_deep_the_caller_is() -> None:
    def check_from(calls: int) -> None:
        if calls:
            check_from(calls - 1)
        else:
            codec.plain_json(nested(100))

    check_from(0)
    check_from(500)
