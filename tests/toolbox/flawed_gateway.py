"""This module owns a gateway that breaks its promise on purpose, so that a judge can be tried.

`python -m tests.toolbox.flawed_gateway FLAW EVERY serve`: one write to a member in EVERY goes
wrong; or with the flaw "forever", a room that begins anew in Redis does so in the same epoch; with
"merciful", nobody who is shut out has to go. It is the gateway itself but for that.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Callable
from typing import Final

from gateway.broker.redis.rooms import SCRIPTS
from gateway.cli import run
from gateway.rooms.membership import Membership, Peer
from gateway.verdicts import Verdicts

_NAME_OF_EPOCH: Final = re.compile(r"redis\.sha1hex\(table\.concat\(\{[^}]*\}, ' '\)\)")
Write = Callable[[bytes], None]


class _Countdown:
    """Of all members together."""

    def __init__(self, every: int) -> None:
        self._every = every
        self._count = 0

    def is_up(self) -> bool:
        self._count += 1
        return self._count % self._every == 0


def _dropping(write: Write, countdown: _Countdown) -> Write:
    def flawed(data: bytes) -> None:
        if not countdown.is_up():
            write(data)

    return flawed


def _doubling(write: Write, countdown: _Countdown) -> Write:
    def flawed(data: bytes) -> None:
        write(data)
        if countdown.is_up():
            write(data)

    return flawed


def _swapping(write: Write, countdown: _Countdown) -> Write:
    held: list[bytes] = []

    def flawed(data: bytes) -> None:
        if not held and countdown.is_up():
            held.append(data)
            return
        write(data)
        while held:
            write(held.pop())

    return flawed


FLAWS: Final = {"dropping": _dropping, "doubling": _doubling, "swapping": _swapping}


def break_writes(flaw: str, every: int) -> None:
    """Have one write in `every` go wrong from now on."""
    countdown = _Countdown(every)
    change_lane = Membership.change_lane

    def flawed_change(self: Membership, peer: Peer, write: Write | None) -> None:
        flawed = None if write is None else FLAWS[flaw](write, countdown)
        change_lane(self, peer, flawed)

    Membership.change_lane = flawed_change  # type: ignore[method-assign] # that is what this is for


def break_epochs() -> None:
    """Have every epoch of a room bear the same name from now on."""
    for script in SCRIPTS:
        script.source = _NAME_OF_EPOCH.sub("redis.sha1hex(KEYS[1])", script.source)
        script.digest = hashlib.sha1(script.source.encode(), usedforsecurity=False).hexdigest()


def break_verdicts() -> None:
    """Have what becomes of an account mean nothing for its live sockets from now on."""

    def merciful(*_: object) -> list[str]:
        return []

    Verdicts.judge = merciful  # type: ignore[assignment, method-assign] # as above


if __name__ == "__main__":
    if sys.argv[1] == "forever":
        break_epochs()
    elif sys.argv[1] == "merciful":
        break_verdicts()
    else:
        break_writes(sys.argv[1], int(sys.argv[2]))
    sys.exit(run(sys.argv[3:], os.environ))
