"""This module owns what can go wrong with a publication: the gateway says no, or says nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class PublishError(Exception):
    """What was to be published is not known to be in the room."""


class Refused(PublishError):
    """The gateway said no: `code` is for programs, `message` for people; it would say so again."""

    def __init__(
        self,
        code: str,
        message: str,
        status: int | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.status = status  # of the HTTP answer; None for one event among many
        self.details = dict(details or {})

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class Unanswered(PublishError):
    """Patience ran out before the gateway took it: whether it is in the room is not known.

    The same events, with the same keys, may be published again within five minutes.
    """
