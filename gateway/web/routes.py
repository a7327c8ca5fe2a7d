"""This module owns which URLs the live map has on this gateway, as its settings say."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from aiohttp import web

from gateway.settings import Settings
from gateway.web import archive
from gateway.web.archive import Archive
from gateway.web.pages import PageConfig, Pages

_ROOM_OF_DEVELOPMENT: Final = "city:demo"  # where the demo fleet rides


def page_routes_of(settings: Settings) -> list[web.RouteDef]:
    """The page, its files, and an operator's streets if they lie in a file here."""
    room = settings.map_room or (_ROOM_OF_DEVELOPMENT if settings.is_development else None)
    streets = settings.map_pmtiles
    file = None if streets is None or "://" in streets else Path(streets)
    config = PageConfig(
        room=room,
        tiles_url=settings.map_tiles_url,
        pmtiles_url=streets if file is None else archive.PATH.removeprefix("/"),
        attribution=settings.map_attribution,
    )
    routes = Pages(config).routes()
    return routes if file is None else [*routes, *Archive(file).routes()]
