"""This module owns the mails to users: what they say, and the tokens in them.

A token is made when the mail is sent, so that none lies in a job. A mail that is sent twice brings
two, with one Message-ID; both are good until one was used.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Final

import msgspec
import structlog

from gateway.jobs.letters import Letters, letter
from gateway.jobs.postman import Postman
from gateway.jobs.runner import now_ms
from gateway.jobs.work import JobFailed, Work
from gateway.users.job import Job, NewJob
from gateway.users.outbox import UserEvent
from gateway.users.proof import (
    LIFETIME_SECONDS,
    TOKEN_BYTES,
    Proof,
    ProofStore,
    Purpose,
    proof_digest_of,
)
from gateway.users.proving import RESET, VERIFICATION, verification_job
from gateway.users.store import UserStore
from gateway.users.user import User, folded

logger = structlog.get_logger(__name__)

_HOUR_SECONDS: Final = 3600.0
_MAILS_AN_HOUR: Final = 5  # of one purpose, to one user
_SUBJECTS: Final[dict[Purpose, str]] = {
    "verification": "Please confirm your e-mail address",
    "reset": "Choose a new password",
}
_TEXTS: Final[dict[Purpose, str]] = {
    "verification": """\
Hello,

somebody, probably you, gave this address for an account. Please confirm it with

    {link}

within three days. If it was not you, do nothing.
""",
    "reset": """\
Hello,

somebody, probably you, asked for a new password for your account. Choose one with

    {link}

within an hour; all your sessions end then. If it was not you, do nothing: your password stays as
it is.
""",
}


def verifications_owed(event: UserEvent) -> list[NewJob]:
    """The mail that goes to a new address that is not verified, unless of one of many."""
    user, before = event.user, event.before
    is_new = event.name == "created" or (
        event.name == "changed"
        and before is not None
        and folded(before.email) != folded(user.email)
    )
    if not is_new or event.is_import or event.is_verified or user.disabled:
        return []
    return [verification_job(user.id, event.at_ms)]


class Mails:
    """The work of sending mails."""

    def __init__(
        self, users: UserStore, proofs: ProofStore, postman: Postman, letters: Letters
    ) -> None:
        self._users = users
        self._proofs = proofs
        self._postman = postman
        self._letters = letters

    def works(self) -> Mapping[str, Work]:
        """The work, by kind of job."""
        return {
            VERIFICATION: Work(run=self._verify, attempts=12, first_wait_seconds=10.0),
            # Later than the token that it would bring is good for, nobody waits for it any more.
            RESET: Work(
                run=self._reset, attempts=8, first_wait_seconds=5.0, longest_wait_seconds=600.0
            ),
        }

    async def _verify(self, job: Job) -> None:
        user_id = msgspec.json.decode(job.body)["userId"]
        user = await self._users.find_by_id(user_id)
        if user is None or user.disabled or await self._proofs.verified_at_ms(user_id) is not None:
            return
        if await self._had_enough(user, "verification"):
            # Who changes the own address again and again must not fill the mailboxes of others.
            said = f"This user had {_MAILS_AN_HOUR} such mails within an hour."
            raise JobFailed(said, wait_seconds=_HOUR_SECONDS / 2)
        await self._send(job, user, "verification", self._letters.verification_url)

    async def _reset(self, job: Job) -> None:
        user = await self._users.find_by_email(msgspec.json.decode(job.body)["email"])
        if user is None or user.disabled:
            return
        if await self._had_enough(user, "reset"):  # what was sent before is still good
            logger.warning("! password reset not sent again", user=user.id)
            return
        await self._send(job, user, "reset", self._letters.reset_url)

    async def _send(self, job: Job, user: User, purpose: Purpose, url: str | None) -> None:
        token, at_ms = secrets.token_urlsafe(TOKEN_BYTES), now_ms()
        proof = Proof(
            digest=proof_digest_of(token),
            user_id=user.id,
            purpose=purpose,
            email_folded=folded(user.email),
            expires_at_ms=at_ms + round(LIFETIME_SECONDS[purpose] * 1000),
        )
        link = f"the token {token}" if url is None else url.replace("{token}", token)
        text = _TEXTS[purpose].format(link=link)
        mail = letter(job, self._letters.sender, user.email, _SUBJECTS[purpose], text)
        await self._proofs.keep(proof, at_ms)
        await self._postman.send(mail)
        logger.info("= mail sent", purpose=purpose, user=user.id)

    async def _had_enough(self, user: User, purpose: Purpose) -> bool:
        hour_ago_ms = now_ms() - round(_HOUR_SECONDS * 1000)
        since_ms = hour_ago_ms + round(LIFETIME_SECONDS[purpose] * 1000)
        return await self._proofs.count(user.id, purpose, since_ms) >= _MAILS_AN_HOUR
