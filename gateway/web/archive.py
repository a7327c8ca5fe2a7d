"""This module owns `/map.pmtiles`: an operator's file of tiles, which browsers read in ranges."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from aiohttp import web

PATH: Final = "/map.pmtiles"

# Another file under the same name has another ETag, by which the reader in the page begins anew.
_CACHED: Final = "public, max-age=3600"


class Archive:
    """Serves one file. It is opened anew for each request, so it may be replaced at any time."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def routes(self) -> list[web.RouteDef]:
        return [web.get(PATH, self.get)]

    async def get(self, request: web.Request) -> web.StreamResponse:  # noqa: ARG002 - aiohttp's signature
        """The part that `Range` names (RFC 9110, section 14); all of it without one."""
        headers = {"Cache-Control": _CACHED, "Content-Type": "application/vnd.pmtiles"}
        return web.FileResponse(self._file, headers=headers)
