"""This module owns the ports of local servers: a free one, and the moment somebody answers."""

import contextlib
import random
import socket
import time

# Below the ports that Linux gives to outgoing connections (32768 and up): a client that retries
# against a killed server up there would one day be given the server's port and connect to itself.
_PORTS = range(20_000, 32_000)


def free_port() -> int:
    """A TCP port of 127.0.0.1 that was free a moment ago; somebody may yet take it."""
    while True:
        port = random.choice(_PORTS)  # noqa: S311  nobody gains by guessing it
        with contextlib.suppress(OSError), socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
            return port


def wait_until_listening(port: int, timeout_seconds: float, host: str = "127.0.0.1") -> bool:
    """Whether anybody came to accept connections on this port within the time."""
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        with (
            contextlib.suppress(OSError),
            socket.create_connection((host, port), timeout=1),
        ):
            return True
        time.sleep(0.02)
    return False
