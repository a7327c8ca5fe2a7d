"""This module owns a network of a test's own, whose cables can go dead without a word.

A namespace is joined to this machine by two cables: one that clients use, and one to Redis. On a
dead cable frames are sent to an address that nobody has: no reset, no error, only silence.
"""

from __future__ import annotations

import itertools
import os
import random
import subprocess
from typing import Final

from tests.toolbox import programs
from tests.toolbox.programs import ProgramMissing

_NOBODY: Final = "02:00:00:00:00:99"
_numbers = itertools.count()


class Cable:
    """A pair of interfaces: `near` is this machine's address, `far` that of the namespace."""

    def __init__(self, namespace: str, number: int) -> None:
        subnet = f"10.213.{number}"
        self.near, self.far = f"{subnet}.1", f"{subnet}.2"
        self._namespace = namespace
        self._interfaces = f"pace{number}a", f"pace{number}b"

    def plug_in(self) -> None:
        near, far = self._interfaces
        _run("link", "add", near, "type", "veth", "peer", "name", far, "netns", self._namespace)
        _run("addr", "add", f"{self.near}/24", "dev", near)
        _run("link", "set", near, "up")
        _run("-n", self._namespace, "addr", "add", f"{self.far}/24", "dev", far)
        _run("-n", self._namespace, "link", "set", far, "up")

    def pull_out(self) -> None:
        """Take it away, both ends; harmless when it is not there."""
        _try("link", "delete", self._interfaces[0])

    def go_dead(self, *, is_one_way: bool = False) -> None:
        """Lose everything: only what the namespace sends, or what it is sent too."""
        near, far = self._interfaces
        dead = ("lladdr", _NOBODY, "nud", "permanent")
        _run("-n", self._namespace, "neigh", "replace", self.near, "dev", far, *dead)
        if not is_one_way:
            _run("neigh", "replace", self.far, "dev", near, *dead)

    def revive(self) -> None:
        """Carry everything again; harmless when it does."""
        near, far = self._interfaces
        _run("-n", self._namespace, "neigh", "flush", "dev", far, "nud", "permanent")
        _run("neigh", "flush", "dev", near, "nud", "permanent")


class Network:
    """One namespace and its two cables. Needs root, and says so."""

    def __init__(self) -> None:
        self._name = f"paceline-{os.getpid()}-{next(_numbers)}"
        # somebody else's test may run beside this one
        numbers = random.sample(range(1, 255), 2)
        self.clients, self.redis = (Cable(self._name, number) for number in numbers)

    @property
    def command(self) -> tuple[str, ...]:
        """What to put before a command that is to run inside."""
        return str(programs.ip()), "netns", "exec", self._name

    def start(self) -> None:
        """Raises `ProgramMissing` when this user may not make networks."""
        if os.geteuid() != 0:
            raise ProgramMissing("Networks are made by root alone: run this test as root.")
        _run("netns", "add", self._name)
        _run("-n", self._name, "link", "set", "lo", "up")
        self.clients.plug_in()
        self.redis.plug_in()

    def kill(self) -> None:
        """Take it away, cables and all."""
        self.clients.pull_out()
        self.redis.pull_out()
        _try("netns", "delete", self._name)


def _try(*words: str) -> None:
    subprocess.run([str(programs.ip()), *words], check=False, capture_output=True)


def _run(*words: str) -> None:
    subprocess.run([str(programs.ip()), *words], check=True)
