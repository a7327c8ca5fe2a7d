"""This module owns which backends there are: the only one that names them, by what is set."""

from __future__ import annotations

import functools
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from gateway.broker.contract import Broker
from gateway.broker.lockers import Lockers
from gateway.broker.memory import MemoryBroker, MemoryRooms
from gateway.broker.memory_lockers import MemoryLockers
from gateway.broker.memory_sessions import MemoryIntercom, MemorySessions
from gateway.broker.redis.broker import RedisBroker
from gateway.broker.redis.lockers import RedisLockers
from gateway.broker.redis.sessions import RedisSessions
from gateway.broker.sessions import Intercom, Sessions
from gateway.feeds.ingest import Ingest
from gateway.hub import Hub
from gateway.metrics import Metrics
from gateway.quotas.limiter import Limiter, MemoryLimiter
from gateway.quotas.policies import policies_of
from gateway.quotas.shared import TAKE, SharedLimiter
from gateway.redis.client import call
from gateway.settings import Settings, SettingsInvalid
from gateway.settings.redis_url import address_of
from gateway.sockets.recovery import RENEWALS
from gateway.users.api_key import KeyStore
from gateway.users.audit import AuditStore
from gateway.users.backup import write_backup_file
from gateway.users.changes import ChangeStore
from gateway.users.database import Database
from gateway.users.external import ExternalStore
from gateway.users.housekeeping import HousekeepingStore
from gateway.users.job import JobStore
from gateway.users.occupancy import OccupancyStore
from gateway.users.outbox import Outbox
from gateway.users.profiles import Shelf
from gateway.users.proof import ProofStore
from gateway.users.redis_shelf import FIND, PUT, RedisShelf
from gateway.users.session import SessionStore
from gateway.users.sql import SqlUserStore
from gateway.users.sql_api_keys import SqlKeyStore
from gateway.users.sql_audit import SqlAuditStore
from gateway.users.sql_changes import SqlChangeStore
from gateway.users.sql_external import SqlExternalStore
from gateway.users.sql_housekeeping import SqlHousekeepingStore
from gateway.users.sql_jobs import SqlJobStore
from gateway.users.sql_occupancy import SqlOccupancyStore
from gateway.users.sql_proofs import SqlProofStore
from gateway.users.sql_sessions import SqlSessionStore
from gateway.users.store import UserStore
from gateway.workers.registry import Registry
from gateway.workers.shared import SharedRegistry
from protocol.events import Member
from protocol.reports import BrokerPulse


class BetweenWorkers(msgspec.Struct, frozen=True):
    """What workers share: rooms, the sessions of sockets, a way to talk to each other, lockers.

    `hosts` is where workers of other hosts are found; with the embedded broker there are none.
    `pulse` says how this worker and the broker stand with each other, and asks nobody for it.
    """

    broker: Broker
    sessions: Sessions
    intercom: Intercom
    pulse: Callable[[], BrokerPulse]
    lockers: Lockers
    hosts: Registry | None = None


def between_workers(settings: Settings, worker_id: str) -> BetweenWorkers:
    """Redis, or what one process needs."""
    # A session that was saved just before its connection was lost is still there for so long.
    keep_seconds = settings.recovery_seconds * (1 + 1 / RENEWALS)
    if settings.redis_url is None:
        return BetweenWorkers(
            MemoryBroker(MemoryRooms(settings.kind_of)),
            MemorySessions(keep_seconds, time.monotonic),
            MemoryIntercom({}),
            lambda: BrokerPulse(kind="embedded", is_well=True),
            MemoryLockers(time.monotonic),
        )
    address, prefix = address_of(settings.redis_url), settings.redis_prefix
    broker = RedisBroker(
        address,
        settings.kind_of,
        prefix=prefix,
        worker_id=worker_id,
        scripts=(TAKE, FIND, PUT),
    )
    return BetweenWorkers(
        broker,
        RedisSessions(broker.redis, prefix, keep_seconds),
        broker.intercom,
        broker.pulse,
        RedisLockers(broker.redis, prefix),
        SharedRegistry(functools.partial(call, broker.redis), prefix),
    )


def show_redis(broker: Broker, metrics: Metrics) -> None:
    """Say which masters are heard, where there are any."""
    if isinstance(broker, RedisBroker):
        redis = broker.redis
        metrics.gauge("redis_up", lambda: {each.name: each.is_healthy for each in redis.shards})


def limiter_of(settings: Settings, broker: Broker, metrics: Metrics) -> Limiter:
    """What counts requests: all workers together where there is Redis."""
    policies = policies_of(settings).values()
    if isinstance(broker, RedisBroker):
        return SharedLimiter(broker.redis, settings.redis_prefix, policies, metrics)
    return MemoryLimiter(policies)


def shelf_of(settings: Settings, broker: Broker) -> Shelf | None:
    """Where workers leave users for each other, if there is such a place."""
    if not isinstance(broker, RedisBroker):
        return None
    shelf = RedisShelf(broker.redis, settings.redis_prefix)
    # A server that took another one's place may lack what was deleted last.
    broker.when_back.append(shelf.forget_all)
    return shelf


def ingest_of(
    settings: Settings, broker: Broker, hub: Hub, metrics: Metrics, worker_id: str
) -> Ingest | None:
    """The way in through Redis, where there is one."""
    if not settings.ingest or not isinstance(broker, RedisBroker):
        return None
    ingest = Ingest(broker.redis, hub, metrics, f"{settings.redis_prefix}:ingest", worker_id)
    metrics.gauge("ingest_backlog", lambda: ingest.backlog)
    return ingest


def witness_departures(broker: Broker, witness: Callable[[str, Member], None]) -> None:
    """Tell of members whose worker died; in one process there is nobody left to tell of it."""
    if isinstance(broker, RedisBroker):
        broker.on_departure = witness


def database_of(settings: Settings) -> Database:
    """Where users are kept, not started yet. Raises `SettingsInvalid`."""
    try:
        return Database(settings.database_url)
    except ValueError as error:
        raise SettingsInvalid([f"{error}."]) from error


class Stores(msgspec.Struct, frozen=True):
    """What is kept in one database."""

    users: UserStore
    sessions: SessionStore
    keys: KeyStore
    external: ExternalStore
    changes: ChangeStore
    jobs: JobStore
    housekeeping: HousekeepingStore
    proofs: ProofStore
    occupancy: OccupancyStore
    audit: AuditStore
    write_backup: Callable[[Path], Awaitable[object]]


def stores_of(database: Database, outbox: Outbox | None = None) -> Stores:
    """The stores of a database; `outbox` says what a change of a user causes."""
    return Stores(
        SqlUserStore(database, outbox),
        SqlSessionStore(database),
        SqlKeyStore(database),
        SqlExternalStore(database, outbox),
        SqlChangeStore(database),
        SqlJobStore(database),
        SqlHousekeepingStore(database),
        SqlProofStore(database),
        SqlOccupancyStore(database),
        SqlAuditStore(database),
        functools.partial(write_backup_file, database),
    )
