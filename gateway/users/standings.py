"""This module owns how subjects stand right now: remembered, and made to count when they change."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Container
from typing import Final

import structlog

from gateway.identity import Identity, PresentedKey, key_id_of
from gateway.users.api_key import KeyStore, identity_of_key
from gateway.users.cache import ENTRIES_LIMIT, Cache
from gateway.users.changes import ChangeStore, ChangeWatch
from gateway.users.profiles import Profiles
from gateway.users.session import SessionStore
from gateway.users.standing import Standing, check_standing, goodbye_of
from gateway.users.store import StoreUnavailable, UserStore
from gateway.users.user import is_user_id
from protocol.refusals import Goodbye, Refusal, Refused

logger = structlog.get_logger(__name__)

_SUBJECTS_AT_ONCE: Final = 8  # questions to the store
# A no by what is remembered may be yesterday's: of a session or a key that another worker has made
# since. It is looked into, but nobody can have the store asked more often than that.
_LOOK_AGAIN_SECONDS: Final = 1.0

# For each peer of the subjects: the goodbye that it gets, if any.
Judge = Callable[[Container[str], Callable[[Identity], Goodbye | None]], list[str]]


class Standings:
    """What the doors ask before they believe a token.

    While the store is away a token is believed by what was known before, or else by itself, until
    it expires; whoever came in so is judged when the store is back.

    What is decided here is decided by the store's own word. `profiles` are users for reading, which
    hear of the same changes.
    """

    def __init__(
        self,
        users: UserStore,
        sessions: SessionStore,
        keys: KeyStore,
        changes: ChangeStore,
        profiles: Profiles | None = None,
    ) -> None:
        self._users = users
        self.profiles = profiles or Profiles(users.find_by_id)
        self._sessions = sessions
        self._keys = keys
        self._cache: Cache[Standing] = Cache(self._load)
        self._watch = ChangeWatch(changes, self._hear)
        self._judge: Judge | None = None
        self._present: Callable[[], set[str]] = set
        self._doubtful: set[str] = set()  # believed by their tokens alone
        self._looked_again: dict[str, float] = {}

    def judge_by(self, judge: Judge, present: Callable[[], set[str]]) -> None:
        """Whom to tell when somebody has to go; `present` are the subjects that are connected."""
        self._judge = judge
        self._present = present

    async def start(self) -> None:
        """Begin to hear of changes; a store that is away is waited for."""
        await self._watch.start()

    async def stop(self) -> None:
        """End; a second call does nothing."""
        await self._watch.stop()
        await self.profiles.stop()

    @property
    def are_up_to_date(self) -> bool:
        """Whether everything that others have changed more than a second ago is known here."""
        return self._watch.is_up_to_date

    async def catch_up(self) -> bool:
        """Hear of all that others have changed until now; False when that cannot be."""
        return await self._watch.catch_up()

    @property
    def hits(self) -> int:
        """Questions that the memory answered."""
        return self._cache.hits

    @property
    def misses(self) -> int:
        """Questions that went to the store."""
        return self._cache.misses

    def check_now(self, identity: Identity) -> bool:
        """Whether it is known right now that the token holds; raises `Refused` when it does not.

        False: it takes a question to the store to know; ask `check`.
        """
        if not is_user_id(identity.subject):
            return True
        standing = self._cache.find(identity.subject)
        if standing is None:
            return False
        try:
            check_standing(identity, standing)
        except Refused:
            if self._may_look_again(identity.subject):
                return False
            raise
        return True

    async def check(self, identity: Identity) -> None:
        """Raise `Refused` when the token does not hold any more."""
        if not is_user_id(identity.subject):
            return
        try:
            standing = await self._cache.get(identity.subject)
        except StoreUnavailable:
            self._doubt({identity.subject})
            return
        try:
            check_standing(identity, standing)
        except Refused:
            fresh = await self._look_again(identity.subject)
            if fresh is None:
                raise
            check_standing(identity, fresh)

    def identity_of_key_now(self, presented: PresentedKey) -> Identity | None:
        """Who shows an API key; None when it takes a question to the store to know.

        Raises `Refused`.
        """
        standing = self._cache.find(presented.subject)
        if standing is None:
            return None
        try:
            return identity_of_key(presented, standing.key, _now_ms())
        except Refused:
            if self._may_look_again(presented.subject):
                return None
            raise

    async def identity_of_key(self, presented: PresentedKey) -> Identity:
        """Who shows an API key; raises `Refused`: a key proves nothing by itself."""
        try:
            standing = await self._cache.get(presented.subject)
        except StoreUnavailable as unavailable:
            retry_after_ms = unavailable.retry_after_ms
            raise Refused(Refusal.UNAVAILABLE, retry_after_ms=retry_after_ms) from unavailable
        try:
            return identity_of_key(presented, standing.key, _now_ms())
        except Refused:
            fresh = await self._look_again(presented.subject)
            if fresh is None:
                raise
            return identity_of_key(presented, fresh.key, _now_ms())

    def _may_look_again(self, subject: str) -> bool:
        if self._cache.is_loading(subject):
            return True  # whoever comes meanwhile hears the same
        looked_seconds = self._looked_again.get(subject, -_LOOK_AGAIN_SECONDS)
        return time.monotonic() - looked_seconds >= _LOOK_AGAIN_SECONDS

    async def _look_again(self, subject: str) -> Standing | None:
        """What the store says by now; None when it was asked just now, or does not answer."""
        if not self._may_look_again(subject):
            return None
        if len(self._looked_again) >= ENTRIES_LIMIT:
            self._looked_again.clear()
        self._looked_again[subject] = time.monotonic()
        try:
            return await self._cache.renew(subject)
        except StoreUnavailable:
            return None

    async def changed(self, subjects: set[str]) -> None:
        """Make a change count on this worker: what was known is forgotten, who has to go goes.

        The change was made, so it is no reason to fail that the store has gone away since.
        """
        try:
            await self._make_count(subjects)
        except StoreUnavailable:
            self._doubt(subjects)

    async def _make_count(self, subjects: set[str]) -> None:
        for subject in subjects:
            self._cache.forget(subject)
        await self.profiles.forget([each for each in subjects if is_user_id(each)])
        await self._judge_peers(subjects)

    def _doubt(self, subjects: set[str]) -> None:
        """Judge them when the store can be asked again."""
        news = subjects - self._doubtful
        if news and len(self._doubtful) < ENTRIES_LIMIT:
            self._doubtful |= news
            self._watch.doubt()
            logger.warning("! accounts not looked at, the user store is unavailable")

    async def _hear(self, subjects: set[str] | None) -> None:
        doubtful = frozenset(self._doubtful)
        if subjects is None:
            self._cache.forget_all()
            self.profiles.forget_all()
            await self._judge_peers(self._present())
        else:
            await self._make_count(subjects | doubtful)
        self._doubtful -= doubtful

    async def _judge_peers(self, subjects: set[str]) -> None:
        concerned = [each for each in self._present() & subjects if _is_ours(each)]
        for start in range(0, len(concerned), _SUBJECTS_AT_ONCE):
            await self._judge_some(concerned[start : start + _SUBJECTS_AT_ONCE])

    async def _judge_some(self, subjects: list[str]) -> None:
        found = await asyncio.gather(*map(self._cache.get, subjects))
        standings = dict(zip(subjects, found, strict=True))
        assert self._judge is not None, "who is present is known by who judges"
        gone = self._judge(
            standings, lambda identity: goodbye_of(identity, standings[identity.subject])
        )
        if gone:
            logger.info("= sent off, the account has changed", peers=len(gone))

    async def _load(self, subject: str) -> Standing:
        key_id = key_id_of(subject)
        if key_id is not None:
            return Standing(key=await self._keys.find(key_id))
        user = await self._users.find_by_id(subject)
        if user is None:
            return Standing()
        sessions = await self._sessions.of_user(subject, _now_ms())
        return Standing(user, session_ids=frozenset(session.id for session in sessions))


def _is_ours(subject: str) -> bool:
    return is_user_id(subject) or key_id_of(subject) is not None


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
