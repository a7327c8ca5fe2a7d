"""The four-line program in Python: `four_line_client.py URL TRANSPORTS NAME ROOM`.

The same as four-line-client.mjs beside it, with python-socketio: it joins, tells the room about
its bike again and again, and prints one JSON object a line. It ends with its standard input.
"""

import asyncio
import itertools
import json
import sys

import socketio

PAUSE_SECONDS = 0.1


async def ride_forever(url: str, transports: str, name: str, room_id: str) -> None:
    client = socketio.AsyncClient()

    def received(update: object) -> None:
        report(name, received=update, transport=client.transport())

    client.on("bike-updated", received)
    client.on("disconnect", lambda reason: report(name, disconnected=reason))
    await client.connect(url, transports=None if transports == "default" else [transports])
    await client.emit("join-room", room_id)
    for number in itertools.count(1):
        nested = {"list": [1, "two", None, True, {}], "ключ 🚲": '\u2028 "quoted" \\ \n'}
        place = {"lat": 48.8566, "lon": 2.3522, "speed": 0.1 + 0.2}
        bike = {"roomId": room_id, "bikeId": f"bike of {name}", "number": number}
        update = bike | place | {"nested": nested}
        report(name, sent=update)
        await client.emit("bike-update", update)
        await asyncio.sleep(PAUSE_SECONDS)


def report(name: str, **what: object) -> None:
    print(json.dumps({"name": name} | what), flush=True)


async def main() -> None:
    url, transports, name, room_id = sys.argv[1:]
    riding = asyncio.create_task(ride_forever(url, transports, name, room_id))
    end_of_input = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    done, _ = await asyncio.wait({riding, end_of_input}, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
    riding.cancel()


if __name__ == "__main__":
    asyncio.run(main())
