"""This module owns the registry of one host: a file for each worker, in a private directory.

It needs no server, so workers of one host find each other at once, and also while Redis is away.
A worker holds a lock on its file for as long as it lives; the system lets go of it, come what may.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from pathlib import Path
from typing import Final

import msgspec
import structlog

from gateway.workers.place import WorkerPlace, is_worker_id

logger = structlog.get_logger(__name__)

# A socket's path has less than 104 bytes on macOS, 108 on Linux; its name and a slash have 12.
_DIRECTORY_PATH_LIMIT_BYTES: Final = 91
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(WorkerPlace).decode


class RunDirectoryUnusable(Exception):
    """Sockets cannot be put there; the message says why."""


def private_directory(path: Path) -> Path:
    """Make a directory that is this user's alone. Raises `RunDirectoryUnusable`.

    Whoever can write there could take other people's connections.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.lstat()
    except OSError as error:
        raise RunDirectoryUnusable(f"{path} cannot be made: {error.strerror}.") from error
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise RunDirectoryUnusable(f"{path} is not a directory of this user.")
    if status.st_mode & 0o077:
        raise RunDirectoryUnusable(f"{path} is open to others: chmod 700 it.")
    if len(os.fsencode(path)) > _DIRECTORY_PATH_LIMIT_BYTES:
        raise RunDirectoryUnusable(f"{path} is too long for a socket's path.")
    return path


class FolderRegistry:
    """Fulfils `Registry` among the processes that see the same directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._locks: dict[str, int] = {}  # descriptors of the files of workers of this process

    async def announce(self, place: WorkerPlace) -> None:
        """Write the file."""
        text = _encode(place)
        descriptor = self._locks.get(place.worker_id)
        if descriptor is None:
            self._locks[place.worker_id] = self._new_file(place.worker_id, text)
        else:
            # In place, since the lock is the file's; padded, so that nothing of the old is left.
            os.pwrite(descriptor, text.ljust(os.fstat(descriptor).st_size), 0)

    async def withdraw(self, worker_id: str) -> None:
        """Remove the file."""
        descriptor = self._locks.pop(worker_id, None)
        if descriptor is not None:
            self._path_of(worker_id).unlink(missing_ok=True)
            os.close(descriptor)

    async def find(self, worker_id: str) -> WorkerPlace | None:
        """Read the file; one of a worker that has died is removed."""
        if not is_worker_id(worker_id):
            return None
        path = self._path_of(worker_id)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            if worker_id not in self._locks and _is_free(descriptor):
                self._bury(path)
                return None
            return _decode(os.pread(descriptor, os.fstat(descriptor).st_size, 0))
        except msgspec.DecodeError as error:
            logger.warning("! a worker's file is not readable", path=str(path), why=str(error))
            return None
        finally:
            os.close(descriptor)

    async def all(self) -> list[WorkerPlace]:
        """Read all files."""
        places = [await self.find(path.stem) for path in self._directory.glob("*.json")]
        return [place for place in places if place is not None]

    def _new_file(self, worker_id: str, text: bytes) -> int:
        """A file that is locked and whole from the moment at which others see it."""
        path = self._path_of(worker_id)
        draft = path.with_suffix(".draft")
        descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.pwrite(descriptor, text, 0)
        draft.rename(path)
        return descriptor

    def _path_of(self, worker_id: str) -> Path:
        return self._directory / f"{worker_id}.json"

    def _bury(self, path: Path) -> None:
        logger.info("= worker found dead", dead_worker=path.stem)
        for leftover in (path, path.with_suffix(".sock")):
            with contextlib.suppress(OSError):
                leftover.unlink()


def _is_free(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True  # closing the descriptor lets go of it
