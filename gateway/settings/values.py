"""This module owns what can be set: one field a setting, its type the rule for its value.

msgspec reads the text of a variable into the type, so a limit stands once, beside the name that
carries the unit.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from gateway.settings.providers import Provider
from gateway.settings.urls import is_loopback
from gateway.settings.webhooks import Webhook
from protocol.paces import PACES
from protocol.rooms import matches

_KIND_CACHE_ROOMS = 10_000
_DAY_SECONDS = 86_400.0

Port = Annotated[int, Meta(ge=0, le=65_535)]
Amount = Annotated[int, Meta(ge=0, le=2**40)]
Limit = Annotated[int, Meta(ge=1, le=2**40)]
# The upper ends keep infinity out; nothing here makes sense for longer.
Seconds = Annotated[float, Meta(gt=0, le=_DAY_SECONDS)]
SecondsOrNone = Annotated[float, Meta(ge=0, le=30 * _DAY_SECONDS)]
Algorithm = Literal["HS256", "RS256", "ES256", "EdDSA"]
# A class of requests, and how many of them in how many seconds: read=1000/10.
RateLimit = Annotated[
    str, Meta(pattern=rf"^(all|{'|'.join(PACES)})=(off|[1-9]\d{{0,8}}/[1-9]\d{{0,4}})$")
]


class RoomKind(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the rooms of one pattern are like: one `[[room]]` in the file of PACELINE_CONFIG."""

    pattern: Annotated[str, Meta(min_length=1, max_length=200)] = "*"
    history_length: Amount = 1000
    history_seconds: SecondsOrNone = 120.0
    snapshot: bool = True
    presence: bool = False  # whether members hear of each other: member-joined, member-left
    profile: Literal["open", "live"] = "open"
    tombstone_seconds: SecondsOrNone = 600.0  # how long a removed bike stays known as removed
    expire_seconds: SecondsOrNone = 0.0  # a bike not heard of for so long is removed; 0: never
    values_limit: Limit = 50_000  # last values, and as many removals, that a room remembers
    values_limit_bytes: Limit = 67_108_864  # and how large they may be together
    idle_seconds: SecondsOrNone = 86_400.0  # a room nobody follows or publishes to is forgotten
    public: bool = False  # whether everybody may read, as GBFS, what can be hired there
    webhooks: bool = False  # whether webhooks hear who comes and goes, and when it is empty


