"""This module owns what there is to do beside serving, put together: the runner of its jobs."""

from __future__ import annotations

import functools
from pathlib import Path

from gateway.backends import Stores, witness_departures
from gateway.broker.contract import Broker
from gateway.hub import Hub
from gateway.jobs.activity import RoomsTeller
from gateway.jobs.backups import Backups
from gateway.jobs.housekeeping import cutting, housekeeping
from gateway.jobs.letters import Letters
from gateway.jobs.mail import Mails, verifications_owed
from gateway.jobs.notices import Notices, notices_owed
from gateway.jobs.postman import FolderPostman, NoPostman, Postman, SmtpPostman
from gateway.jobs.runner import Runner
from gateway.jobs.webhooks import Deliveries, user_deliveries_owed
from gateway.jobs.work import Work
from gateway.metrics import Metrics
from gateway.settings import Settings
from gateway.settings.mail_server import mail_server_of
from gateway.users.job import NewJob
from gateway.users.outbox import Outbox, UserEvent
from protocol.events import Member
from protocol.webhooks import RoomEventName


def runner_of(settings: Settings, stores: Stores, metrics: Metrics) -> Runner:
    """A runner for every kind of job that there is, its numbers among the metrics."""
    periodics = [
        *housekeeping(stores.housekeeping, stores.changes, stores.jobs, stores.proofs),
        cutting(stores.audit, settings.audit_days),
    ]
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


def outbox_of(settings: Settings) -> Outbox | None:
    """What changes of users cause; None: nothing that anybody would hear of."""
    if not settings.sends_mail and not settings.webhooks:
        return None

    def outbox(event: UserEvent) -> list[NewJob]:
        mails = [*verifications_owed(event), *notices_owed(event)] if settings.sends_mail else []
        return [*mails, *user_deliveries_owed(settings.webhooks, event)]

    return outbox


def teller_of(
    settings: Settings, stores: Stores, hub: Hub, broker: Broker, metrics: Metrics
) -> RoomsTeller | None:
    """Who tells webhooks of rooms, where there are any and rooms that ask for it."""
    if not settings.webhooks or not any(kind.webhooks for kind in settings.room_kinds):
        return None
    rooms = hub.membership.rooms
    teller = RoomsTeller(settings.webhooks, stores.occupancy, rooms.__contains__, broker.members)

    def witness(name: RoomEventName, room: str, member: Member) -> None:
        if settings.kind_of(room).webhooks:
            teller.note(name, room, member)

    hub.witness_by(witness)
    witness_departures(broker, functools.partial(witness, "peer.left"))
    metrics.gauge("webhook_events_dropped_total", lambda: teller.dropped)
    return teller


def _works_of(settings: Settings, stores: Stores) -> dict[str, Work]:
    return {**_mails_of(settings, stores), **Deliveries(settings.webhooks).works()}


def _mails_of(settings: Settings, stores: Stores) -> dict[str, Work]:
    letters = Letters(
        sender=settings.mail_from or "Paceline <paceline@localhost>",
        verification_url=settings.mail_verification_url,
        reset_url=settings.mail_reset_url,
    )
    postman = _postman_of(settings)
    mails = Mails(stores.users, stores.proofs, postman, letters)
    return {**mails.works(), **Notices(postman, letters).works()}


def _postman_of(settings: Settings) -> Postman:
    if settings.smtp_url is not None:
        return SmtpPostman(mail_server_of(settings.smtp_url))
    return FolderPostman(Path(settings.mail_folder)) if settings.mail_folder else NoPostman()
