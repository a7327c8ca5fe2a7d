"""A worker is known for as long as it is there."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from gateway.workers.folder import FolderRegistry, RunDirectoryUnusable
from gateway.workers.settling import settled_among
from tests.gateway.workers.fleet import settings_of


async def test_a_worker_is_known_for_as_long_as_it_is_there(tmp_path: Path) -> None:
    settings = settings_of(tmp_path / "run", PACELINE_ADVERTISE_URL="http://a.example:1")
    settled = settled_among(settings, "aaaaaa", 1, None, lambda _: asyncio.Protocol(), print)
    async with settled as neighbourhood:
        (directory,) = (tmp_path / "run").iterdir()
        registry = FolderRegistry(directory)
        place = await registry.find("aaaaaa")
        await neighbourhood.leave()
        leaving = await registry.find("aaaaaa")

    assert place is not None
    assert leaving is not None
    assert (place.url, place.process_id) == ("http://a.example:1", os.getpid())
    assert (place.is_leaving, leaving.is_leaving) == (False, True)
    assert list(directory.iterdir()) == []


async def test_where_no_directory_is_to_be_had_there_is_no_worker(tmp_path: Path) -> None:
    (tmp_path / "run").touch()
    settled = settled_among(
        settings_of(tmp_path / "run"), "aaaaaa", 1, None, lambda _: asyncio.Protocol(), print
    )

    with pytest.raises(RunDirectoryUnusable):
        await settled.__aenter__()
