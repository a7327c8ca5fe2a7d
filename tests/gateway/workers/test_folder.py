"""The registry of one host: whose directory it is, and what the dead leave in it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.workers.folder import FolderRegistry, RunDirectoryUnusable, private_directory
from tests.gateway.workers.places import place_of
from tests.toolbox.programs import REPOSITORY

ANNOUNCE_AND_WAIT = """
import asyncio, sys
from pathlib import Path
from gateway.workers.folder import FolderRegistry
from tests.gateway.workers.places import place_of
registry = FolderRegistry(Path(sys.argv[1]))
asyncio.run(registry.announce(place_of("aaaaaa")))
print("announced", flush=True)
sys.stdin.read()
"""


def test_a_directory_is_made_for_its_user_alone(tmp_path: Path) -> None:
    directory = private_directory(tmp_path / "run")

    assert directory.stat().st_mode & 0o777 == 0o700
    assert private_directory(directory) == directory


def test_a_directory_that_others_may_enter_is_not_used(tmp_path: Path) -> None:
    directory = tmp_path / "run"
    directory.mkdir()
    directory.chmod(0o755)

    with pytest.raises(RunDirectoryUnusable, match="is open to others: chmod 700 it"):
        private_directory(directory)


def test_neither_is_one_that_somebody_has_put_there(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "file").touch(mode=0o700)

    with pytest.raises(RunDirectoryUnusable, match="is not a directory of this user"):
        private_directory(tmp_path / "link")
    with pytest.raises(RunDirectoryUnusable, match="cannot be made: File exists"):
        private_directory(tmp_path / "file")


def test_a_path_that_no_socket_can_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryUnusable, match="too long"):
        private_directory(tmp_path / ("a" * 100))


async def test_who_was_killed_is_found_dead_at_once_and_cleared_away(tmp_path: Path) -> None:
    directory = private_directory(tmp_path / "run")
    registry = FolderRegistry(directory)
    worker = subprocess.Popen(  # noqa: ASYNC220 - nothing else is waited for meanwhile
        [sys.executable, "-c", ANNOUNCE_AND_WAIT, str(directory)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"announced\n"
        (directory / "aaaaaa.sock").touch()
        alive = await registry.find("aaaaaa")
        worker.send_signal(signal.SIGKILL)
        worker.wait(20)

    assert alive == place_of("aaaaaa")
    assert await registry.find("aaaaaa") is None
    assert list(directory.iterdir()) == []


async def test_a_file_that_cannot_be_read_is_nobody(tmp_path: Path) -> None:
    directory = private_directory(tmp_path / "run")
    one, two = FolderRegistry(directory), FolderRegistry(directory)
    await one.announce(place_of("aaaaaa"))
    path = directory / "aaaaaa.json"
    path.write_bytes(b"{".ljust(path.stat().st_size))

    assert await two.find("aaaaaa") is None
    assert await two.all() == []
    await one.withdraw("aaaaaa")


async def test_the_files_are_their_user_s_alone(tmp_path: Path) -> None:
    directory = private_directory(tmp_path / "run")
    registry = FolderRegistry(directory)
    await registry.announce(place_of("aaaaaa"))

    assert (directory / "aaaaaa.json").stat().st_mode & 0o777 == 0o600
    await registry.withdraw("aaaaaa")
