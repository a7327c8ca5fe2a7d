"""This module owns balancers for tests: those of deploy/, plain round robin, no sticky sessions.

Each runs the configuration that operators are given, with other addresses written into it.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, NamedTuple

from tests.toolbox import programs
from tests.toolbox.ports import free_port, wait_until_listening
from tests.toolbox.programs import REPOSITORY

_START_SECONDS: Final = 10.0
_SERVER: Final = "gateway-1:8080"  # as the configurations call the first worker


class _Kind(NamedTuple):
    program: Callable[[], Path]
    configuration: str
    public: str  # the configuration's words for where it listens
    listening: str  # and what stands there in a test
    arguments: tuple[str, ...]


KINDS: Final = {
    "haproxy": _Kind(
        programs.haproxy,
        "haproxy/haproxy.cfg",
        "bind :80",
        "bind 127.0.0.1:{port}",
        ("-db", "-f", "{file}"),
    ),
    "nginx": _Kind(
        programs.nginx,
        "nginx/nginx.conf",
        "listen 80;",
        "listen 127.0.0.1:{port};",
        ("-p", "{folder}", "-c", "{file}", "-e", "stderr", "-g", "daemon off;"),
    ),
    "caddy": _Kind(
        programs.caddy,
        "caddy/Caddyfile",
        ":80 {",
        "{{\n\tadmin off\n\tauto_https off\n}}\nhttp://127.0.0.1:{port} {{",
        ("run", "--adapter", "caddyfile", "--config", "{file}"),
    ),
}


class Balancer:
    """One of them on a free port of 127.0.0.1, in front of workers at (host, port)."""

    def __init__(
        self, folder: Path, workers: Iterable[tuple[str, int]], kind: str = "haproxy"
    ) -> None:
        self.port = free_port()
        self._kind = KINDS[kind]
        self._folder = folder / kind
        self._folder.mkdir(exist_ok=True)
        self._file = self._folder / Path(self._kind.configuration).name
        self._log = self._folder / "log"
        self._file.write_text(self._configuration([f"{host}:{port}" for host, port in workers]))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Return when it listens. Raises with what it says when it does not."""
        words = {"file": str(self._file), "folder": str(self._folder)}
        arguments = [argument.format(**words) for argument in self._kind.arguments]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._kind.program()), *arguments],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={"HOME": str(self._folder), "PATH": "/usr/sbin:/usr/bin:/bin"},
            )
        listens = wait_until_listening(self.port, _START_SECONDS)
        if not listens or self._process.poll() is not None:
            self.kill()
            raise RuntimeError(f"{self._kind.configuration}:\n{self._log.read_text()}")

    def kill(self) -> None:
        """End it, which resets all connections. Harmless when it is down already."""
        if self._process is not None:
            self._process.terminate()  # nginx has children that a SIGKILL would leave behind
            try:
                self._process.wait(2)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def _configuration(self, workers: list[str]) -> str:
        kind = self._kind
        text = (REPOSITORY / "deploy" / kind.configuration).read_text()
        assert text.count(kind.public) == 1, kind.public
        text = text.replace(kind.public, kind.listening.format(port=self.port))
        return _with_workers(text, workers)


def _with_workers(text: str, workers: list[str]) -> str:
    """The line of the first worker once for each, and none of the others; or all in one line."""
    if f"{_SERVER} gateway-2:8080" in text:
        return text.replace(f"{_SERVER} gateway-2:8080", " ".join(workers))
    lines: list[str] = []
    for line in text.splitlines():
        if _SERVER in line:
            lines += [
                line.replace(_SERVER, worker).replace("gateway-1", f"gateway-{number}")
                for number, worker in enumerate(workers, 1)
            ]
        elif not re.search(r"gateway-\d+:8080", line):
            lines.append(line)
    return "\n".join(lines) + "\n"
