"""`paceline users import`."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from gateway.cli import run

SECRET = "a-secret-of-thirty-two-bytes-or-more"
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"PACELINE_JWT_SECRET": SECRET, "DATABASE_URL": f"sqlite:///{tmp_path}/users.db"}


def emails(tmp_path: Path) -> list[str]:
    connection = sqlite3.connect(tmp_path / "users.db")
    try:
        return [row[0] for row in connection.execute("SELECT email FROM users ORDER BY email")]
    finally:
        connection.close()


def test_a_csv_makes_users_and_says_of_the_others_why_not(
    environ: dict[str, str], tmp_path: Path, capsys: Captured
) -> None:
    file, rejected = tmp_path / "users.csv", tmp_path / "rejected"
    file.write_bytes(
        b"\xef\xbb\xbfemail,name\na@b.cd,Ada\nbob,B\na@B.CD,Ada\nc@d.ef,\xff\xfe\ng@h.ij,Gil\n"
    )

    assert run(["users", "import", str(file), "--rejected", str(rejected)], environ) == 1

    out, err = capsys.readouterr()
    assert out == "2 users made, 3 lines rejected.\n"
    assert [line.partition(":")[0] for line in err.splitlines()] == ["line 3", "line 5", "line 4"]
    written = [json.loads(line) for line in rejected.read_text().splitlines()]
    assert {entry["line"]: set(entry["fields"]) for entry in written} == {
        3: {"email", "name"},
        4: {"email"},
        5: {"line"},
    }
    assert emails(tmp_path) == ["a@b.cd", "g@h.ij"]


def test_ten_thousand_lines_of_json_are_ten_thousand_users(
    environ: dict[str, str], tmp_path: Path, capsys: Captured
) -> None:
    file = tmp_path / "users.ndjson"
    users = ({"email": f"p{n}@example.org", "name": f"Person {n}"} for n in range(10_000))
    file.write_text("\n".join(map(json.dumps, users)))

    assert run(["users", "import", str(file)], environ) == 0
    assert run(["users", "import", str(file)], environ) == 1

    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "10000 users made, 0 lines rejected.",
        "0 users made, 10000 lines rejected.",
    ]
    assert len(err.splitlines()) == 21
    assert len(emails(tmp_path)) == 10_000


def test_a_file_that_is_not_there_or_tells_no_format_is_complained_about(
    environ: dict[str, str], tmp_path: Path, capsys: Captured
) -> None:
    assert run(["users", "import", str(tmp_path / "none.csv")], environ) == 2
    assert run(["users", "import", str(tmp_path / "users.xlsx")], environ) == 2

    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith("none.csv: No such file or directory.")
    assert second.startswith("--format is needed")
