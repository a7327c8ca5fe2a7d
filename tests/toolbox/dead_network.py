"""This module owns a network of the test's own, whose other end can fall silent without a word."""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import threading
from typing import Self

_NOWHERE = "02:00:00:00:00:01"  # an Ethernet address that nobody has
_ANSWER_SECONDS = 10.0


class DeadNetwork:
    """A pair of virtual cards, one of them in a namespace of its own; root alone may make it.

    `connect` opens connections from the far end to this machine. After `fall_silent` every packet
    is lost in both directions and nobody is told: no FIN, no RST, no ICMP.
    """

    def __init__(self) -> None:
        number = os.getpid() % 16_000
        self._name = f"paceline{number}"
        self._near_card, self._far_card = f"pace{number}n", f"pace{number}f"
        # RFC 2544's range for tests of networks: nobody routes it.
        network, part = divmod(number, 64)
        self.near_address = f"198.18.{network}.{4 * part + 1}"
        self.far_address = f"198.18.{network}.{4 * part + 2}"

    def __enter__(self) -> Self:
        _ip("netns", "add", self._name)
        near, far = self._near_card, self._far_card
        _ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", self._name)
        _ip("addr", "add", f"{self.near_address}/30", "dev", near)
        _ip("link", "set", near, "up")
        _ip("-n", self._name, "addr", "add", f"{self.far_address}/30", "dev", far)
        _ip("-n", self._name, "link", "set", far, "up")
        return self

    def __exit__(self, *_: object) -> None:
        # A namespace lives as long as a socket in it; its card is taken away at once.
        _ip("link", "del", self._near_card)
        _ip("netns", "del", self._name)

    def connect(self, port: int, count: int) -> list[socket.socket]:
        """Connections from the far end; a socket stays in the namespace it was made in."""
        opened: list[socket.socket] = []

        def work() -> None:
            with open(f"/run/netns/{self._name}", "rb") as namespace:  # noqa: PTH123 - no Path can be entered
                # os.setns is of Python 3.12; it moves this thread alone.
                if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), 0):
                    return
            for _ in range(count):
                address = (self.near_address, port)
                opened.append(socket.create_connection(address, _ANSWER_SECONDS))

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert len(opened) == count, "no way into the namespace"
        return opened

    def fall_silent(self) -> None:
        """From now on every packet goes to a card that does not exist."""
        lost = ("lladdr", _NOWHERE, "nud", "permanent", "dev")
        _ip("neigh", "replace", self.far_address, *lost, self._near_card)
        _ip("-n", self._name, "neigh", "replace", self.near_address, *lost, self._far_card)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)  # noqa: S607 - where it is differs by system
