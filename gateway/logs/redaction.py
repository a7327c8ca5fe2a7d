"""This module owns what a log line may hold: no secrets, nothing endless, nothing that misleads.

`scrubbed` turns any value into what JSON can hold, so a renderer behind it has nothing to fail on.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

REDACTED = "[redacted]"
_TEXT_LIMIT_CHARACTERS = 8192
_ENTRIES_LIMIT = 100
_DEPTH_LIMIT = 5
_INTEGER_LIMIT = 2**63

_SECRET_NAME = re.compile(
    r"token|authorization|passw(or)?d|secret|api[_-]?key|private[_-]?key|cookie|credential",
    re.IGNORECASE,
)
# Words with two dots or more, of which the letters tell whether it is a JWT: eyJ is `{"` in
# base64. Each word is taken whole or not at all, so a long line costs no more than its length.
_DOTTED = re.compile(r"(?<![\w-])[\w-]++(?:\.[\w-]*+){2,}+", re.ASCII)
_IN_TEXT = (
    (re.compile(r"://[^/?#\s]*@"), f"://{REDACTED}@"),
    (re.compile(r"\b(bearer)\s+[^\s,;\"']+", re.IGNORECASE), rf"\1 {REDACTED}"),
    (re.compile(r"\bpc[lt]_[0-9A-Za-z]+_[0-9A-Za-z]+"), REDACTED),  # an API key, a tracker code
    # In a query string, in JSON, in the repr of a dictionary.
    (
        re.compile(
            r"((?:token|password|secret|api_?key)[\"']?\s*[:=]\s*[\"']?)[^\s\"'&,;}]+",
            re.IGNORECASE,
        ),
        rf"\1{REDACTED}",
    ),
)


def is_secret_name(name: str) -> bool:
    return _SECRET_NAME.search(name) is not None


def scrubbed(value: object, depth: int = 0) -> object:
    """`value` without secrets, made of None, numbers, text, lists and dictionaries alone."""
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int) and -_INTEGER_LIMIT <= value < _INTEGER_LIMIT:
        return value
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        return scrubbed_items(value, depth + 1) if depth < _DEPTH_LIMIT else "..."
    return scrubbed_text(value if isinstance(value, str) else _repr_of(value))


def scrubbed_items(value: Collection[object], depth: int) -> object:
    if isinstance(value, Mapping):
        return scrubbed_members(value, depth)
    return [scrubbed(item, depth) for item in list(value)[:_ENTRIES_LIMIT]]


def scrubbed_members(members: Mapping[Any, object], depth: int = 0) -> dict[str, object]:
    """A dictionary without secrets, be they in its values or behind a name that tells of one."""
    clean: dict[str, object] = {}
    for key, value in list(members.items())[:_ENTRIES_LIMIT]:
        name = scrubbed_text(key if isinstance(key, str) else _repr_of(key))
        is_hidden = is_secret_name(name) and not (value is None or isinstance(value, bool))
        clean[name] = REDACTED if is_hidden else scrubbed(value, depth)
    return clean


def scrubbed_text(text: str) -> str:
    text = _shortened(text, 8 * _TEXT_LIMIT_CHARACTERS)
    text = _DOTTED.sub(_without_token, text)
    for pattern, replacement in _IN_TEXT:
        text = pattern.sub(replacement, text)
    # A lone surrogate can be written to no stream.
    return _shortened(text, _TEXT_LIMIT_CHARACTERS).encode("utf-8", "backslashreplace").decode()


def _without_token(found: re.Match[str]) -> str:
    return REDACTED if "eyJ" in found[0] else found[0]


def _shortened(text: str, limit_characters: int) -> str:
    """Both ends: a message is at the start of a text, the error at the end of a traceback."""
    if len(text) <= limit_characters:
        return text
    half = limit_characters // 2
    return f"{text[:half]} ... {text[-half:]}"


def _repr_of(value: object) -> str:
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - a broken repr is no reason to lose the line
        return f"<{type(value).__name__}>"
