"""`paceline jobs`."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.cli import run
from gateway.users.sql_jobs import SqlJobStore
from tests.gateway.jobs.bench import owed
from tests.gateway.users.backends import opened

Captured = pytest.CaptureFixture[str]


async def parked(url: str) -> list[str]:
    """Two jobs that were given up; their ids."""
    database = await opened(url)
    store = SqlJobStore(database)
    jobs = [owed("webhook", lane="webhook shop"), owed("mail")]
    await store.add(jobs)
    for job in await store.claim("me", 2**50, 2**51, 2):
        await store.park(job.id, "me", 1_800_000_000_000, f"no {job.kind}\x1b")
    await database.stop()
    return [job.id for job in jobs]


def test_what_was_given_up_is_listed_tried_again_and_discarded(
    tmp_path: Path, capsys: Captured
) -> None:
    environ = {"PACELINE_ENV": "development", "DATABASE_URL": f"sqlite:///{tmp_path / 'a.db'}"}
    hook, mail = asyncio.run(parked(environ["DATABASE_URL"]))

    assert run(["jobs", "list"], environ) == 0
    assert sorted(capsys.readouterr().out.splitlines()) == sorted(
        [
            f"{hook}  webhook shop  2027-01-15 08:00  1 attempt  no webhook\\x1b",
            f"{mail}  mail  2027-01-15 08:00  1 attempt  no mail\\x1b",
        ]
    )

    assert run(["jobs", "retry", hook], environ) == 0
    assert run(["jobs", "retry", hook], environ) == 1
    assert run(["jobs", "discard", "--all"], environ) == 0
    assert run(["jobs", "list"], environ) == 0
    out, err = capsys.readouterr()
    assert out == "1\n0\n1\n"
    assert err == "Some of these are no jobs that were given up.\n"


@pytest.mark.parametrize("arguments", [["retry"], ["discard"], ["discard", "--all", "x"]])
def test_which_ones_has_to_be_said(arguments: list[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as exit_:
        run(["jobs", *arguments], {})

    assert exit_.value.code == 2
