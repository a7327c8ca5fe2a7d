"""This module owns the URLs of the pages, `/` and `/ops`: their files, what the map must know."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
from aiohttp import web
from yarl import URL

from gateway.web.files import INDEX, built_files

BUILT: Final = Path(__file__).resolve().parent / "built"
# MapLibre draws icons from blobs and its style sheet has images in data: URLs.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self';"
    " img-src 'self' data: blob:{others}; connect-src 'self'{others}; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'"
)
# The operations page loads nothing but itself, and is not told where the reader is.
_POLICY_OF_OPERATIONS: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_OPERATIONS: Final = "ops.html"
_NOT_BUILT: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Paceline</title>
<h1>The gateway runs; its page was not built</h1>
<p>Sockets and the HTTP interface work. In a clone, <code>make run</code> builds the page when it
finds Node 20.19 or newer with npm, or can fetch them from PyPI; it says what was missing.
Distributions of Paceline carry the page with them.</p>
</html>
"""


class PageConfig(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """What `/map.json` tells the page: the room to begin with, and an operator's own tiles."""

    room: str | None = None
    tiles_url: str | None = None
    pmtiles_url: str | None = None
    attribution: str | None = None


class Pages:
    """Serves what lies in a folder of built files, read once at the start."""

    def __init__(self, config: PageConfig, folder: Path = BUILT) -> None:
        self._files = built_files(folder)
        self._config = msgspec.json.encode({"data": config})
        urls = (config.tiles_url, config.pmtiles_url)
        others = {f" {origin_of(url)}" for url in urls if url and url.startswith("http")}
        self._headers = {
            "Content-Security-Policy": _POLICY.format(others="".join(sorted(others))),
            "Cross-Origin-Opener-Policy": "same-origin",
            "Permissions-Policy": "geolocation=(self), camera=(), microphone=()",
            "Referrer-Policy": "no-referrer",
        }
        self._headers_of_operations = {
            **self._headers,
            "Content-Security-Policy": _POLICY_OF_OPERATIONS,
            "Permissions-Policy": "geolocation=(), camera=(), microphone=()",
        }

    def routes(self) -> list[web.RouteDef]:
        """Every URL of the page."""
        return [
            web.get("/", self.index),
            web.get("/ops", self.operations),
            web.get("/map.json", self.config),
            web.get("/icon.svg", self.file),
            web.get("/assets/{name}", self.file),
        ]

    async def index(self, request: web.Request) -> web.Response:
        """The page; where it was not built, how to get it."""
        return self._page(INDEX, request, self._headers)

    async def operations(self, request: web.Request) -> web.Response:
        """The operations page; whoever may not operate gets no further than to its door."""
        return self._page(_OPERATIONS, request, self._headers_of_operations)

    def _page(self, name: str, request: web.Request, headers: Mapping[str, str]) -> web.Response:
        built = self._files.get(name)
        if built is None:
            return web.Response(
                status=503, text=_NOT_BUILT, content_type="text/html", headers=headers
            )
        return built.response_to(request, headers)

    async def file(self, request: web.Request) -> web.Response:
        """A file beside the page; only what was there at the start, whatever the path says."""
        built = self._files.get(request.path.removeprefix("/"))
        if built is None:
            raise web.HTTPNotFound
        return built.response_to(request, self._headers)

    async def config(self, request: web.Request) -> web.Response:  # noqa: ARG002 - aiohttp's signature
        """What the page asks for before it connects."""
        return web.Response(
            body=self._config,
            content_type="application/json",
            headers={"Cache-Control": "no-cache"},
        )


def origin_of(tiles_url: str) -> str:
    """Where tiles come from, as a Content-Security-Policy names it: scheme, host and port."""
    return str(URL(tiles_url.replace("{", "").replace("}", "")).origin())
