"""Scheduled backups."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from gateway.backends import Stores
from gateway.jobs.backups import Backups
from gateway.jobs.work import JobFailed
from gateway.users.backup import restore_backup
from gateway.users.database import Database
from gateway.users.job import Job
from gateway.users.sql import SqlUserStore
from tests.gateway.users.people import NOW_MS, person

HOUR_MS = 3_600_000


def of_hour(hour: int) -> Job:
    at_ms = NOW_MS + hour * HOUR_MS
    return Job(
        id=f"backup-{hour}",
        kind="backup",
        lane="backup",
        body=f'{{"at_ms":{at_ms}}}',
        run_at_ms=at_ms,
        created_at_ms=at_ms,
        attempts=1,
    )


async def test_a_backup_holds_everybody_and_the_newest_few_are_kept(
    stores: Stores, database: Database, tmp_path: Path
) -> None:
    folder = tmp_path / "new" / "backups"
    run = Backups(stores.write_backup, folder, hours=1.0, keep=2).periodic().work.run
    await SqlUserStore(database).save(person(1))
    for hour in (0, 1, 1, 2):  # the second one is done twice
        await run(of_hour(hour))
    (folder / "paceline-of-mine.backup").write_text("keep this")
    await run(of_hour(3))

    names = sorted(path.name for path in folder.iterdir())
    assert names == [
        "paceline-20270115T100000Z.backup",
        "paceline-20270115T110000Z.backup",
        "paceline-of-mine.backup",
    ]
    assert stat.S_IMODE((folder / names[1]).stat().st_mode) == 0o600
    restored = Database(f"sqlite:///{tmp_path / 'restored.db'}")
    with (folder / names[1]).open("rb") as file:
        assert (await restore_backup(restored, file))["users"] == 1
    await restored.stop()


async def test_a_folder_that_cannot_be_written_is_named(stores: Stores, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    run = Backups(stores.write_backup, tmp_path / "file" / "x", 1.0, 2).periodic().work.run

    with pytest.raises(JobFailed, match=r"file/x: Not a directory\."):
        await run(of_hour(0))
