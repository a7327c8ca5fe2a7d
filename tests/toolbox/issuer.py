"""This module owns an issuer of tokens for tests: it publishes its keys, and may take its time."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt

from tests.toolbox.forgery import Jwk, PrivateKey, another_key, jwk_of


class Issuer:
    """Serves `keys` as a JWKS in a thread of its own, while `may_answer` is set."""

    def __init__(self) -> None:
        self._keys: dict[str, PrivateKey] = {}
        self.may_answer = threading.Event()
        self.was_asked = threading.Event()
        self.may_answer.set()
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.was_asked.set()
                issuer.may_answer.wait(10)
                body = issuer.document()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - its base's own
                """Quietly."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/jwks.json"

    def rotate(self, kid: str) -> None:
        """Publish one new key and no other."""
        self._keys = {kid: another_key("EdDSA")}

    def document(self) -> bytes:
        keys: list[Jwk] = [jwk_of(key, kid) for kid, key in self._keys.items()]
        return json.dumps({"keys": keys}).encode()

    def token(self, subject: str, lifetime_seconds: float = 3600) -> str:
        """A token of a rider, signed with the present key."""
        ((kid, key),) = self._keys.items()
        claims = {"sub": subject, "exp": int(time.time() + lifetime_seconds), "role": "rider"}
        return jwt.encode(claims, key, algorithm="EdDSA", headers={"kid": kid})

    def close(self) -> None:
        self.may_answer.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
