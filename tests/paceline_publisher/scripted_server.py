"""This module owns an HTTP server that answers as its test has written, and notes requests."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, dict[str, str], str]
Script = Callable[[list[dict[str, Any]]], Answer | None]


class ScriptedServer:
    """`requests` are the events of each request; an answer of None closes the connection."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        self.requests: list[list[dict[str, Any]]] = []
        self.connections = 0
        self.authorizations: list[str | None] = []


def taken(events: list[dict[str, Any]]) -> Answer:
    """Every event has its place."""
    told = [{"roomId": "r", "cursor": event["idempotencyKey"]} for event in events]
    return 200, {}, json.dumps({"data": told})


@contextlib.contextmanager
def scripted(*answers: Script) -> Iterator[ScriptedServer]:
    """The answers one after the other, and `taken` when there are no more."""
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            told.connections += 1

        def do_POST(self) -> None:
            events = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            told.requests.append(events)
            told.authorizations.append(self.headers["Authorization"])
            answer = (left.pop(0) if left else taken)(events)
            if answer is None:
                self.close_connection = True
                return
            status, headers, body = answer
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body.encode())), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing: a test's output is for what went wrong."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    told = ScriptedServer(server)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
