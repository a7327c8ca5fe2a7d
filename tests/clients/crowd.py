"""Many bare clients of default transports in one process: `crowd.py URL COUNT`.

The same as crowd.mjs beside it, with python-socketio. Prints one JSON object a line for whatever
happens to any of them. It ends with its standard input.
"""

import asyncio
import json
import os
import sys
import time

import socketio


async def take_part(url: str, name: int) -> None:
    client = socketio.AsyncClient()

    client.on("connect", lambda: report(name, connected=client.eio.sid))
    client.on("connect_error", lambda error: report(name, error=str(error)))
    client.on("disconnect", lambda reason: report(name, disconnected=reason))
    client.on("goodbye", lambda body: report(name, goodbye=body, at=int(time.time() * 1000)))
    try:
        await client.connect(url)
    except socketio.exceptions.ConnectionError as error:
        report(name, error=str(error))
        return
    # It changes to a WebSocket before it says that it is connected.
    report(name, upgraded=client.transport(), id=client.eio.sid)


def report(name: int, **what: object) -> None:
    print(json.dumps({"name": name} | what), flush=True)


async def main() -> None:
    url, count = sys.argv[1:]
    parts = [asyncio.create_task(take_part(url, name)) for name in range(int(count))]
    await asyncio.to_thread(sys.stdin.read)
    assert parts
    os._exit(0)  # like a program that is closed: hundreds of goodbyes would only take time


if __name__ == "__main__":
    asyncio.run(main())
