from __future__ import annotations

from protocol.attachments import in_text


def test_each_attachment_stands_in_its_place() -> None:
    payload = b'[{"_placeholder":true,"num":1},{"a":{"_placeholder":true,"num":0}}]'
    assert (
        in_text(payload, (b"\x00", b"\xff\xfe")) == b'[{"base64":"//4="},{"a":{"base64":"AA=="}}]'
    )


def test_what_has_none_is_not_touched() -> None:
    payload = b'{ "n": 1.0000000000000001 }'
    assert in_text(payload, ()) is payload
