"""This module owns what Redis can answer instead of a result, and what each such answer means."""

from __future__ import annotations

from typing import Final


class RedisAway(Exception):
    """Redis cannot answer right now, or did not say whether it has done what it was asked.

    What is safe to do twice may be tried again after `retry_after_ms`.
    """

    def __init__(self, reason: str, retry_after_ms: int = 1000) -> None:
        super().__init__(reason)
        self.retry_after_ms = retry_after_ms


class RedisRefused(Exception):
    """Redis understood and said no: a mistake in what it was asked."""


# The first word of an error, for those that are a state and not a mistake. The rule of all of
# them: the command was not executed, and the same command may succeed later.
_AWAY: Final = frozenset(
    {
        "ASK",  # the slot is on its way to another node of the cluster
        "BUSY",  # a script of somebody else runs for too long
        "CLUSTERDOWN",
        "LOADING",  # it has just been started
        "MASTERDOWN",
        "MISCONF",  # its disk is full, and it was told to care
        "MOVED",  # the slot is another node's
        "NOREPLICAS",  # min-replicas-to-write
        "OOM",  # maxmemory, with noeviction
        "OUTOFTURN",  # publish.lua: another publication must be there first
        "READONLY",  # it was a master until a moment ago
        "TRYAGAIN",  # the keys of a room are between two nodes of a cluster
        "UNBLOCKED",
        "UNKILLABLE",
    }
)
# What a key holds is not what is asked of it, or a script cannot read it: these keys are spoilt.
_SPOILT: Final = ("WRONGTYPE ", "ERR user_script:")
# Errors after which the connection leads to the wrong server, or to nobody.
_WRONG_SERVER: Final = frozenset({"MASTERDOWN", "READONLY", "UNBLOCKED"})


def word_of(error: Exception) -> str:
    """The word that an error reply begins with, such as READONLY."""
    return str(error).partition(" ")[0]


def exception_of(error: Exception) -> RedisAway | RedisRefused:
    """What to raise for an error reply."""
    text = str(error)
    return RedisAway(text) if word_of(error) in _AWAY else RedisRefused(text)


def is_of_the_keys(error: Exception) -> bool:
    """Whether the error says something of the keys alone, and so of no other command's."""
    return str(error).startswith(_SPOILT)


def is_wrong_server(error: Exception) -> bool:
    """Whether another server has to be looked for."""
    return word_of(error) in _WRONG_SERVER


def redirection_of(error: Exception) -> tuple[str, int, str, int] | None:
    """A cluster's hint: `(MOVED or ASK, slot, host, port)`; None for any other error.

    An empty host means the host that gave the hint.
    """
    word, _, rest = str(error).partition(" ")
    if word not in {"MOVED", "ASK"}:
        return None
    slot, _, address = rest.partition(" ")
    host, _, port = address.rpartition(":")
    return word, int(slot), host, int(port)
