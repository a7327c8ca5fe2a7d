"""This module owns the live map in a real browser, as a test drives and judges it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from tests.toolbox import programs
from tests.toolbox.riders import RiderProcess

TIMEOUT_SECONDS = 60.0
_LOOK_SECONDS = 0.05


class MapPage:
    """One page in one browser of its own; `map_page` opens it."""

    def __init__(self, process: RiderProcess) -> None:
        self._process = process
        self._numbers = itertools.count(1)

    async def ready(self) -> Self:
        await self._line(lambda line: "ready" in line)
        return self

    async def do(self, **command: Any) -> Any:  # noqa: ANN401 - whatever the page answers
        """Give one command to `map-page.mjs` and return its answer; raises when it failed."""
        number = next(self._numbers)
        self._process.tell(json.dumps({"number": number, **command}))
        line = await self._line(lambda line: line.get("number") == number)
        assert "failure" not in line, line["failure"]
        return line["value"]

    async def evaluate(self, expression: str) -> Any:  # noqa: ANN401 - the same
        return await self.do(evaluate=expression)

    async def until(self, expression: str) -> Any:  # noqa: ANN401 - the same
        """The first value of a JavaScript expression that is true in JavaScript's sense."""
        value = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TIMEOUT_SECONDS):
                while not (value := await self.evaluate(expression)):  # noqa: ASYNC110 - the same
                    await asyncio.sleep(_LOOK_SECONDS)
        assert value, f"never true: {expression}"
        return value

    async def select(self, identity: str) -> None:
        """Choose a bike or a station by its identity, from the list."""
        await self.evaluate("void (document.querySelector('#list').open = true)")
        await self.do(fill="#find", text=identity)
        row = f"#rows button[data-id={json.dumps(identity)}]"
        await self.until(f"document.querySelector({json.dumps(row)})")
        await self.do(click=row)

    async def text(self, selector: str) -> str:
        """What a reader sees of an element."""
        return str(await self.evaluate(f"document.querySelector({json.dumps(selector)}).innerText"))

    @property
    def complaints(self) -> list[str]:
        """Errors and warnings on the console, and errors that nobody caught."""
        return [line["complaint"] for line in self._process.lines() if "complaint" in line]

    @property
    def hosts(self) -> set[str]:
        """Who was asked for anything, as host and port."""
        urls = [line["request"] for line in self._process.lines() if "request" in line]
        return {
            urlsplit(url).netloc for url in urls if urlsplit(url).scheme not in {"data", "blob"}
        }

    async def _line(self, is_it: Any) -> dict[str, Any]:  # noqa: ANN401 - a predicate of lines
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while True:
                for line in self._process.lines():
                    if is_it(line):
                        return line
                await asyncio.sleep(_LOOK_SECONDS)


@contextlib.contextmanager
def map_page(folder: Path, url: str, **options: object) -> Iterator[MapPage]:
    """Open the map at a URL; `options` are those of `map-page.mjs`. Await `ready` next."""
    number = len(list(folder.glob("page-*.jsonl")))
    command = ["map-page.mjs", url, str(programs.chromium()), json.dumps(options)]
    with RiderProcess(folder / f"page-{number}.jsonl", str(programs.node()), *command) as process:
        yield MapPage(process)
