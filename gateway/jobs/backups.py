"""This module owns scheduled backups: one file a period, and only so many of them."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import msgspec
import structlog

from gateway.jobs.work import JobFailed, Periodic, Work
from gateway.users.job import Job

logger = structlog.get_logger(__name__)

_NAME: Final = re.compile(r"paceline-\d{8}T\d{6}Z\.backup")
_LIMIT_SECONDS: Final = 3600.0


class Backups:
    """Backups in one folder. Whoever does a period's once more writes the same file anew."""

    def __init__(
        self, write: Callable[[Path], Awaitable[object]], folder: Path, hours: float, keep: int
    ) -> None:
        self._write = write
        self._folder = folder
        self._hours = hours
        self._keep = keep

    def periodic(self) -> Periodic:
        """The work that comes again and again."""
        return Periodic(
            name="backup",
            every_seconds=self._hours * 3600,
            work=Work(
                run=self._run, limit_seconds=_LIMIT_SECONDS, attempts=8, first_wait_seconds=30.0
            ),
        )

    async def _run(self, job: Job) -> None:
        at = dt.datetime.fromtimestamp(msgspec.json.decode(job.body)["at_ms"] / 1000, dt.UTC)
        path = self._folder / f"paceline-{at:%Y%m%dT%H%M%SZ}.backup"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            await self._write(path)
            self._forget_old()
        except OSError as error:
            raise JobFailed(f"{error.filename or path}: {error.strerror}.") from error
        logger.info("= backed up", file=str(path))

    def _forget_old(self) -> None:
        """Names are in order of time; files of other names are none of ours."""
        ours = sorted(path for path in self._folder.iterdir() if _NAME.fullmatch(path.name))
        for path in ours[: -self._keep]:
            path.unlink(missing_ok=True)
