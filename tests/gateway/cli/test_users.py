"""`paceline users`."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest

from gateway.cli import run

SECRET = "a-secret-of-thirty-two-bytes-or-more"
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"PACELINE_JWT_SECRET": SECRET, "DATABASE_URL": f"sqlite:///{tmp_path}/users.db"}


def rows(environ: dict[str, str], query: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(environ["DATABASE_URL"].removeprefix("sqlite:///"))
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def test_the_first_administrator_is_made_with_a_password_shown_once(
    environ: dict[str, str], capsys: Captured
) -> None:
    arguments = ["users", "create", "--email", "root@example.org", "--role", "admin"]

    assert run(arguments, environ) == 0

    out, err = capsys.readouterr()
    shown = re.fullmatch(r"The password, shown this once: (\S{24})\n", err)
    assert shown is not None
    assert rows(environ, "SELECT id, name, role FROM users") == [(out.strip(), "root", "admin")]
    ((kept,),) = rows(environ, "SELECT hash FROM passwords")
    assert str(kept).startswith("$argon2id$v=19$")
    assert shown[1] not in str(kept)


def test_somebody_may_be_made_without_a_password(environ: dict[str, str], capsys: Captured) -> None:
    assert (
        run(["users", "create", "--email", "a@b.cd", "--name", "Ada", "--no-password"], environ)
        == 0
    )

    assert capsys.readouterr().err == ""
    assert rows(environ, "SELECT name, role FROM users") == [("Ada", "rider")]
    assert rows(environ, "SELECT * FROM passwords") == []


def test_every_mistake_is_told_and_nothing_is_made(
    environ: dict[str, str], capsys: Captured
) -> None:
    run(["migrate"], environ)
    capsys.readouterr()

    assert run(["users", "create", "--email", "ada", "--name", "A", "--role", "king"], environ) == 2

    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["email", "name", "role"]
    assert rows(environ, "SELECT * FROM users") == []


def test_an_address_that_is_taken_is_said_plainly(
    environ: dict[str, str], capsys: Captured
) -> None:
    arguments = ["users", "create", "--email", "a@b.cd", "--name", "Ada", "--no-password"]
    run(arguments, environ)

    assert run(arguments, environ) == 1
    assert capsys.readouterr().err == "email: Another user has that e-mail address.\n"


def test_a_new_password_takes_the_place_of_the_old_one(
    environ: dict[str, str], capsys: Captured
) -> None:
    run(["users", "create", "--email", "a@b.cd", "--name", "Ada"], environ)
    before = rows(environ, "SELECT hash FROM passwords")

    assert run(["users", "password", "A@B.CD"], environ) == 0
    assert rows(environ, "SELECT hash FROM passwords") != before


def test_a_user_is_disabled_and_enabled(environ: dict[str, str], capsys: Captured) -> None:
    run(["users", "create", "--email", "a@b.cd", "--name", "Ada", "--no-password"], environ)

    assert run(["users", "disable", "a@b.cd"], environ) == 0
    assert rows(environ, "SELECT disabled, version FROM users") == [(1, 2)]
    assert run(["users", "enable", "a@b.cd"], environ) == 0
    assert rows(environ, "SELECT disabled, version FROM users") == [(0, 3)]


def test_who_is_not_there_is_said_plainly(environ: dict[str, str], capsys: Captured) -> None:
    assert run(["users", "disable", "nobody@example.org"], environ) == 1
    assert capsys.readouterr().err == "There is no user with the address nobody@example.org.\n"


def test_a_store_that_is_away_is_said_plainly(capsys: Captured, free_port: int) -> None:
    environ = {
        "PACELINE_JWT_SECRET": SECRET,
        "DATABASE_URL": f"postgresql://paceline:hunter2@127.0.0.1:{free_port}/users",
    }

    assert run(["users", "disable", "a@b.cd"], environ) == 1
    err = capsys.readouterr().err
    assert err.splitlines()[-1].startswith("the store is unavailable: ")
    assert "hunter2" not in err
