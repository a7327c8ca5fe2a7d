"""This module owns what there is to do beside serving, put together: the runner of its jobs."""

from __future__ import annotations

from pathlib import Path

from gateway.backends import Stores
from gateway.jobs.backups import Backups
from gateway.jobs.housekeeping import housekeeping
from gateway.jobs.runner import Runner
from gateway.metrics import Metrics
from gateway.settings import Settings


def runner_of(settings: Settings, stores: Stores, metrics: Metrics) -> Runner:
    """A runner for every kind of job that there is, its numbers among the metrics."""
    periodics = [*housekeeping(stores.housekeeping, stores.changes, stores.jobs)]
    if settings.backup_dir is not None:
        backups = Backups(
            stores.write_backup,
            Path(settings.backup_dir),
            settings.backup_hours,
            settings.backup_keep,
        )
        periodics.append(backups.periodic())
    runner = Runner(
        stores.jobs, {}, metrics.jobs, periodics, lease_seconds=settings.job_lease_seconds
    )
    metrics.gauge("jobs_waiting", lambda: runner.counts.waiting)
    metrics.gauge("jobs_dead", lambda: runner.counts.dead)
    metrics.gauge("jobs_oldest_due_seconds", lambda: runner.oldest_due_seconds)
    return runner
