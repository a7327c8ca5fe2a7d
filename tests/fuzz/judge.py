"""This module owns the question what JavaScript makes of a text: one Node, asked over a pipe."""

from __future__ import annotations

import base64
import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.toolbox import programs


class Judge:
    """The official parser and `JSON.parse`, one question at a time."""

    def __init__(self, node: subprocess.Popen[bytes]) -> None:
        assert node.stdin is not None
        assert node.stdout is not None
        self._questions, self._answers = node.stdin, node.stdout

    def verdict_on_json(self, text: bytes) -> str:
        """`fine`, `odd` when a number or a text is not what was written, else `broken`."""
        return str(self._ask(b"json", text, 0)["verdict"])

    def packet(self, text: bytes, attachments: int = 0) -> dict[str, Any]:
        """Type, nsp, id and data as the official client has them, or its error."""
        return self._ask(b"packet", text, attachments)

    def _ask(self, question: bytes, text: bytes, number: int) -> dict[str, Any]:
        self._questions.write(b"%b %b %d\n" % (question, base64.b64encode(text), number))
        self._questions.flush()
        answer: dict[str, Any] = json.loads(self._answers.readline())
        return answer


@contextlib.contextmanager
def judging() -> Iterator[Judge]:
    """A judge for as long as the context is open."""
    script = Path(__file__).with_name("judge.mjs")
    with subprocess.Popen(
        [str(programs.node()), str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as node:
        try:
            judge = Judge(node)
            judge.verdict_on_json(b"[]")  # so that whoever counts seconds does not count its start
            yield judge
        finally:
            assert node.stdin is not None
            node.stdin.close()
