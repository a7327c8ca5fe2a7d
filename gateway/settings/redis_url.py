"""This module owns REDIS_URL: what it may look like, and what it says."""

from __future__ import annotations

import re
import ssl
from typing import Final, Literal
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

import msgspec

Topology = Literal["single", "sentinel", "cluster"]

_DEFAULT_PORTS: Final[dict[Topology, int]] = {"single": 6379, "sentinel": 26379, "cluster": 6379}
_SECURE: Final = frozenset({"rediss", "valkeys"})


class Endpoint(msgspec.Struct, frozen=True):
    """Where a server listens: a host and port, or the path of a Unix socket."""

    host: str
    port: int = 0

    def __str__(self) -> str:
        return f"{self.host}:{self.port}" if self.port else self.host


class Credentials(msgspec.Struct, frozen=True):
    """Who the gateway is to Redis. Without a password nobody is asked."""

    username: str = ""
    password: str = ""

    def __repr__(self) -> str:
        """Masked, because a repr ends up in tracebacks and logs."""
        return f"Credentials({self.username!r}, {'***' if self.password else ''!r})"


class RedisAddress(msgspec.Struct, frozen=True):
    """All that a URL says. `endpoints` are servers, Sentinels or nodes, as `topology` says."""

    topology: Topology
    endpoints: tuple[Endpoint, ...]
    credentials: Credentials = Credentials()
    sentinel_credentials: Credentials = Credentials()
    database: int = 0
    master_name: str = ""
    is_secure: bool = False

    def tls(self) -> ssl.SSLContext | None:
        """How to encrypt; None without TLS. The system's authorities are trusted."""
        return ssl.create_default_context() if self.is_secure else None


def address_of(url: str) -> RedisAddress:
    """Read a URL; raise ValueError with a sentence that holds no secret.

    redis://[user:password@]host[:port][/database]             one server (rediss: with TLS)
    unix:///path[?db=0]                                        one server, by its Unix socket
    redis+sentinel://[user:password@]host[:port][,...]/NAME[/database][?sentinel_password=...]
    redis+cluster://[user:password@]host[:port][,host[:port]...]
    """
    parts = urlsplit(url)
    if not re.fullmatch(r"(rediss?|valkeys?)(\+\w+)?|unix", parts.scheme):
        raise ValueError("it is not a URL such as redis://localhost:6379/0")
    scheme, _, variety = parts.scheme.partition("+")
    topology = _topology_of(variety)
    userinfo, _, hosts = parts.netloc.rpartition("@")
    username, _, password = userinfo.partition(":")
    credentials = Credentials(unquote(username), unquote(password))
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    if scheme == "unix":
        database = _database_of(options.get("db", ""))
        return RedisAddress(
            "single", (Endpoint(unquote(parts.path)),), credentials, database=database
        )
    endpoints = tuple(_endpoint_of(each, _DEFAULT_PORTS[topology]) for each in hosts.split(","))
    if topology == "single" and len(endpoints) > 1:
        raise ValueError("several servers are redis+sentinel:// or redis+cluster://")
    master_name, database_text = _path_of(parts, topology)
    return RedisAddress(
        topology,
        endpoints,
        credentials,
        Credentials(options.get("sentinel_username", ""), options.get("sentinel_password", "")),
        _database_of(database_text or options.get("db", "")),
        master_name,
        scheme in _SECURE,
    )


def _topology_of(variety: str) -> Topology:
    if variety == "sentinel":
        return "sentinel"
    if variety == "cluster":
        return "cluster"
    if variety:
        raise ValueError(f"+{variety} is neither +sentinel nor +cluster")
    return "single"


def _path_of(parts: SplitResult, topology: Topology) -> tuple[str, str]:
    """The master's name, which only Sentinel has, and the database."""
    names = [unquote(name) for name in parts.path.strip("/").split("/") if name]
    if topology != "sentinel":
        return "", names[0] if names else ""
    if not names:
        raise ValueError("Sentinel needs the name of its master: redis+sentinel://host:26379/NAME")
    return names[0], names[1] if len(names) > 1 else ""


def _endpoint_of(text: str, default_port: int) -> Endpoint:
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):  # an IPv6 address has colons of its own
        host, port = text, str(default_port)
    host = host.strip("[]")
    if not host or not port.isdecimal() or not 0 < int(port) < 65_536:  # noqa: PLR2004 - TCP's
        raise ValueError("each server is written as host or host:port")
    return Endpoint(host, int(port))


def _database_of(text: str) -> int:
    if not text:
        return 0
    if not text.isdecimal():
        raise ValueError("the database is a number, such as redis://localhost:6379/0")
    return int(text)
