"""This module owns the sockets that all workers of one port listen at: a set of its own for each.

The system spreads connections evenly over sockets that share a port (SO_REUSEPORT). The supervisor
holds them open, so that a worker may come and go without one connection being refused: what is
waiting at its sockets waits for its successor.
"""

from __future__ import annotations

import socket
from typing import Final

BACKLOG: Final = 4096  # connections that may wait to be accepted, in a reconnect storm


class SharedPort:
    """A port, and the addresses that it is listened to at. Raises `OSError` when it is taken."""

    def __init__(self, host: str, port: int) -> None:
        found = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        self._addresses = list(dict.fromkeys((family, target) for family, _, _, _, target in found))
        self.port = port
        # Whoever shares a port with us must be ours; a stranger's would be shared without a word.
        for family, target in self._addresses:
            with _socket_of(family) as probe:
                probe.bind((target[0], self.port, *target[2:]))
                self.port = probe.getsockname()[1]

    def listen(self) -> list[socket.socket]:
        """Sockets for one worker, one for each address."""
        listeners = []
        for family, target in self._addresses:
            listener = _socket_of(family)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listener.bind((target[0], self.port, *target[2:]))
            listener.listen(BACKLOG)
            listeners.append(listener)
        return listeners


def _socket_of(family: int) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return listener
