"""This module owns what each program that is started for a run needs: a port, or a reason."""

from __future__ import annotations

import socket


class PeerUnavailable(Exception):
    """This machine cannot run that server; the message says what is missing."""


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
