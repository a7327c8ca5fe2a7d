"""A door with a provider behind it, and a browser in front."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_aiohttp import AiohttpServer

from tests.gateway.openid.hostile import (
    CLIENT_ID,
    CLIENT_SECRET,
    HostileProvider,
)
from tests.gateway.rest.conftest import PRODUCTION, Door, OpenDoor
from tests.gateway.rest.sign_in.browser import Browser, OpenWith


@pytest.fixture
async def provider(aiohttp_server: AiohttpServer) -> HostileProvider:
    provider = HostileProvider()
    server = await aiohttp_server(provider.application)
    provider.issuer = f"http://127.0.0.1:{server.port}"
    return provider


@pytest.fixture
def open_with(open_door: OpenDoor, provider: HostileProvider, tmp_path: Path) -> OpenWith:
    """A door with the provider under two names; lines of TOML and settings may be added."""

    async def open_(*lines: str, **environ: str) -> Door:
        config = tmp_path / "paceline.toml"
        table = [f'issuer = "{provider.issuer}"', f'client_id = "{CLIENT_ID}"', *lines]
        config.write_text(
            "\n".join(
                line
                for name in ("here", "there")
                for line in ("[[provider]]", f'name = "{name}"', *table)
            )
        )
        settings = {
            "PACELINE_CONFIG": str(config),
            "PACELINE_PUBLIC_URL": "http://127.0.0.1:8080",
            "PACELINE_CLIENT_SECRET_HERE": CLIENT_SECRET,
            "PACELINE_CLIENT_SECRET_THERE": CLIENT_SECRET,
        }
        return await open_door(PRODUCTION | settings | environ)

    return open_


@pytest.fixture
async def door(open_with: OpenWith) -> Door:
    return await open_with()


@pytest.fixture
def browser(door: Door, provider: HostileProvider) -> Browser:
    return Browser(door, provider)
