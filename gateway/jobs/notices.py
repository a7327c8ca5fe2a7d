"""This module owns the mail to an address that is not a user's any more: it hears of that once.

Whoever took an account over would change its address first; this is how its owner learns of it.
The mail names neither the new address nor a way to go on, because nobody knows who reads it.
"""

from __future__ import annotations

import datetime as dt
import secrets
import time
from collections.abc import Mapping
from typing import Final

import msgspec
import structlog

from gateway.jobs.letters import Letters, letter
from gateway.jobs.postman import Postman
from gateway.jobs.work import Work
from gateway.rooms.buckets import Allowance, Buckets
from gateway.users.job import Job, NewJob, new_job
from gateway.users.outbox import UserEvent
from gateway.users.user import ID_RANDOM_BYTES, folded

logger = structlog.get_logger(__name__)

ADDRESS_CHANGED: Final = "mail-address-changed"  # a kind of job
_KEYS_LIMIT: Final = 65_536
# Who changes an address again and again must not fill the mailboxes of others. The first one to
# hear of it is the one that the account had before all that.
_OF_A_USER: Final = Allowance(per_second=5 / 3600, burst=5.0)
_SUBJECT: Final = "Your e-mail address was changed"
_TEXT: Final = """\
Hello,

the account that had this e-mail address has another one since {at} (UTC). Mails about the
account, such as those for a lost password, do not come here any more.

If it was you, there is nothing to do. If it was not, tell those who run this service at once.
"""


class _Notice(msgspec.Struct, frozen=True):
    user_id: str
    email: str  # the one from before
    at_ms: int


_decode = msgspec.json.Decoder(_Notice).decode


def notices_owed(event: UserEvent) -> list[NewJob]:
    """The mail that goes to the address from before, whoever has changed it."""
    before = event.before
    if (
        event.name != "changed"
        or before is None
        or folded(before.email) == folded(event.user.email)
    ):
        return []
    notice = _Notice(event.user.id, before.email, event.at_ms)
    randomness = secrets.token_bytes(ID_RANDOM_BYTES)
    return [new_job(ADDRESS_CHANGED, notice, event.at_ms, randomness, lane="mail")]


class Notices:
    """The work of telling. One user has so many told of within an hour, by each runner."""

    def __init__(self, postman: Postman, letters: Letters) -> None:
        self._postman = postman
        self._letters = letters
        self._users = Buckets(_OF_A_USER, _KEYS_LIMIT)

    def works(self) -> Mapping[str, Work]:
        """The work, by kind of job."""
        return {ADDRESS_CHANGED: Work(run=self._tell, attempts=12, first_wait_seconds=10.0)}

    async def _tell(self, job: Job) -> None:
        notice = _decode(job.body)
        is_first_attempt = job.attempts == 1
        if is_first_attempt and self._users.take(notice.user_id, 1.0, time.monotonic()):
            logger.warning("! change of address not told again", user=notice.user_id)
            return
        at = dt.datetime.fromtimestamp(notice.at_ms / 1000, dt.UTC)
        text = _TEXT.format(at=f"{at:%Y-%m-%d %H:%M}")
        await self._postman.send(letter(job, self._letters.sender, notice.email, _SUBJECT, text))
        logger.info("= mail sent", purpose="address-changed", user=notice.user_id)
