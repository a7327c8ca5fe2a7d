"""A gateway's publish route that keeps what it got: the wire contract, without rooms behind it."""

from __future__ import annotations

from collections import deque
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.test_utils import TestServer

from protocol.bikes import key_of, own_time_ms
from protocol.cursor import Cursor

Update = dict[str, Any]


class Request(msgspec.Struct):
    room: str
    key: str | None
    authorization: str | None
    updates: list[Update]
    size_bytes: int


class RecordingGateway:
    """Records requests, and settles updates as the contract says: patches, and newer wins.

    Answers set in `answers` are given first, one per request (None: a normal answer).
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.bikes: dict[str, Update] = {}
        self.removed: list[str] = []
        self.stale: list[Update] = []
        self.answers: deque[web.Response | None] = deque()
        self.refused: dict[str, str] = {}  # key of an update -> code
        self.epoch = "one"
        self.body_limit_bytes = 1024 * 1024
        self._times: dict[str, int] = {}
        self._receipts: dict[str, bytes] = {}
        self._server: TestServer | None = None

    @property
    def updates(self) -> list[Update]:
        return [update for request in self.requests for update in request.updates]

    @property
    def url(self) -> str:
        assert self._server is not None
        return str(self._server.make_url("")).rstrip("/")

    async def start(self) -> None:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/api/rooms/{room}/events", self._publish)
        self._server = TestServer(app)
        await self._server.start_server()

    async def stop(self) -> None:
        assert self._server is not None
        await self._server.close()

    def forget(self) -> None:
        """Be a gateway that was started anew."""
        self.epoch += "x"
        self.bikes.clear()
        self._times.clear()
        self._receipts.clear()

    async def _publish(self, request: web.Request) -> web.Response:
        body = await request.read()
        events = msgspec.json.decode(body)
        assert all(event["event"] == "bike-update" for event in events)
        updates = [event["data"] for event in events]
        key = request.headers.get("Idempotency-Key")
        room = request.match_info["room"]
        authorization = request.headers.get("Authorization")
        self.requests.append(Request(room, key, authorization, updates, len(body)))
        answer = self.answers.popleft() if self.answers else None
        if answer is not None:
            return answer
        if len(body) > self.body_limit_bytes:
            return error_response(413, "TOO_LARGE")
        if key is None or key not in self._receipts:
            items = [self._settle(update) for update in updates]
            accepted = sum("error" not in item for item in items)
            self._receipts[key or ""] = msgspec.json.encode(
                {"data": items, "meta": {"accepted": accepted, "repeated": 0, "superseded": 0}}
            )
        return web.Response(body=self._receipts[key or ""], content_type="application/json")

    def take(self, updates: list[Update]) -> None:
        """Settle updates that came by another way than HTTP."""
        for update in updates:
            self._apply(key_of(update) or "", update, own_time_ms(update))

    def _settle(self, update: Update) -> Update:
        key = key_of(update)
        assert key is not None
        if key in self.refused:
            return {"error": {"code": self.refused[key], "message": "no"}}
        self._apply(key, update, own_time_ms(update))
        cursor = Cursor(self.epoch, len(self.requests), 0)
        return {"roomId": self.requests[-1].room, "cursor": str(cursor)}

    def _apply(self, key: str, update: Update, time_ms: int | None) -> None:
        known_ms = self._times.get(key, 0)
        is_gone = key not in self.bikes and key in self._times
        if time_ms is not None and (time_ms < known_ms or (is_gone and time_ms == known_ms)):
            self.stale.append(update)
            return
        self._times[key] = known_ms if time_ms is None else time_ms
        if update.get("op") == "remove":
            self.bikes.pop(key, None)
            self.removed.append(key)
            return
        merged = {**self.bikes.get(key, {}), **update}
        self.bikes[key] = {name: value for name, value in merged.items() if value is not None}


def error_response(status: int, code: str, headers: dict[str, str] | None = None) -> web.Response:
    body = msgspec.json.encode({"error": {"code": code, "message": "as the test wants it"}})
    return web.Response(
        status=status, body=body, content_type="application/json", headers=headers or {}
    )
