"""This module owns scripts that run inside Redis: read once, known there by their digest."""

from __future__ import annotations

import hashlib
from importlib.resources import files


class Script:
    """A Lua script. Files are joined in the order given; the first begins with its flags."""

    def __init__(self, package: str, *names: str) -> None:
        folder = files(package)
        self.source = "".join((folder / name).read_text(encoding="utf-8") for name in names)
        # How Redis names it; nothing is kept secret by it.
        self.digest = hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()
