"""This module owns how to see that nobody has written to SQLite, without asking it.

To ask takes a dozen trips to a thread and back, about 1.5 ms of processor time; to look at its two
files takes a few microseconds.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, TypeAlias

# In which half minute it was made; and of each file its inode, size, and when it was written to.
Mark: TypeAlias = tuple[int, tuple[int, int, int], tuple[int, int, int]]

# A file system may keep times in steps of two seconds: what was written to just now may be written
# to once more without showing it.
_SETTLED_SECONDS: Final = 3.0
# Nothing is believed for longer, whatever a file system or a clock may be up to.
_TRUSTED_SECONDS: Final = 30


def mark_of(database: str, now_seconds: float) -> Mark | None:
    """What a database's files are like: while it stays the same, so does all that they say.

    It differs every half minute in any case. None when nothing can be told, because they are not
    there or were written to just now.
    """
    try:
        pages, log = Path(database).stat(), Path(f"{database}-wal").stat()
    except OSError:
        return None
    if now_seconds - max(pages.st_mtime, log.st_mtime) < _SETTLED_SECONDS:
        return None
    return int(now_seconds) // _TRUSTED_SECONDS, _looks_of(pages), _looks_of(log)


def _looks_of(file: os.stat_result) -> tuple[int, int, int]:
    return file.st_ino, file.st_size, file.st_mtime_ns
