"""This module owns where a worker is: its run directory, and the URL that other hosts are told."""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import os
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from yarl import URL

from gateway.workers.folder import private_directory


def run_directory_of(given: str | None, environ: Mapping[str, str], gateway: str) -> Path:
    """The directory in which the workers of this user on this host find each other.

    In what is set, else in what the system provides for such things: systemd for a service, a
    session for a user. `gateway` is what all workers of one gateway have in common: those of two
    do not meet there. Raises `RunDirectoryUnusable`.
    """
    name = hashlib.sha256(gateway.encode()).hexdigest()[:8]
    return private_directory(private_directory(_parent_of(given, environ)) / name)


def _parent_of(given: str | None, environ: Mapping[str, str]) -> Path:
    if given is not None:
        return Path(given)
    for variable in ("RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"):
        parent = environ.get(variable, "").partition(":")[0]
        if parent and os.access(parent, os.W_OK):
            return Path(parent) / "paceline"
    return Path(tempfile.gettempdir()) / f"paceline-{os.getuid()}"


def advertised_url(given: str | None, host: str, port: int, redis_url: str | None) -> str:
    """Where workers of other hosts reach this one."""
    if given is not None:
        return given
    address = _address_towards(redis_url) if _is_any(host) else host
    return str(URL.build(scheme="http", host=address, port=port))


def _is_any(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def _address_towards(redis_url: str | None) -> str:
    """The address from which this host reaches Redis; other workers reach Redis too."""
    parts = urlsplit(redis_url or "")
    with contextlib.suppress(OSError, ValueError):
        for family, kind, _, _, target in socket.getaddrinfo(
            parts.hostname or "127.0.0.1", parts.port or 6379, type=socket.SOCK_DGRAM
        ):
            with socket.socket(family, kind) as probe:
                probe.connect(target)  # sends nothing: it is a datagram socket
                return str(probe.getsockname()[0])
    return "127.0.0.1"
