"""This module owns THE table of housekeeping: what is forgotten, how often, and how late."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from gateway.jobs.runner import now_ms
from gateway.jobs.work import Periodic, Work
from gateway.users.audit import AuditStore
from gateway.users.changes import KEPT_SECONDS, ChangeStore
from gateway.users.housekeeping import HousekeepingStore
from gateway.users.job import Job, JobStore
from gateway.users.proof import ProofStore
from gateway.users.store import KEY_LIFETIME_SECONDS

_HOUR_SECONDS: Final = 3600.0
_DAY_SECONDS: Final = 24 * _HOUR_SECONDS
# Long enough to find out why something does not work any more, or was not done.
_EXPIRED_KEYS_SECONDS: Final = 30 * _DAY_SECONDS
_DEAD_SECONDS: Final = 30 * _DAY_SECONDS
_DONE_SECONDS: Final = _DAY_SECONDS


def housekeeping(
    ended: HousekeepingStore, changes: ChangeStore, jobs: JobStore, proofs: ProofStore
) -> tuple[Periodic, ...]:
    """The work, each with a name that begins with what it does."""
    return (
        _periodic("forget-sessions", _HOUR_SECONDS, lambda: ended.forget_sessions(now_ms())),
        _periodic(
            "forget-keys", _DAY_SECONDS, lambda: ended.forget_keys(_before(_EXPIRED_KEYS_SECONDS))
        ),
        _periodic(
            "forget-creations",
            _HOUR_SECONDS,
            lambda: ended.forget_creations(_before(KEY_LIFETIME_SECONDS)),
        ),
        _periodic("forget-changes", _HOUR_SECONDS, lambda: changes.forget(_before(KEPT_SECONDS))),
        _periodic("forget-proofs", _HOUR_SECONDS, lambda: proofs.forget(now_ms())),
        _periodic(
            "forget-jobs",
            _HOUR_SECONDS,
            lambda: jobs.forget(_before(_DONE_SECONDS), _before(_DEAD_SECONDS)),
        ),
    )


def cutting(audit: AuditStore, days: int) -> Periodic:
    """The work of cutting the trail short, once a day."""
    return _periodic(
        "cut-audit", _DAY_SECONDS, lambda: audit.cut(_before(days * _DAY_SECONDS), now_ms())
    )


def _periodic(name: str, every_seconds: float, do: Callable[[], Awaitable[object]]) -> Periodic:
    async def run(_job: Job) -> None:
        await do()

    return Periodic(name=name, every_seconds=every_seconds, work=Work(run=run))


def _before(seconds: float) -> int:
    return now_ms() - round(seconds * 1000)
