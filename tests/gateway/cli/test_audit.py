"""`paceline audit`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.cli import run

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def here(tmp_path: Path) -> dict[str, str]:
    return {"PACELINE_ENV": "development", "DATABASE_URL": f"sqlite:///{tmp_path}/users.db"}


def test_what_commands_have_changed_is_told_a_line_each(
    here: dict[str, str], tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "somebody")
    people = tmp_path / "people.ndjson"
    people.write_text('{"email": "one@example.org", "name": "One"}\n')
    assert run(["users", "create", "--email", "ada@example.org"], here) == 0
    user_id = capsys.readouterr().out.strip()
    assert run(["users", "disable", "ada@example.org"], here) == 0
    assert run(["users", "import", str(people)], here) == 0
    assert run(["keys", "create", "--name", "bike", "--publish", "city", "--tracker"], here) == 0
    assert run(["db", "seed"], here) == 0
    capsys.readouterr()

    assert run(["audit"], here) == 0

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["number"] for line in lines] == list(range(1, len(lines) + 1))
    assert [line["action"] for line in lines[:5]] == [
        "user.created",
        "password.changed",
        "user.disabled",
        "user.created",
        "tracker.created",
    ]
    assert {(line["subject"], line["via"]) for line in lines} == {("somebody", "command")}
    assert len(lines) == 5 + 4 + 4  # of a demonstration, with their passwords

    assert run(["audit", "--whom", user_id, "--action", "user.disabled"], here) == 0
    assert [json.loads(line)["whom"] for line in capsys.readouterr().out.splitlines()] == [user_id]
    assert run(["audit", "--until", "2020-01-01"], here) == 0
    assert run(["audit", "--since", "2020-01-01T00:00Z", "--subject", "nobody"], here) == 0
    assert capsys.readouterr().out == ""


def test_what_is_no_time_or_no_action_is_said(here: dict[str, str], capsys: Captured) -> None:
    assert run(["audit", "--since", "yesterday"], here) == 2
    assert "'yesterday' is no time such as" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run(["audit", "--action", "nonsense"], here)
