"""This module owns what there is to do beside serving, put together: the runner of its jobs."""

from __future__ import annotations

from pathlib import Path

from gateway.backends import Stores
from gateway.jobs.backups import Backups
from gateway.jobs.housekeeping import housekeeping
from gateway.jobs.mail import Letters, Mails, verifications_owed
from gateway.jobs.postman import FolderPostman, NoPostman, Postman, SmtpPostman
from gateway.jobs.runner import Runner
from gateway.jobs.work import Work
from gateway.metrics import Metrics
from gateway.settings import Settings
from gateway.settings.mail_server import mail_server_of
from gateway.users.job import NewJob
from gateway.users.outbox import Outbox, UserEvent


def runner_of(settings: Settings, stores: Stores, metrics: Metrics) -> Runner:
    """A runner for every kind of job that there is, its numbers among the metrics."""
    periodics = [*housekeeping(stores.housekeeping, stores.changes, stores.jobs, stores.proofs)]
    if settings.backup_dir is not None:
        backups = Backups(
            stores.write_backup,
            Path(settings.backup_dir),
            settings.backup_hours,
            settings.backup_keep,
        )
        periodics.append(backups.periodic())
    runner = Runner(
        stores.jobs,
        _works_of(settings, stores),
        metrics.jobs,
        periodics,
        lease_seconds=settings.job_lease_seconds,
    )
    metrics.gauge("jobs_waiting", lambda: runner.counts.waiting)
    metrics.gauge("jobs_dead", lambda: runner.counts.dead)
    metrics.gauge("jobs_oldest_due_seconds", lambda: runner.oldest_due_seconds)
    return runner


def outbox_of(settings: Settings) -> Outbox:
    """What changes of users cause."""

    def outbox(event: UserEvent) -> list[NewJob]:
        return verifications_owed(event) if settings.sends_mail else []

    return outbox


def _works_of(settings: Settings, stores: Stores) -> dict[str, Work]:
    return dict(_mails_of(settings, stores).works())


def _mails_of(settings: Settings, stores: Stores) -> Mails:
    letters = Letters(
        sender=settings.mail_from or "Paceline <paceline@localhost>",
        verification_url=settings.mail_verification_url,
        reset_url=settings.mail_reset_url,
    )
    return Mails(stores.users, stores.proofs, _postman_of(settings), letters)


def _postman_of(settings: Settings) -> Postman:
    if settings.smtp_url is not None:
        return SmtpPostman(mail_server_of(settings.smtp_url))
    return FolderPostman(Path(settings.mail_folder)) if settings.mail_folder else NoPostman()
