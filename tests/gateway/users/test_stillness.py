from __future__ import annotations

import os
from pathlib import Path

from gateway.users.stillness import mark_of

NOW_SECONDS = 1_800_000_000.0
LONG_AGO_SECONDS = NOW_SECONDS - 60


def written(path: Path, content: bytes, at_seconds: float) -> None:
    path.write_bytes(content)
    os.utime(path, (at_seconds, at_seconds))


def database_in(folder: Path) -> str:
    written(folder / "users.db", b"pages", LONG_AGO_SECONDS)
    written(folder / "users.db-wal", b"frames", LONG_AGO_SECONDS)
    return str(folder / "users.db")


def test_while_nobody_writes_the_mark_stays_the_same(tmp_path: Path) -> None:
    database = database_in(tmp_path)

    assert mark_of(database, NOW_SECONDS) is not None
    assert mark_of(database, NOW_SECONDS) == mark_of(database, NOW_SECONDS + 10)


def test_no_mark_is_believed_for_a_minute(tmp_path: Path) -> None:
    database = database_in(tmp_path)

    assert mark_of(database, NOW_SECONDS) != mark_of(database, NOW_SECONDS + 60)


def test_what_is_written_to_either_file_shows(tmp_path: Path) -> None:
    for name in ("users.db", "users.db-wal"):
        database = database_in(tmp_path)
        before = mark_of(database, NOW_SECONDS)
        content = (tmp_path / name).read_bytes()
        written(tmp_path / name, content, LONG_AGO_SECONDS + 1)  # of the same size

        assert mark_of(database, NOW_SECONDS) not in {None, before}


def test_what_was_written_to_just_now_has_no_mark(tmp_path: Path) -> None:
    database = database_in(tmp_path)

    assert mark_of(database, LONG_AGO_SECONDS + 1) is None
    assert mark_of(database, LONG_AGO_SECONDS - 1000) is None, "the clock was set back"


def test_files_that_are_not_there_have_no_mark(tmp_path: Path) -> None:
    database = database_in(tmp_path)
    (tmp_path / "users.db-wal").unlink()

    assert mark_of(database, NOW_SECONDS) is None
    assert mark_of("", NOW_SECONDS) is None
