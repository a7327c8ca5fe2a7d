"""This module owns the built files: in memory, with types, tags and compressed twins."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
from aiohttp import web

from gateway.codings import Coding, coding_for

INDEX: Final = "index.html"

# Each file with the suffix is the same content, smaller. Of those that a browser takes alike the
# first is sent.
_TWINS: Final[dict[Coding, str]] = {"br": ".br", "zstd": ".zst", "gzip": ".gz"}
_TYPES: Final = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".json": "application/json",
    ".mjs": "text/javascript",
    ".svg": "image/svg+xml",
}
_NAMED_BY_CONTENT: Final = "assets/"  # Vite puts a hash into the names of what lies there
_FOR_EVER: Final = "public, max-age=31536000, immutable"
_ASK_FIRST: Final = "no-cache"


class BuiltFile(msgspec.Struct, frozen=True):
    """One file as it is sent: `bodies` by content coding, of which "identity" is always there."""

    content_type: str
    tag: str
    cache_control: str
    bodies: Mapping[str, bytes]

    def response_to(self, request: web.Request, headers: Mapping[str, str]) -> web.Response:
        """The file in the smallest form that the client takes; 304 when it has it already."""
        offered = tuple(coding for coding in _TWINS if coding in self.bodies)
        coding = coding_for(request.headers.get("Accept-Encoding", ""), offered) or "identity"
        # another form of the same content is another representation: RFC 9110, section 8.8.3.3
        tag = self.tag if coding == "identity" else f"{self.tag}-{coding}"
        told = {**headers, "Cache-Control": self.cache_control, "Vary": "Accept-Encoding"}
        known = request.if_none_match or ()
        if any(each.value in {tag, "*"} for each in known):
            response = web.Response(status=304, headers=told)
        else:
            if coding != "identity":
                told["Content-Encoding"] = coding
            response = web.Response(body=self.bodies[coding], headers=told)
            response.content_type = self.content_type
            if self.content_type.startswith("text/"):
                response.charset = "utf-8"
        response.etag = tag
        return response


def built_files(folder: Path) -> dict[str, BuiltFile]:
    """Every file below a folder by its path from there; nothing when the folder is not there."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix in _TYPES)
    return {path.relative_to(folder).as_posix(): _read(path, folder) for path in paths}


def _read(path: Path, folder: Path) -> BuiltFile:
    bodies: dict[str, bytes] = {"identity": path.read_bytes()}
    for coding, suffix in _TWINS.items():
        twin = path.with_name(path.name + suffix)
        if twin.exists():
            bodies[coding] = twin.read_bytes()
    name = path.relative_to(folder).as_posix()
    return BuiltFile(
        content_type=_TYPES[path.suffix],
        tag=hashlib.sha256(bodies["identity"]).hexdigest()[:20],
        cache_control=_FOR_EVER if name.startswith(_NAMED_BY_CONTENT) else _ASK_FIRST,
        bodies=bodies,
    )
