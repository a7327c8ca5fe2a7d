"""This module owns what processes cost: their CPU seconds and resident bytes, from /proc."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Final

import msgspec

_TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


class Usage(msgspec.Struct, frozen=True):
    """CPU seconds since the start of the processes, and their memory now."""

    user_seconds: float = 0.0
    system_seconds: float = 0.0
    resident_bytes: int = 0
    waited_seconds: float = 0.0
    """Ready to run while something else had the core: what a busy machine takes from a run."""

    @property
    def cpu_seconds(self) -> float:
        return self.user_seconds + self.system_seconds


def usage_of(*pids: int) -> Usage:
    """The usage of processes and their living descendants; zeros for one gone or unknown (0)."""
    user = system = resident = waited = 0.0
    for pid in pids:
        for member in _family_of(pid):
            ticks = _ticks_of(member)
            user, system = user + ticks[0], system + ticks[1]
            resident += resident_bytes_of(member)
            waited += waited_seconds_of(member)
    return Usage(user / _TICKS_PER_SECOND, system / _TICKS_PER_SECOND, int(resident), waited)


def waited_seconds_of(pid: int) -> float:
    """The time that the threads of `pid` stood in the queue of their core; 0 if not recorded."""
    waited_ns = 0
    for thread in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            waited_ns += int(thread.read_text(encoding="ascii").split()[1])
        except (OSError, IndexError):
            continue
    return waited_ns / 1e9


def resident_bytes_of(pid: int) -> int:
    """Resident bytes by smaps_rollup, which is exact; by statm where the kernel lacks it."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Rss:"):
                return int(line.split()[1]) * 1024
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * _PAGE_BYTES
    except OSError:
        return 0


def _ticks_of(pid: int) -> tuple[int, int]:
    # The name of the program stands in parentheses and may hold spaces, so the fields are counted
    # after it.
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return 0, 0
    return int(fields[11]) + int(fields[13]), int(fields[12]) + int(fields[14])


def _family_of(pid: int) -> list[int]:
    """`pid` and its descendants.

    By one look at every process: not all kernels offer /proc/PID/task/*/children.
    """
    if not pid:
        return []
    parents = {int(entry.name): _parent_of(entry) for entry in Path("/proc").glob("[0-9]*")}
    family = [pid]
    for member in family:
        family += [child for child, parent in parents.items() if parent == member]
    return family


def _parent_of(entry: Path) -> int:
    try:
        return int((entry / "stat").read_text(encoding="ascii").rpartition(")")[2].split()[1])
    except OSError:
        return 0


@cache
def cores_at_start() -> tuple[int, frozenset[int]]:
    """The core for the server and those for the load, of those allowed when first asked.

    On a single core both share it.
    """
    first, *rest = sorted(os.sched_getaffinity(0))
    return first, frozenset(rest or [first])
