"""This module owns the accounts' side of a worker, built from its parts: who may come in."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from gateway.authentication import Authenticator
from gateway.backends import Stores
from gateway.metrics import Metrics
from gateway.openid.arrivals import Arrivals
from gateway.openid.sign_ins import SignIns
from gateway.settings import Settings
from gateway.users.accounts import Accounts
from gateway.users.api_keys import ApiKeys
from gateway.users.database import Database
from gateway.users.passwords import Passwords
from gateway.users.profiles import Profiles, Shelf
from gateway.users.proving import Proving
from gateway.users.sessions import SessionRules, Sessions
from gateway.users.standings import Standings
from gateway.users.trail import Trail


class People:
    """Accounts, sessions and keys over one database, and the authenticator that asks them."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        stores: Stores,
        shelf: Shelf | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self.database = database
        self.audit = stores.audit
        self.trail = Trail(stores.audit, stores.users.find_by_email)
        profiles = Profiles(stores.users.find_by_id, shelf, metrics)
        self.standings = Standings(
            stores.users, stores.sessions, stores.keys, stores.changes, profiles
        )
        self.keys = ApiKeys(stores.keys, self.standings)
        self.authenticator = Authenticator(settings, self.standings, self.keys.note_use)
        self.accounts = Accounts(stores.users, self.standings)
        self.passwords = Passwords()
        self.sessions = Sessions(
            stores.users,
            stores.sessions,
            self.passwords,
            self.authenticator.keys,
            self.authenticator.rules,
            SessionRules(
                settings.access_token_seconds,
                settings.session_seconds,
                settings.session_most_seconds,
            ),
            self.standings,
            self.trail,
        )
        arrivals = Arrivals(stores.users, stores.external, self.accounts)
        self.sign_ins = SignIns(
            settings, self.authenticator.keys, self.sessions, arrivals, stores.external
        )

        self.proving = Proving(
            stores.proofs,
            stores.jobs,
            self.passwords,
            self.standings,
            sends_mail=settings.sends_mail,
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Started, while the context is open. A database that is away is waited for."""
        async with contextlib.AsyncExitStack() as stack:
            await self.authenticator.start()
            stack.push_async_callback(self.authenticator.stop)
            await self.database.start()
            stack.push_async_callback(self.database.stop)
            stack.callback(self.passwords.stop)
            await self.sign_ins.start()
            stack.push_async_callback(self.sign_ins.stop)
            await self.standings.start()
            stack.push_async_callback(self.standings.stop)
            stack.push_async_callback(self.keys.stop)
            stack.push_async_callback(self.trail.stop)
            yield
