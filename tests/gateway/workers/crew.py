"""This module owns workers that serve nobody: programs for the tests of their supervisor."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from gateway.workers.child import Program

# Says that it is ready; leaves when told to, with the status of its first argument.
_GOOD = """
import argparse, socket, sys
parser = argparse.ArgumentParser()
parser.add_argument("status", type=int)
for name in ("--slot", "--listeners", "--line"):
    parser.add_argument(name)
given = parser.parse_args()
line = socket.socket(fileno=int(given.line))
line.sendall(b"ready\\n")
line.recv(100)
line.sendall(b"closed\\n")
sys.exit(given.status)
"""
# Hears nothing, and does not go.
_DEAF = """
import argparse, signal, socket, sys, time
line = socket.socket(fileno=int(sys.argv[-1].partition("=")[2]))
line.sendall(b"ready\\n")
time.sleep(60)
"""
# Says again and again that it turns.
_LIVELY = """
import socket, sys, time
line = socket.socket(fileno=int(sys.argv[-1].partition("=")[2]))
line.sendall(b"ready\\n")
while True:
    time.sleep(0.2)
    line.sendall(b"alive\\n")
"""
_BAD = "import sys; sys.exit(int(sys.argv[1]))"


def _program(code: str, arguments: Sequence[object]) -> Program:
    return Program([sys.executable, "-c", code, *map(str, arguments)], {})


def good(status: int = 0) -> Program:
    """A worker that serves, and leaves politely."""
    return _program(_GOOD, [status])


def deaf() -> Program:
    """A worker that serves, and stays."""
    return _program(_DEAF, [])


def lively() -> Program:
    """A worker that serves, and says that it turns."""
    return _program(_LIVELY, [])


def bad(status: int) -> Program:
    """A worker that ends before it serves."""
    return _program(_BAD, [status])
