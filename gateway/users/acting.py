"""This module owns who is doing what is being done right now, for the trail of it.

A door says who it is, as far as it knows, and whoever finds out more says that. It is of the task
that does it, and of those that it starts: as the id of the request on the lines of the log is. So
no change can be made without anybody to whom it is put down, whichever way it came.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Final, Literal

import msgspec

# How somebody has proved who it is: a session that began here, a token of elsewhere, an API key, a
# shell on the machine, a password at signing in, a mail, a provider; by nothing; or it is nobody
# but the gateway itself, which does something at a time of its own.
Via = Literal[
    "session", "token", "key", "command", "password", "mail", "provider", "request", "gateway"
]


class Actor(msgspec.Struct, frozen=True):
    """Who does something. `subject` is empty for nobody that is known."""

    subject: str = ""
    via: Via = "gateway"
    address: str = ""
    request_id: str = ""


_acting: Final[ContextVar[Actor]] = ContextVar("acting", default=Actor())  # noqa: B039 - it is frozen


def actor() -> Actor:
    """Who is doing what is being done right now."""
    return _acting.get()


def act_as(who: Actor) -> None:
    """From now on it is somebody else, in this task."""
    _acting.set(who)


def become(subject: str, via: Via) -> None:
    """From now on it is known who it is, where whoever asks comes from."""
    _acting.set(msgspec.structs.replace(_acting.get(), subject=subject, via=via))


@contextlib.contextmanager
def acting(who: Actor) -> Iterator[None]:
    """For a while it is somebody else."""
    before = _acting.set(who)
    try:
        yield
    finally:
        _acting.reset(before)
