"""This module owns binary attachments where there is only text: each stands in its place as base64.

An event with attachments says where they belong by placeholders: `{"_placeholder": true, "num": 0}`
becomes `{"base64": "..."}` in JSON alone.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import msgspec

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def in_text(payload: bytes, attachments: Sequence[bytes]) -> bytes:
    """The payload with its attachments written into it; the same bytes when it has none."""
    return _encode(_filled(_decode(payload), attachments)) if attachments else payload


def _filled(value: Any, attachments: Sequence[bytes]) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, list):
        return [_filled(each, attachments) for each in value]
    if not isinstance(value, dict):
        return value
    if value.get("_placeholder") is True:
        return {"base64": base64.b64encode(attachments[value["num"]]).decode()}
    return {name: _filled(each, attachments) for name, each in value.items()}
