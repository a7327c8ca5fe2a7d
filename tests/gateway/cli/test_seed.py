"""`paceline db seed`."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.cli import run
from tests.gateway.cli.test_db import environ as production

Captured = pytest.CaptureFixture[str]


def test_people_are_made_once_and_passwords_shown_once(tmp_path: Path, capsys: Captured) -> None:
    environ = production(tmp_path / "a.db") | {"PACELINE_ENV": "development"}

    assert run(["db", "seed", "--riders", "3"], environ) == 0
    out, err = capsys.readouterr()
    lines = [line.split("  ") for line in out.splitlines()]
    assert [(email, role) for email, role, _ in lines] == [
        (f"{role}@demo.example", role) for role in ("admin", "operator", "rider", "viewer")
    ]
    assert len({password for *_, password in lines}) == 4
    assert err == "7 users made; passwords are shown this once.\n"

    assert run(["db", "seed", "--riders", "5"], environ) == 0
    assert capsys.readouterr() == ("", "2 users made; passwords are shown this once.\n")


def test_production_is_left_alone_unless_told(tmp_path: Path, capsys: Captured) -> None:
    environ = production(tmp_path / "a.db")

    assert run(["db", "seed"], environ) == 1
    assert "--force overrules this" in capsys.readouterr().err
    assert run(["db", "seed", "--force"], environ) == 0
    assert len(capsys.readouterr().out.splitlines()) == 4


@pytest.mark.parametrize("count", ["-1", "10001"])
def test_there_are_only_so_many(count: str, tmp_path: Path, capsys: Captured) -> None:
    environ = production(tmp_path / "a.db")

    assert run(["db", "seed", "--force", "--riders", count], environ) == 2
    assert "from 0 to 10000" in capsys.readouterr().err