class Values(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is in force; each value is right by itself."""

    environment: Literal["development", "production"] = "production"
    host: str = ""  # empty becomes 127.0.0.1 in development, 0.0.0.0 in production
    port: Port = 8080
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"
    log_format: Literal["auto", "console", "json"] = "auto"
    access_log: bool = False  # a line for each request over HTTP
    redis_url: str | None = None
    run_jobs: Literal["auto", "always", "never"] = "auto"  # in `serve`; auto: when it is alone
    job_lease_seconds: Annotated[float, Meta(ge=1, le=3600)] = 30.0
    jobs_metrics_port: Port = 0  # of `paceline jobs`; 0: none
    ingest: bool = True  # whether the stream <prefix>:ingest is read; only with Redis
    redis_prefix: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")] = "paceline"
    database_url: str = "sqlite:///paceline.db"
    backup_dir: str | None = None  # where backups are written; none unless it is set
    backup_hours: Annotated[float, Meta(ge=0.01, le=24 * 30)] = 24.0  # from one to the next
    backup_keep: Annotated[int, Meta(ge=1, le=10_000)] = 7
    audit_days: Annotated[int, Meta(ge=1, le=3650)] = 365  # how long the trail of changes goes back
    smtp_url: str | None = None
    mail_from: str | None = None  # Paceline <no-reply@example.org>
    mail_dir: str | None = None  # where mails are written instead of being sent
    mail_verification_url: str | None = None  # with {token}
    mail_reset_url: str | None = None
    workers: Annotated[int, Meta(ge=1, le=1024)] = 1  # processes on this host
    public_url: str | None = None  # where browsers find the gateway
    advertise_url: str | None = None  # where workers of other hosts find this one
    run_directory: str | None = None  # where workers of this host find each other
    metrics_port: Port = 0  # of the first worker; each other one has the next. 0: none
    allow_public_development: bool = False

    jwt_secrets: Annotated[tuple[str, ...], Meta(max_length=8)] = ()  # newest first
    jwt_public_key: str | None = None  # PEM; several keys may follow one another
    jwks_url: str | None = None
    jwt_algorithms: tuple[Algorithm, ...] = ()  # empty: what the kinds of the keys allow
    jwt_issuer: str | None = None
    jwt_audience: str | None = None
    jwt_leeway_seconds: Annotated[float, Meta(ge=0, le=60)] = 10.0
    token_warning_seconds: Seconds = 60.0
    access_token_seconds: Seconds = 600.0  # of those who sign in here
    session_seconds: Annotated[float, Meta(ge=60, le=365 * _DAY_SECONDS)] = 30 * _DAY_SECONDS
    session_most_seconds: Annotated[float, Meta(ge=60, le=3650 * _DAY_SECONDS)] = 90 * _DAY_SECONDS

    allowed_origins: tuple[str, ...] = ()  # empty: the same origin only
    trusted_proxies: tuple[str, ...] = ()  # networks, such as 10.0.0.0/8
    connections_limit: Amount = 0  # 0: as many as there are file descriptors for
    connections_per_address_limit: Amount = 0  # 0: none
    connections_per_identity_limit: Amount = 0  # 0: none

    # A rate of 0 is no limit; a burst is what may come at once, before the rate counts.
    messages_per_second_per_peer: Amount = 1000
    messages_burst_per_peer: Limit = 2000
    bytes_per_second_per_peer: Amount = 1_048_576
    bytes_burst_per_peer: Limit = 2_097_152
    joins_per_second_per_peer: Amount = 50
    joins_burst_per_peer: Limit = 200
    # Room for a crowd behind one address (a carrier's NAT) that comes back at once.
    handshakes_per_second_per_address: Amount = 500
    handshakes_burst_per_address: Limit = 2000
    rate_limits: tuple[RateLimit, ...] = ()  # over HTTP; empty: those of gateway/quotas/policies.py
    messages_per_second_per_identity: Amount = 0  # of all its peers on one worker
    messages_burst_per_identity: Limit = 2000

    ping_interval_seconds: Seconds = 20.0
    stall_seconds: Seconds = 90.0  # for a peer that is written to and reads nothing at all
    ping_timeout_seconds: Seconds = 10.0
    request_timeout_seconds: Seconds = 10.0  # for the first request of a connection to come
    connect_timeout_seconds: Seconds = 10.0
    upgrade_timeout_seconds: Seconds = 10.0
    recovery_seconds: SecondsOrNone = 120.0  # how long a lost connection may be gone on with
    drain_notice_seconds: Annotated[float, Meta(ge=0, le=_DAY_SECONDS)] = 3.0
    drain_seconds: Annotated[float, Meta(ge=0, le=_DAY_SECONDS)] = 20.0
    message_limit_bytes: Limit = 65_536  # one inbound Socket.IO packet
    body_limit_bytes: Limit = 1_048_576  # one HTTP body
    rooms_per_peer_limit: Limit = 100
    outbox_limit_bytes: Limit = 4_194_304
    write_high_water_bytes: Limit = 65_536

    map_room: Annotated[str, Meta(max_length=200)] | None = None  # where the page at / begins
    map_tiles_url: str | None = None  # with {z}, {x} and {y}; without: Natural Earth's land alone
    map_pmtiles: str | None = None  # a path, or a URL: streets in one file
    map_attribution: Annotated[str, Meta(max_length=500)] | None = None

    room_kinds: tuple[RoomKind, ...] = ()  # the first that matches; "*" is always the last
    webhooks: tuple[Webhook, ...] = ()
    providers: tuple[Provider, ...] = ()  # whom people may sign in with
    given: frozenset[str] = frozenset()  # the fields that the environment set
    unknown_variables: tuple[str, ...] = ()
    _kind_by_room: dict[str, RoomKind] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.host:
            host = "127.0.0.1" if self.environment == "development" else "0.0.0.0"  # noqa: S104 - a server in production is there to be reached
            msgspec.structs.force_setattr(self, "host", host)
        if not any(kind.pattern == "*" for kind in self.room_kinds):
            kinds = (*self.room_kinds, RoomKind())
            msgspec.structs.force_setattr(self, "room_kinds", kinds)
        # A copy made with other kinds must not inherit what was looked up among the old ones.
        msgspec.structs.force_setattr(self, "_kind_by_room", {})

    def kind_of(self, room: str) -> RoomKind:
        """The kind of `room`; a look-up in a dictionary once the room has been asked for."""
        kind = self._kind_by_room.get(room)
        return self._find_kind(room) if kind is None else kind

    def _find_kind(self, room: str) -> RoomKind:
        kind = next(kind for kind in self.room_kinds if matches(kind.pattern, room))
        # Names come from strangers: starting again now and then is the cheapest bound there is.
        if len(self._kind_by_room) >= _KIND_CACHE_ROOMS:
            self._kind_by_room.clear()
        self._kind_by_room[room] = kind
        return kind

    @property
    def trusted_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        return tuple(map(ip_network, self.trusted_proxies))

    @property
    def is_development(self) -> bool:
        return self.environment == "development"

    @property
    def mail_folder(self) -> str | None:
        """Where mails are written instead of being sent; in development they always are somehow."""
        if self.mail_dir is not None or self.smtp_url is not None or not self.is_development:
            return self.mail_dir
        return "paceline-mail"

    @property
    def sends_mail(self) -> bool:
        """Whether there is a way for mails to go."""
        return self.smtp_url is not None or self.mail_folder is not None

    @property
    def runs_jobs(self) -> bool:
        """Whether a worker of `serve` runs jobs: alone it does, among others others do."""
        is_alone = self.workers == 1 and self.redis_url is None
        return self.run_jobs == "always" or (self.run_jobs == "auto" and is_alone)

    @property
    def is_seen_over_https(self) -> bool:
        """Whether browsers come over https; plain http is for this machine alone."""
        return self.public_url is None or self.public_url.startswith("https:")

    @property
    def is_public_development(self) -> bool:
        """Whether other machines can reach a gateway that asks nobody for a token."""
        return self.is_development and not is_loopback(self.host)
