"""This module owns what a password may be: one that is set, and one that was set at some time."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta

PASSWORD_LEAST_CHARACTERS: Final = 8
PASSWORD_MOST_CHARACTERS: Final = 256

# What was once taken must be taken again, so rules are for new ones alone.
PresentPassword = Annotated[str, Meta(min_length=1, max_length=PASSWORD_MOST_CHARACTERS)]
NewPassword = Annotated[
    str, Meta(min_length=PASSWORD_LEAST_CHARACTERS, max_length=PASSWORD_MOST_CHARACTERS)
]
