"""The accounts' side of a worker, as a whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.backends import database_of, stores_of
from gateway.people import People
from gateway.settings import Settings
from protocol.refusals import Refused

SETTINGS = Settings(jwt_secrets=("a-secret-of-thirty-two-bytes-or-more",))


def people_at(url: str) -> People:
    settings = Settings(jwt_secrets=SETTINGS.jwt_secrets, database_url=url)
    database = database_of(settings)
    return People(settings, database, stores_of(database))


async def test_it_knows_what_is_stored_while_it_runs(tmp_path: Path) -> None:
    people = people_at(f"sqlite:///{tmp_path}/users.db")
    async with people.running():
        assert people.standings.are_up_to_date
        with pytest.raises(Refused):
            await people.authenticator.identify("pk_live_nobody")


async def test_a_database_that_is_away_stops_nobody() -> None:
    people = people_at("postgresql://nobody@127.0.0.1:1/none")
    async with people.running():
        assert not people.standings.are_up_to_date
