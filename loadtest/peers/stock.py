"""This module owns the comparison server in stock python-socketio.

It is written the way the library's documentation writes it; nothing is tuned but what every
production deployment turns off (the request log). Environment: PORT, JWT_SECRET, and REDIS_URL for
one of several workers.
"""

from __future__ import annotations

import os
from typing import cast

import jwt
import socketio
import uvloop
from aiohttp import web

Payload = dict[str, object]


def room_of(argument: object) -> str:
    """join-room takes the name of the room, or an object that holds it."""
    return str(cast("Payload", argument)["roomId"]) if isinstance(argument, dict) else str(argument)


def application_of(secret: str) -> web.Application:
    url = os.environ.get("REDIS_URL")
    manager = socketio.AsyncRedisManager(url) if url else None
    server = socketio.AsyncServer(async_mode="aiohttp", client_manager=manager)

    async def connect(sid: str, _environ: Payload, auth: Payload | None) -> None:
        try:
            claims = jwt.decode(str((auth or {}).get("token")), secret, algorithms=["HS256"])
        except jwt.InvalidTokenError as error:
            raise socketio.exceptions.ConnectionRefusedError("unauthorized") from error
        await server.save_session(sid, {"subject": claims["sub"]})

    async def join_room(sid: str, argument: object) -> Payload:
        await server.enter_room(sid, room_of(argument))
        return {"data": {"roomId": room_of(argument)}}

    async def bike_update(sid: str, data: Payload) -> Payload:
        await server.emit("bike-updated", data, room=room_of(data), skip_sid=sid)
        return {"data": {"roomId": data["roomId"]}}

    server.on("connect", connect)
    server.on("join-room", join_room)
    server.on("bike-update", bike_update)
    application = web.Application()
    server.attach(application)
    return application


def main() -> None:
    # uvloop, as the gateway has it: what is compared is the servers, not the loops.
    uvloop.install()
    web.run_app(
        application_of(os.environ["JWT_SECRET"]), host="127.0.0.1",
        port=int(os.environ["PORT"]), access_log=None,
        print=None,
    )  # fmt: skip


if __name__ == "__main__":
    main()
