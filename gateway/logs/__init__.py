"""This module owns the log: its form, what is kept out of it, and that it never breaks its caller.

Every line, from structlog or from a library's `logging`, takes one road: a handler of `logging`
that catches whatever goes wrong on the way to the stream.
"""

from __future__ import annotations

from gateway.logs.offences import Offences
from gateway.logs.pipeline import configure, escaped_lines, let_go

__all__ = ["Offences", "configure", "escaped_lines", "let_go"]
