"""`paceline migrate`."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.cli import run
from gateway.users import schema
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
