"""This module owns what must be true of everything that reads the content of events."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qsl

import msgspec
from msgspec import Raw

from gateway.rooms import snapshot
from gateway.rooms.snapshot import Heard, LastValue
from protocol import bikes, codec, events
from protocol.catalogue import CLIENT_EVENTS
from protocol.cursor import Cursor
from protocol.refusals import Refused
from protocol.trackers import osmand, owntracks
from protocol.trackers.sighting import Told, sighting_of
from tests.fuzz.judge import Judge

_NAMES: Final = (*sorted(CLIENT_EVENTS), "bike-updated", "no-such-event")
_VALUE_LIMIT_BYTES: Final = 32_768
# Some of this length are doubles; they are refused with those that are none.
_LONG_INTEGER: Final = re.compile(rb"[0-9]{309}")
_decode_arguments = msgspec.json.Decoder(list[Raw]).decode

JSON_SEEDS: Final = (
    b'{"a":[1,-2.5e3,"x\\u00e9\\ud83d\\udeb2"],"b":{"c":null,"d":true}}',
    b"9" * 308,
    b"[" * 99 + b"]" * 99,
    b'"\\"\\\\\\n"',
    b"1.7976931348623157e308",
)
UPDATE_SEEDS: Final = (
    b'{"roomId":"r","bike_id":"b","lat":48.85,"lon":2.35,"timestamp":1800000000000}',
    b'{"roomId":"r","vehicle_id":"v","op":"remove","last_reported":"2026-01-01T00:00:00Z"}',
    b'{"roomId":"r","station_id":7,"last_reported":1800000000}',
    b' { "roomId" : "r" , "id":null }',
)
# The first byte chooses the event.
EVENT_SEEDS: Final = (
    b'\x00[{"token":"abc"}]',
    b'\x01[{"roomId":"r","id":1},{"idempotencyKey":"k"}]',
    b'\x02[{"roomId":"r","since":"e.1.00000000","snapshot":true}]',
    b'\x03["r"]',
    b'\x04["r"]',
    b'\x05[{"roomId":"r","event":"e","data":{"x":1},"idempotencyKey":"k"}]',
)
# The first byte is the number of attachments.
PLACEHOLDER_SEEDS: Final = (
    b'\x01{"x":[{"_placeholder":true,"num":0}]}',
    b'\x02[{"_placeholder":true,"num":1},{"_placeholder":false,"num":9}]',
)
CURSOR_SEEDS: Final = (b"abcDEF_-9.0.00000000", b"e.9999999999999999.ffffffff")
# Objects behind one another: patches of one bike.
PATCH_SEEDS: Final = (
    b'{"a":1,"b":null}\n{"a":null,"c":{"d":null}}\n{"a":1.50}',
    b'{"a":1}\n{"a":2}\n{"a":"null"}\n{"\\u0061":null,"a":3}',
)
# The first byte chooses the program.
REPORT_SEEDS: Final = (
    b'\x00{"_type":"location","lat":48.85,"lon":2.35,"tst":1799999999,"batt":50,"vel":18,"cog":7}',
    b'\x01{"location":{"timestamp":"2027-01-15T07:59:59Z","coords":{"latitude":48,"longitude":2}}}',
    b'\x01{"location":{"coords":{"speed":-1},"battery":{"level":0.5}},"device_id":"pct_x"}',
    b"\x02id=pct_x&lat=48.85&lon=2.35&timestamp=1799999999&speed=10&bearing=7&batt=50&valid=true",
    b"\x02id=pct_x&location=48.85,2.35&timestamp=2027-01-15+07%3A59%3A59",
)
_NOW_MS: Final = 1_800_000_000_000


def check_json(judge: Judge, text: bytes) -> None:
    """What passes is read by JavaScript as it is; what it reads well passes, within our limits."""
    verdict = judge.verdict_on_json(text)
    try:
        codec.plain_json(text)
    except Refused:
        is_deep = text.count(b"[") + text.count(b"{") > codec.NESTING_LIMIT_LEVELS
        is_limited = is_deep or _LONG_INTEGER.search(text) is not None
        assert is_limited or verdict != "fine", "good JSON is refused"
    else:
        assert verdict == "fine", f"JavaScript finds it {verdict}"


def check_event(judge: Judge, data: bytes) -> None:
    """An event is one of the catalogue or refused; what rooms are told of it can be read."""
    with contextlib.suppress(Refused, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        arguments = _decode_arguments(data[1:])
        event = codec.decode(_NAMES[data[0] % len(_NAMES)] if data else "", arguments)
        _check_told(judge, event)


def check_update(judge: Judge, data: bytes) -> None:
    """The same for the one event that is nearly all, by each of its doors."""
    for room in (None, "city:paris"):
        try:
            update = codec.bike_update_of(data, room=room)
        except Refused:
            continue
        assert room in {None, update.room_id}
        _check_told(judge, update)


def check_report(judge: Judge, data: bytes) -> None:
    """What a tracker reports is refused, or it is the update of a live bike."""
    tell = _TELLERS[data[0] % len(_TELLERS)] if data else owntracks.told_of
    with contextlib.suppress(Refused):
        told = tell(data[1:])
        if told is not None:
            payload = sighting_of(told, _NOW_MS).payload("tracker-x")
            _check_report_told(judge, payload)


def _check_report_told(judge: Judge, payload: bytes) -> None:
    try:
        update = codec.bike_update_of(payload, room="r")
        bikes.check_live(update.payload, update.key)
    except Refused as refused:
        raise AssertionError(payload) from refused
    _check_told(judge, update)


def _told_by_parameters(data: bytes) -> Told | None:
    pairs = parse_qsl(data.decode(errors="replace"))
    return osmand.report_of_parameters(pairs).told


_TELLERS: Final[tuple[Callable[[bytes], Told | None], ...]] = (
    owntracks.told_of,
    lambda data: osmand.report_of_json(data).told,
    _told_by_parameters,
)


def check_placeholders(judge: Judge, data: bytes) -> None:
    """Placeholders that pass are filled by JavaScript."""
    attachments, payload = data[0] % 11 if data else 0, data[1:]
    try:
        codec.plain_json(payload)
        codec.check_placeholders(payload, attachments)
    except Refused:
        return
    if attachments:
        theirs = judge.packet(codec.packet_of("e", payload, attachments), attachments)
        assert "error" not in theirs, theirs


def check_cursor(data: bytes) -> None:
    """A cursor that is read is written as it was."""
    text = data.decode(errors="surrogateescape")
    with contextlib.suppress(Refused):
        assert str(Cursor.parse(text)) == text


def check_patches(data: bytes) -> None:
    """The last value is what a reader has who applied each patch (RFC 7396, top level)."""
    patches = [patch for patch in data.split(b"\n")[:40] if _is_object(patch)]
    if not patches:
        return
    expected: dict[str, object] = {}
    last: LastValue | None = None
    for number, patch in enumerate(patches):
        update = codec.bike_update_of(patch, room="r")
        expected = _patched(expected, patch)
        heard = Heard(number, 0, 0.0)
        if last is None:
            last = LastValue(patch, heard, update.names)
        else:
            _check_conflated(patches[number - 1], patch)
            last.patch(patch, heard, update.names)
    assert last is not None
    value = last.value()
    assert last.size_bytes == len(value)
    codec.plain_json(snapshot.array_of([value]))
    if sum(map(len, patches)) < _VALUE_LIMIT_BYTES:
        assert json.loads(value) == expected


def _check_conflated(older: bytes, newer: bytes) -> None:
    both = snapshot.conflated(older, newer)
    start: dict[str, object] = dict.fromkeys([*json.loads(older), *json.loads(newer), "kept"], 0)
    assert _patched(start, both) == _patched(_patched(start, older), newer)


def _patched(fields: dict[str, object], patch: bytes) -> dict[str, object]:
    changed = fields | json.loads(patch)
    return {name: value for name, value in changed.items() if value is not None}


def _is_object(patch: bytes) -> bool:
    with contextlib.suppress(Refused):
        codec.bike_update_of(patch, room="r")
        return True
    return False


def _check_told(judge: Judge, event: events.Event) -> None:
    if isinstance(event, events.BikeUpdate):
        name, payload = "bike-updated", event.payload
    elif isinstance(event, events.Publish):
        name, payload = event.event, bytes(event.data)
    else:
        return
    packet = codec.packet_of(name, payload)
    assert codec.payload_of(packet, name) == payload
    theirs = judge.packet(codec.with_arguments(packet, b'"e.1.00000000"'))
    assert "error" not in theirs, theirs
    read = theirs["data"]
    assert [read[0], read[2:]] == [name, ["e.1.00000000"]], read
    assert json.loads(json.dumps(read[1]), parse_int=float) == json.loads(payload, parse_int=float)
