"""This module owns the classes of requests over HTTP, each of which has a limit of its own."""

from __future__ import annotations

from typing import Final, Literal, get_args

Pace = Literal["read", "write", "publish", "sign-in", "refresh", "password", "page"]
PACES: Final[tuple[Pace, ...]] = get_args(Pace)
