"""The two doors of one worker."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest

from gateway.app import Gateway
from gateway.settings import Settings
from tests.toolbox import raw_socket

ENVIRON = {"PACELINE_ENV": "development", "PORT": "0"}


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a gateway may leave its database."""
    monkeypatch.chdir(tmp_path)


def settings(**changes: str) -> Settings:
    return Settings.from_env(ENVIRON | changes)


async def test_both_doors_lead_to_the_same_rooms() -> None:
    async with Gateway(settings()).running() as port:
        url = f"http://127.0.0.1:{port}"
        async with raw_socket.connected(url) as rider, aiohttp.ClientSession() as session:
            await rider.ask("join-room", '"paris"')
            body = {"event": "bike-update", "data": {"bike_id": "1"}}
            async with session.post(f"{url}/api/rooms/paris/events", json=body) as response:
                assert response.status == 200

            assert await rider.event() == '["bike-updated",{"bike_id": "1","roomId":"paris"}]'
