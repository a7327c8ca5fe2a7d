"""This module owns how to see that nobody has written to SQLite, without asking it.

To ask takes a dozen trips to a thread and back, about 1.5 ms of processor time; to look at its two
files takes a few microseconds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, TypeAlias

# What the files were like: of each its inode, size, and when it was last written to.
Mark: TypeAlias = tuple[tuple[int, int, int], ...]

# A file system may keep times in steps of two seconds: what was written to just now may be written
# to once more without showing it.
_SETTLED_SECONDS: Final = 3.0


def mark_of(database: str, now_seconds: float) -> Mark | None:
    """What a database's files are like: while it stays the same, so does all that they say.

    None when that cannot be told, because they are not there or were written to just now.
    """
    try:
        files = [Path(database).stat(), Path(f"{database}-wal").stat()]
    except OSError:
        return None
    if now_seconds - max(file.st_mtime for file in files) < _SETTLED_SECONDS:
        return None
    return tuple((file.st_ino, file.st_size, file.st_mtime_ns) for file in files)
