"""CloudEvents 1.0; the examples are those of its JSON format and HTTP binding, shortened."""

from __future__ import annotations

import json
from typing import Any

import pytest

from protocol.cloudevents import is_in_headers, item_of, item_of_headers
from protocol.refusals import Refusal, Refused

EVENT = {"specversion": "1.0", "id": "A234", "source": "/fleet", "type": "com.example.moved"}


def item(**changes: Any) -> Any:  # noqa: ANN401 - any JSON
    return item_of(json.dumps(EVENT | changes).encode())


def refusal(**changes: Any) -> Refusal:  # noqa: ANN401 - any JSON
    with pytest.raises(Refused) as caught:
        item(**changes)
    return caught.value.refusal


def test_type_is_the_name_and_data_the_data_as_it_came() -> None:
    raw = json.dumps(EVENT).encode()[:-1] + b', "time": "2026-01-01T00:00:00Z", "data": {"n":1.50}}'
    told = item_of(raw)
    assert (told.event, bytes(told.data)) == ("com.example.moved", b'{"n":1.50}')
    assert bytes(item().data) == b"null"


def test_source_and_id_make_the_key_and_nothing_else_does() -> None:
    key = item().idempotency_key
    assert key is not None
    assert len(key) <= 128
    assert item(data=1, type="other").idempotency_key == key
    assert item(id="A235").idempotency_key != key
    assert item(source="/fleet A", id="234").idempotency_key != key
    assert item(source="/fleet ", id="A234").idempotency_key != item(id=" A234").idempotency_key


def test_only_json_is_taken() -> None:
    assert item(datacontenttype="application/vnd.bike+json; charset=utf-8").event
    assert refusal(datacontenttype="text/xml", data="<a/>") is Refusal.UNSUPPORTED_MEDIA_TYPE
    assert refusal(data_base64="AA==") is Refusal.UNSUPPORTED_MEDIA_TYPE


@pytest.mark.parametrize(
    "changes",
    [{"specversion": "0.3"}, {"id": ""}, {"id": 5}, {"source": None}, {"type": "x" * 65}],
)
def test_what_is_no_event_is_refused(changes: dict[str, Any]) -> None:
    assert refusal(**changes) is Refusal.MALFORMED


def test_attributes_may_come_in_headers() -> None:
    headers = {f"ce-{name}": value for name, value in EVENT.items()}
    assert is_in_headers(headers)
    assert not is_in_headers({})
    assert item_of_headers(headers, b"5").idempotency_key == item().idempotency_key
    assert bytes(item_of_headers(headers, b" ").data) == b"null"
    assert (
        item_of_headers(headers | {"ce-type": "caf%C3%A9"}, b"5").event
        == "caf\N{LATIN SMALL LETTER E WITH ACUTE}"
    )
    with pytest.raises(Refused):
        item_of_headers({"ce-specversion": "1.0"}, b"5")
