"""This module owns API keys as texts: how they are made, told from tokens, and checked for typing.

`pcl_<id>_<secret><check>`: a prefix by which scanners know what they have found, an id to look it
up by, 190 random bits, and a check that tells a typing error from a key without asking anybody.
What is kept of a key is its SHA-256: nobody guesses that much, so no slow hash is needed.

A tracker code, `pct_<id>_<secret><check>`, is a key for phones whose programs can send it in a URL
alone. It is good where trackers report and nowhere else: neither its prefix nor its longer id fits
a key, and the hash is one of the whole text.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Callable
from typing import Final

import msgspec

from protocol.refusals import Refusal, Refused

PREFIX: Final = "pcl_"
TRACKER_PREFIX: Final = "pct_"
_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID_CHARACTERS: Final = 12
_TRACKER_ID_CHARACTERS: Final = 16
_SECRET_CHARACTERS: Final = 32
_CHECK_CHARACTERS: Final = 6  # 32 bits
_SUBJECT_PREFIX: Final = "key:"
_ID: Final = re.compile(
    rf"[0-9A-Za-z]{{{_ID_CHARACTERS}}}|[0-9A-Za-z]{{{_TRACKER_ID_CHARACTERS}}}", re.ASCII
)


def _shape_of(prefix: str, id_characters: int) -> re.Pattern[str]:
    return re.compile(
        rf"{prefix}([0-9A-Za-z]{{{id_characters}}})_"
        rf"[0-9A-Za-z]{{{_SECRET_CHARACTERS}}}([0-9A-Za-z]{{{_CHECK_CHARACTERS}}})",
        re.ASCII,
    )


_KEY: Final = _shape_of(PREFIX, _ID_CHARACTERS)
_TRACKER: Final = _shape_of(TRACKER_PREFIX, _TRACKER_ID_CHARACTERS)


class PresentedKey(msgspec.Struct, frozen=True):
    """A key that somebody shows: whose it claims to be, and what is to be compared."""

    id: str
    digest: str

    @property
    def subject(self) -> str:
        """The subject of who has the key."""
        return subject_of_key(self.id)


def new_key_id(choose: Callable[[str], str], *, is_tracker: bool = False) -> str:
    """An id; `choose` takes one character out of a text, by chance that nobody can foresee."""
    characters = _TRACKER_ID_CHARACTERS if is_tracker else _ID_CHARACTERS
    return "".join(choose(_ALPHABET) for _ in range(characters))


def new_key_text(key_id: str, choose: Callable[[str], str]) -> str:
    """A key, or a tracker code if the id is of one, with a new secret."""
    secret = "".join(choose(_ALPHABET) for _ in range(_SECRET_CHARACTERS))
    prefix = TRACKER_PREFIX if is_tracker_id(key_id) else PREFIX
    body = f"{prefix}{key_id}_{secret}"
    return body + _check_of(body)


def is_tracker_id(key_id: str) -> bool:
    """Whether the id is of a tracker code and not of a key."""
    return len(key_id) == _TRACKER_ID_CHARACTERS


def is_api_key(text: str) -> bool:
    """Whether it is meant as an API key; no JWT begins so."""
    return text.startswith(PREFIX)


def is_tracker_code(text: str) -> bool:
    """Whether it is meant as a tracker code."""
    return text.startswith(TRACKER_PREFIX)


def presented_key(text: str) -> PresentedKey:
    """What the text claims; raises `Refused` (TOKEN_INVALID) when nobody can have been given it."""
    return _presented(text, _KEY, "The API key is not whole, or mistyped.")


def presented_tracker(text: str) -> PresentedKey:
    """The same of a tracker code."""
    return _presented(text, _TRACKER, "The tracker code is not whole, or mistyped.")


def _presented(text: str, shape: re.Pattern[str], complaint: str) -> PresentedKey:
    found = shape.fullmatch(text)
    if found is None or _check_of(text[:-_CHECK_CHARACTERS]) != found[2]:
        raise Refused(Refusal.TOKEN_INVALID, complaint)
    return PresentedKey(found[1], digest_of(text))


def digest_of(text: str) -> str:
    """What is kept of a key."""
    return hashlib.sha256(text.encode()).hexdigest()


def subject_of_key(key_id: str) -> str:
    """The subject of who has the key of that id."""
    return f"{_SUBJECT_PREFIX}{key_id}"


def key_id_of(subject: str) -> str | None:
    """The id of the key that the subject stands for; None when it stands for something else."""
    key_id = subject.removeprefix(_SUBJECT_PREFIX)
    is_key = subject.startswith(_SUBJECT_PREFIX) and _ID.fullmatch(key_id) is not None
    return key_id if is_key else None


def _check_of(body: str) -> str:
    number, text = zlib.crc32(body.encode()), ""
    for _ in range(_CHECK_CHARACTERS):
        number, digit = divmod(number, len(_ALPHABET))
        text = _ALPHABET[digit] + text
    return text
