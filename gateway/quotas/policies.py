"""This module owns THE table of limits over HTTP: how many requests of a class in how long.

A limit is a bucket: so many at once, and as many again in the course of the window, evenly. Whom a
request counts for is the identity that its token proves, else the network that it comes from. Where
one proves who one is, it counts for the network alone: there, tokens would be a way to more tries.
"""

from __future__ import annotations

from typing import Final

import msgspec

from gateway.rooms.buckets import Allowance
from gateway.settings import Settings
from protocol.paces import Pace


class Policy(msgspec.Struct, frozen=True):
    """A row: `quota` requests in `window_seconds`."""

    name: Pace
    quota: int
    window_seconds: int
    is_of_network: bool = False

    @property
    def allowance(self) -> Allowance:
        """The same, as a bucket has it."""
        return Allowance(self.quota / self.window_seconds, self.quota)

    @property
    def interval_seconds(self) -> float:
        """From one request to the next, at a steady pace."""
        return self.window_seconds / self.quota


TABLE: Final = (
    Policy("read", 1000, 10),
    Policy("write", 1000, 10),
    Policy("publish", 10_000, 10),
    # A whole town may be behind one address, and sign in at eight o'clock.
    Policy("sign-in", 100, 60, is_of_network=True),
    Policy("refresh", 600, 60, is_of_network=True),
    Policy("password", 60, 60),  # each costs a hash that is slow on purpose
    Policy("page", 6000, 60, is_of_network=True),  # pages, their files, and what leads nowhere
)


def policies_of(settings: Settings) -> dict[Pace, Policy]:
    """What is in force, by class; a class without a limit is not in it. Later settings win."""
    policies: dict[Pace, Policy] = {policy.name: policy for policy in TABLE}
    for text in settings.rate_limits:
        name, _, value = text.partition("=")
        for row in TABLE:
            if name in {"all", row.name}:
                _set(policies, row, value)
    return policies


def _set(policies: dict[Pace, Policy], row: Policy, value: str) -> None:
    if value == "off":
        policies.pop(row.name, None)
        return
    quota, _, window_seconds = value.partition("/")
    policies[row.name] = msgspec.structs.replace(
        row, quota=int(quota), window_seconds=int(window_seconds)
    )
