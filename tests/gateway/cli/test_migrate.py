"""`paceline migrate`."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.cli import run
from gateway.users import schema
from tests.gateway.users.backends import BACKENDS, execute
from tests.gateway.users.test_database import locked
from tests.toolbox.ports import free_port

SECRET = "a-secret-of-thirty-two-bytes-or-more"
Captured = pytest.CaptureFixture[str]


def environ(url: str) -> dict[str, str]:
    return {"PACELINE_JWT_SECRET": SECRET, "DATABASE_URL": url}


def test_it_says_from_where_to_where_it_went(tmp_path: Path, capsys: Captured) -> None:
    here = environ(f"sqlite:///{tmp_path}/users.db")
    newest = schema.revisions()[-1]

    assert run(["migrate"], here) == 0
    assert run(["migrate"], here) == 0
    assert run(["migrate", "--to", "base"], here) == 0

    assert capsys.readouterr().out.splitlines() == [
        f"The schema is {newest}; it was none.",
        f"The schema is {newest}, as it was.",
        f"The schema is none; it was {newest}.",
    ]


def test_a_schema_that_there_is_not_is_complained_about(tmp_path: Path, capsys: Captured) -> None:
    assert run(["migrate", "--to", "9"], environ(f"sqlite:///{tmp_path}/users.db")) == 2
    assert capsys.readouterr().err.startswith("There is no schema '9'; there are 0001")


def test_a_database_that_is_away_is_said_plainly_and_without_its_password(
    capsys: Captured,
) -> None:
    url = f"postgresql://paceline:hunter2@127.0.0.1:{free_port()}/users"

    assert run(["migrate"], environ(url)) == 1

    err = capsys.readouterr().err
    assert err.startswith("the store is unavailable: ")
    assert "hunter2" not in err


def test_a_url_that_is_none_is_a_mistake_in_the_settings(capsys: Captured) -> None:
    assert run(["migrate"], environ("postgresql://host:port/users")) == 2
    assert "DATABASE_URL is not a URL of a database." in capsys.readouterr().err


# As an index over a table of many rows is: no limit of requests may end it.
SLOW_TABLES = (
    """CREATE FUNCTION take_time() RETURNS event_trigger LANGUAGE plpgsql
    AS 'BEGIN PERFORM pg_sleep(3); END'""",
    """CREATE EVENT TRIGGER slow ON ddl_command_start WHEN TAG IN ('CREATE TABLE')
    EXECUTE FUNCTION take_time()""",
    # A role or a database may have such limits for requests, too.
    """DO $$ BEGIN EXECUTE format(
        'ALTER DATABASE %I SET statement_timeout = ''1s''', current_database()); END $$""",
)


def test_a_statement_of_a_migration_takes_the_time_that_it_takes(
    request: pytest.FixtureRequest, capsys: Captured
) -> None:
    url = BACKENDS["postgresql"](request, "slow_migration")
    assert run(["migrate", "--to", "0003"], environ(url)) == 0
    asyncio.run(execute(url, SLOW_TABLES))

    assert run(["migrate", "--to", "0004"], environ(url)) == 0

    assert capsys.readouterr().out.splitlines()[-1] == "The schema is 0004; it was 0003."


@pytest.mark.parametrize("kind", sorted(BACKENDS))
def test_a_table_that_another_session_keeps_ends_it_with_advice_and_nothing_half_done(
    request: pytest.FixtureRequest, capsys: Captured, kind: str
) -> None:
    url = BACKENDS[kind](request, "kept_table")
    assert run(["migrate", "--to", "0002"], environ(url)) == 0

    # Three versions on the way make tables that nobody keeps; the fourth refers to the one kept.
    assert asyncio.run(_while_kept(url)) == 1

    err = capsys.readouterr().err
    assert err.startswith("Another session holds a table that has to be changed (")
    assert "run `paceline migrate` again" in err
    assert run(["migrate", "--to", "0003"], environ(url)) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "The schema is 0003; it was 0002."


async def _while_kept(url: str) -> int:
    async with locked(url):
        return await asyncio.to_thread(run, ["migrate"], environ(url))
