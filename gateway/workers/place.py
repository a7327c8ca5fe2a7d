"""This module owns what one worker tells the others of itself: who it is, and where to find it."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import socket
from pathlib import Path
from typing import Final

import msgspec

ID_LENGTH: Final = 6
_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz0123456789"
_ID: Final = re.compile(rf"[a-z0-9]{{{ID_LENGTH}}}")
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


class WorkerPlace(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One live worker. Others read it, of other versions too: fields may come, none may go."""

    worker_id: str
    host_id: str
    process_id: int
    socket_path: str  # takes connections from workers of the same host
    url: str  # takes requests from workers of other hosts
    started_at_ms: int
    version: str
    is_leaving: bool = False  # it takes nobody in any more, but still has its sessions


def new_worker_id() -> str:
    """An id for a process: no secret, and unlikely to be another live worker's."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(ID_LENGTH))


def is_worker_id(text: str) -> bool:
    """Whether it can be one; what strangers send us becomes the name of a file otherwise."""
    return _ID.fullmatch(text) is not None


def host_id_of(run_directory: Path) -> str:
    """The same for workers that see the same run directory of the same running system.

    Containers on one machine may share a boot id, and even a host name, without being able to
    reach each other's sockets.
    """
    try:
        boot_id = _BOOT_ID.read_text().strip()
    except OSError:  # not Linux
        boot_id = ""
    status = run_directory.stat()
    parts = (boot_id, socket.gethostname(), f"{status.st_dev}:{status.st_ino}", str(os.getuid()))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
