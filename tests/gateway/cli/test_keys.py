"""`paceline keys`."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.cli import run
from gateway.identity import presented_key, presented_tracker

SECRET = "a-secret-of-thirty-two-bytes-or-more"
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"PACELINE_JWT_SECRET": SECRET, "DATABASE_URL": f"sqlite:///{tmp_path}/users.db"}


def created(environ: dict[str, str], capsys: Captured) -> str:
    arguments = ["keys", "create", "--name", "shop", "--publish", "city:*"]
    assert run(arguments, environ) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out.removesuffix("\n")


def test_a_key_is_printed_alone_once_and_listed_without_its_secret(
    environ: dict[str, str], capsys: Captured
) -> None:
    text = created(environ, capsys)
    key_id = presented_key(text).id

    assert run(["keys", "list"], environ) == 0
    assert capsys.readouterr().out == f"{key_id}  shop  publish city:*  never used\n"


def test_a_key_is_rotated_and_revoked(environ: dict[str, str], capsys: Captured) -> None:
    text = created(environ, capsys)
    key_id = presented_key(text).id

    assert run(["keys", "rotate", key_id, "--overlap", "0"], environ) == 0
    rotated = capsys.readouterr().out.strip()
    assert (presented_key(rotated).id, rotated != text) == (key_id, True)
    assert run(["keys", "revoke", key_id], environ) == 0
    assert run(["keys", "revoke", key_id], environ) == 1
    assert capsys.readouterr().err == "There is no such key.\n"


def test_a_tracker_code_is_printed_and_listed_as_one(
    environ: dict[str, str], capsys: Captured
) -> None:
    arguments = ["keys", "create", "--tracker", "--name", "ada", "--publish", "city:paris"]
    assert run(arguments, environ) == 0
    tracker_id = presented_tracker(capsys.readouterr().out.strip()).id

    assert run(["keys", "list"], environ) == 0
    listed = f"{tracker_id}  ada  tracker  publish city:paris  never used\n"
    assert capsys.readouterr().out == listed
    assert run([*arguments, "--join", "city:paris"], environ) == 2
    assert capsys.readouterr().err.startswith("join: ")


def test_a_key_that_may_do_nothing_is_complained_about(
    environ: dict[str, str], capsys: Captured
) -> None:
    assert run(["keys", "create", "--name", "shop"], environ) == 2
    assert capsys.readouterr().err.startswith("publish: Give rooms")
