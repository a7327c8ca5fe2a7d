"""`paceline db`."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from gateway.cli import run

SECRET = "a-secret-of-thirty-two-bytes-or-more"
Captured = pytest.CaptureFixture[str]


def environ(database: Path) -> dict[str, str]:
    return {"PACELINE_JWT_SECRET": SECRET, "DATABASE_URL": f"sqlite:///{database}"}


def test_a_backup_is_taken_and_restored_elsewhere(tmp_path: Path, capsys: Captured) -> None:
    here, there, file = environ(tmp_path / "a.db"), environ(tmp_path / "b.db"), tmp_path / "backup"
    run(["users", "create", "--email", "a@b.cd", "--name", "Ada"], here)
    capsys.readouterr()

    assert run(["db", "backup", str(file)], here) == 0
    assert run(["db", "restore", str(file)], there) == 0
    assert run(["db", "restore", str(file)], there) == 1

    out, err = capsys.readouterr()
    told = [line.partition(" s: ")[2] for line in out.splitlines()]
    counts = (
        "1 users, 1 passwords, 0 sessions, 0 api_keys, 0 external_identities, 0 verifications,"
        " 2 audit."
    )
    assert told == [counts] * 2
    assert err == "The database keeps 1 users; restore into an empty one.\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert run(["users", "disable", "a@b.cd"], there) == 0


def test_a_backup_that_fails_leaves_the_one_before(tmp_path: Path, capsys: Captured) -> None:
    file = tmp_path / "backup"
    file.write_text("the one before")

    assert run(["db", "backup", str(file)], environ(tmp_path / "empty.db")) == 1
    assert run(["db", "backup", str(tmp_path / "no" / "backup")], environ(tmp_path / "a.db")) == 1
    assert run(["db", "restore", str(tmp_path / "none")], environ(tmp_path / "a.db")) == 1

    assert file.read_text() == "the one before"
    assert sorted(path.name for path in tmp_path.glob("backup*")) == ["backup"]
    err = capsys.readouterr().err.splitlines()
    assert err[0] == "There is nothing to back up: the database has no tables."
    assert [line.rpartition(": ")[2] for line in err[1:]] == ["No such file or directory."] * 2
