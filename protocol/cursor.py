"""This module owns the cursor: a place in a room's history, as clients keep and return it."""

from __future__ import annotations

import re

import msgspec

from protocol.refusals import Refusal, Refused

_TEXT = re.compile(r"([A-Za-z0-9_-]{1,32})\.(0|[1-9][0-9]{0,15})\.([0-9a-f]{8})")


class Cursor(msgspec.Struct, frozen=True, gc=False):
    """The place after the publication at `offset`, within `epoch`.

    `proof` is a running checksum of every publication of the epoch up to `offset`: two histories
    that share epoch and offset but not content (a failover may fork them) differ in it.
    Cursors of different epochs have no order; there is none here for the same reason.
    """

    epoch: str
    offset: int
    proof: int

    def __str__(self) -> str:
        """The form on the wire; opaque to clients."""
        return f"{self.epoch}.{self.offset}.{self.proof.to_bytes(4).hex()}"

    @classmethod
    def parse(cls, text: object) -> Cursor:
        """Read the wire form; raise `Refused` (INVALID_CURSOR) for anything else."""
        found = _TEXT.fullmatch(text) if isinstance(text, str) else None
        if found is None:
            raise Refused(Refusal.INVALID_CURSOR)
        epoch, offset, proof = found.groups()
        return cls(epoch, int(offset), int(proof, 16))
