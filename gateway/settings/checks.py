"""This module owns the checks that look at more than one setting, and the warnings at start."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from gateway.settings.mail_server import is_sender, mail_server_of
from gateway.settings.redis_url import address_of
from gateway.settings.urls import is_loopback, is_safe_url
from gateway.settings.values import Values
from gateway.settings.variables import meant_by, variable_of
from gateway.settings.webhooks import problems_of_webhooks
from protocol.rooms import is_room_name

PORT_LAST = 65_535
# No random secret of that length has so few; what people type to fill a field has.
_SECRET_CHARACTERS_LEAST = 8
SECRET_MINIMUM_BYTES = 32  # RFC 7518, section 3.2: a key for HS256 is as long as its hash


def _misspelled(settings: Values) -> Iterator[str]:
    """A misspelled check of tokens would be a check that is not made, so it stops the start."""
    for unknown in settings.unknown_variables:
        meant = meant_by(unknown)
        if meant:
            yield f"{unknown} is not a setting; did you mean {meant}?"


def _keys(settings: Values) -> Iterator[str]:
    sources = (settings.jwt_secrets, settings.jwt_public_key, settings.jwks_url)
    if not settings.is_development and not any(sources):
        yield (
            "production needs a way to check tokens: set PACELINE_JWT_SECRET,"
            " PACELINE_JWT_PUBLIC_KEY or PACELINE_JWKS_URL."
        )
    if not settings.is_development:
        yield from _weak_secrets(settings)


def _weak_secrets(settings: Values) -> Iterator[str]:
    for number, secret in enumerate(settings.jwt_secrets, 1):
        length_bytes = len(secret.encode())
        if length_bytes < SECRET_MINIMUM_BYTES:
            yield (
                f"PACELINE_JWT_SECRET: secret number {number} has {length_bytes} bytes;"
                f" {SECRET_MINIMUM_BYTES} are needed (openssl rand -hex 32)."
            )
        elif len(set(secret)) < _SECRET_CHARACTERS_LEAST:
            yield (
                f"PACELINE_JWT_SECRET: secret number {number} is a few characters over and over;"
                " take a random one (openssl rand -hex 32)."
            )


def _algorithms(settings: Values) -> Iterator[str]:
    allowed = settings.jwt_algorithms
    asymmetric = bool(settings.jwt_public_key or settings.jwks_url)
    if allowed and settings.jwt_secrets and "HS256" not in allowed:
        yield "PACELINE_JWT_ALGORITHMS leaves out HS256, the only use of PACELINE_JWT_SECRET."
    if allowed and asymmetric and set(allowed) == {"HS256"}:
        yield "PACELINE_JWT_ALGORITHMS is HS256 alone, which no public key can check."
    if allowed and "HS256" in allowed and not settings.jwt_secrets and asymmetric:
        yield "PACELINE_JWT_ALGORITHMS has HS256, but there is no PACELINE_JWT_SECRET."


def _public_key(settings: Values) -> Iterator[str]:
    pem = settings.jwt_public_key
    if pem is None:
        return
    blocks = re.findall(r"-----BEGIN [A-Z0-9 ]+-----.*?-----END [A-Z0-9 ]+-----", pem, re.DOTALL)
    if "PRIVATE KEY" in pem:
        yield "PACELINE_JWT_PUBLIC_KEY holds a private key; only the public one belongs here."
    elif not blocks or not all(map(_is_public_key, blocks)):
        yield "PACELINE_JWT_PUBLIC_KEY is not a public key in PEM form (BEGIN PUBLIC KEY)."


def _is_public_key(block: str) -> bool:
    try:
        load_pem_public_key(block.encode())
    except (ValueError, UnsupportedAlgorithm):
        return False
    return True


_URLS = (
    ("jwks_url", r"https?", "https://issuer/.well-known/jwks.json"),
    ("advertise_url", r"https?", "http://10.0.0.7:8080"),
    ("database_url", r"(sqlite|postgres|postgresql)(\+\w+)?", "postgresql://localhost/paceline"),
)


# The host becomes part of a Content-Security-Policy, so it is a plain one.
_URL = r"https?://[A-Za-z0-9.-]+(:\d{1,5})?/[^\s\"'<>;,]*"
_TILES_URL = rf"(?=.*\{{z\}})(?=.*\{{x\}})(?=.*\{{y\}}){_URL}"
_PMTILES = b"PMTiles\x03"  # how such a file begins, in its version 3


def _urls(settings: Values) -> Iterator[str]:
    for name, scheme, example in _URLS:
        url = getattr(settings, name)
        if url is not None and not re.match(rf"{scheme}://[^\s]", url):
            yield f"{variable_of(name)} is not a URL such as {example}."
    if settings.redis_url is not None:
        try:
            address_of(settings.redis_url)
        except ValueError as error:
            yield f"REDIS_URL is not right: {error}."
    for origin in settings.allowed_origins:
        if origin == "*" and not settings.is_development:
            yield "PACELINE_ALLOWED_ORIGINS is '*': production wants the origins by name."
        elif origin != "*" and not re.fullmatch(r"https?://[^/?#@\s*]+", origin):
            yield f"PACELINE_ALLOWED_ORIGINS has {origin!r}: write it as https://maps.example."


def _sign_in(settings: Values) -> Iterator[str]:
    url = settings.public_url
    if url is not None and not (is_safe_url(url) and re.fullmatch(r"\w+://[^/?]+", url)):
        yield "PACELINE_PUBLIC_URL is not a URL such as https://maps.example, without a path."
    if not settings.providers:
        return
    if url is None:
        yield "a [[provider]] needs PACELINE_PUBLIC_URL: it sends browsers back to there."
    if not settings.jwt_secrets and not settings.is_development:
        yield "a [[provider]] needs PACELINE_JWT_SECRET: sessions are signed with it."


def _is_pmtiles(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_PMTILES)) == _PMTILES
    except OSError:
        return False


def _map(settings: Values) -> Iterator[str]:
    url = settings.map_tiles_url
    if url is not None and not re.fullmatch(_TILES_URL, url):
        yield "PACELINE_MAP_TILES_URL is not a URL such as https://tiles.example/{z}/{x}/{y}.png."
    archive = settings.map_pmtiles
    if archive is not None and not re.fullmatch(_URL, archive) and not _is_pmtiles(Path(archive)):
        yield f"PACELINE_MAP_PMTILES is neither a URL nor a PMTiles file of version 3: {archive}."
    if settings.map_room is not None and not is_room_name(settings.map_room):
        yield "PACELINE_MAP_ROOM is no name of a room: 1 to 200 printable characters."


def _addresses(settings: Values) -> Iterator[str]:
    for proxy in settings.trusted_proxies:
        try:
            ip_network(proxy)
        except ValueError as error:
            yield f"PACELINE_TRUSTED_PROXIES: {error}."
    if settings.is_public_development and not settings.allow_public_development:
        yield (
            f"HOST is {settings.host!r}, but development takes peers without a token and therefore"
            " listens on 127.0.0.1 only; PACELINE_ALLOW_PUBLIC_DEVELOPMENT=1 overrules this."
        )


def _ports(settings: Values) -> Iterator[str]:
    ports = range(settings.metrics_port, settings.metrics_port + settings.workers)
    if settings.metrics_port and ports[-1] > PORT_LAST:
        yield (
            f"PACELINE_METRICS_PORT is {settings.metrics_port}:"
            f" {settings.workers} workers need as many ports from there on."
        )
    if settings.metrics_port and settings.port in ports:
        yield "PORT is among the ports of PACELINE_METRICS_PORT, which has one for each worker."


def _mail(settings: Values) -> Iterator[str]:
    if settings.smtp_url is not None:
        try:
            mail_server_of(settings.smtp_url)
        except ValueError as error:
            yield f"PACELINE_SMTP_URL is not right: {error}."
        if settings.mail_from is None:
            yield "PACELINE_MAIL_FROM is needed with PACELINE_SMTP_URL: who sends the mails."
        if settings.mail_dir is not None:
            yield "PACELINE_SMTP_URL and PACELINE_MAIL_DIR are both set; keep one."
    if settings.mail_from is not None and not is_sender(settings.mail_from):
        yield "PACELINE_MAIL_FROM is no sender such as Paceline <no-reply@example.org>."
    for name in ("mail_verification_url", "mail_reset_url"):
        url = getattr(settings, name)
        if url is not None and not re.fullmatch(r"https?://[^\s<>\"]*\{token\}[^\s<>\"]*", url):
            yield f"{variable_of(name)} is not a URL such as https://maps.example/#{{token}}."


def _sizes(settings: Values) -> Iterator[str]:
    if settings.workers > 1 and settings.redis_url is None:
        yield (
            f"PACELINE_WORKERS is {settings.workers}: more than one need REDIS_URL,"
            " because the built-in broker stays within one process."
        )
    if settings.write_high_water_bytes > settings.outbox_limit_bytes:
        yield "PACELINE_WRITE_HIGH_WATER_BYTES is above PACELINE_OUTBOX_LIMIT_BYTES."
    if settings.bytes_per_second_per_peer and (
        settings.bytes_burst_per_peer < settings.message_limit_bytes
    ):
        yield (
            "PACELINE_BYTES_BURST_PER_PEER is below PACELINE_MESSAGE_LIMIT_BYTES:"
            " the largest messages could never be sent."
        )


def _room_order(settings: Values) -> Iterator[str]:
    """A kind that can never be chosen is a mistake in the order of the file."""
    patterns = [kind.pattern for kind in settings.room_kinds]
    for number, pattern in enumerate(patterns, 1):
        earlier = next((one for one in patterns[: number - 1] if one in {"*", pattern}), None)
        if earlier is not None:
            yield (
                f"PACELINE_CONFIG: [[room]] number {number} ({pattern!r}) is never reached:"
                f" {earlier!r} comes before it, and the first match wins."
            )


def _public_rooms(settings: Values) -> Iterator[str]:
    for number, kind in enumerate(settings.room_kinds, 1):
        if kind.public and not kind.snapshot:
            yield (
                f"PACELINE_CONFIG: [[room]] number {number} ({kind.pattern!r}) is public, but"
                " without a snapshot there is nothing to show."
            )


def _webhooks(settings: Values) -> Iterator[str]:
    yield from problems_of_webhooks(settings.webhooks)


_CHECKS = (
    _misspelled,
    _keys,
    _algorithms,
    _public_key,
    _urls,
    _sign_in,
    _map,
    _addresses,
    _ports,
    _mail,
    _sizes,
    _room_order,
    _public_rooms,
    _webhooks,
)


def problems_of(settings: Values) -> list[str]:
    """What must be put right before the gateway starts."""
    return [problem for check in _CHECKS for problem in check(settings)]


def warnings_of(settings: Values) -> list[str]:
    """What may start but deserves a loud line at start."""
    return [warning for warn in _WARNINGS for warning in warn(settings)]


def _development(settings: Values) -> Iterator[str]:
    if not settings.is_development:
        return
    yield "Development mode: a peer without a token is a rider. Not for the open network."
    if settings.is_public_development:
        yield f"Development mode is reachable from other machines: HOST is {settings.host}."
    yield from _weak_secrets(settings)


def _loose_tokens(settings: Values) -> Iterator[str]:
    url = urlsplit(settings.jwks_url or "")
    if url.scheme == "http" and not is_loopback(url.hostname or ""):
        yield "PACELINE_JWKS_URL is plain http: who can change that answer can be anyone here."
    if settings.jwks_url and not settings.jwt_audience:
        yield (
            "PACELINE_JWT_AUDIENCE is not set: a token that the issuer made for any other service"
            " is good here too."
        )


def _unused(settings: Values) -> Iterator[str]:
    for unknown in settings.unknown_variables:
        yield f"{unknown} is not a setting and has no effect."


_WARNINGS = (
    _development,
    _loose_tokens,
    _unused,
)
