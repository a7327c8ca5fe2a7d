"""What a newcomer does first, as the documents tell it; and a fleet through the real doors."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import msgspec
import pytest

from gateway.feeds.bridge import Bridge
from gateway.feeds.options import BridgeOptions
from gateway.feeds.progress import LineProgress
from tests.conftest import StartGateway
from tests.gateway.feeds import system
from tests.gateway.feeds.feed_server import FeedServer
from tests.toolbox import documents, programs, raw_socket
from tests.toolbox.documents import Block
from tests.toolbox.gateway_process import GatewayProcess
from tests.toolbox.programs import REPOSITORY

pytestmark = pytest.mark.journey

USUAL_URL = "http://127.0.0.1:8080"
DOCS = REPOSITORY / "docs"
TUTORIAL = DOCS / "tutorial" / "first-bike.md"
PROGRAMS = Path(sys.executable).parent
BLOCK_SECONDS = 60.0
BACKGROUND_SECONDS = 20.0

RUNNABLE = [
    document
    for document in [REPOSITORY / "README.md", *sorted(DOCS.rglob("*.md"))]
    if any(block.language in {"sh", "python"} for block in documents.marked_blocks(document))
]


@pytest.fixture
def gateway(start_gateway: StartGateway) -> GatewayProcess:
    return start_gateway()


# ---- what the documents show


@pytest.mark.parametrize(
    "document", RUNNABLE, ids=lambda document: str(document.relative_to(REPOSITORY))
)
def test_what_a_document_shows_works_as_it_is_written(
    gateway: GatewayProcess, tmp_path: Path, document: Path
) -> None:
    with contextlib.ExitStack() as background:
        for block in documents.marked_blocks(document):
            if block.name is not None:
                background.enter_context(_running(gateway, block, tmp_path / block.name))
            elif block.language in {"sh", "python"}:
                done = _run(gateway, block)
                assert done.returncode == 0, f"{block.text}\n{done.stdout}\n{done.stderr}"


def test_the_tutorial_shows_what_it_says_it_shows(gateway: GatewayProcess, tmp_path: Path) -> None:
    watch, *commands = documents.marked_blocks(TUTORIAL)
    arrive, ride, leave = commands
    seen = tmp_path / "watch.py.out"
    with _running(gateway, watch, tmp_path / "watch.py"):
        assert _lines(seen, 1) == ["joined  0 bikes are here already"]
        _run(gateway, arrive)
        first = _lines(seen, 2)[1]
        assert first.startswith("moved   {'bike_id': 'mine'")
        assert "'bell': 'ding'" in first
        _run(gateway, ride)
        assert len(_lines(seen, 5)) == 5
    with _running(gateway, watch, tmp_path / "watch.py"):
        assert _lines(seen, 1) == ["joined  1 bikes are here already"]
        _run(gateway, leave)
        lines = _lines(seen, 3)
        assert lines[1].startswith("removed {")
        assert lines[2].startswith("moved   {")


async def test_the_readme_s_client_sees_and_is_seen(gateway: GatewayProcess) -> None:
    four_lines = next(
        block.text
        for block in documents.marked_blocks(REPOSITORY / "README.md")
        if block.language == "js"
    )
    head = "import { io } from 'socket.io-client'; const roomId = 'city:paris';\n"
    program = [str(programs.node()), "--input-type=module", "--eval"]
    async with raw_socket.connected(gateway.url) as other:
        await other.ask("join-room", '"city:paris"')
        node = await asyncio.create_subprocess_exec(
            *program,
            head + four_lines.replace(USUAL_URL, gateway.url),
            cwd=programs.CLIENTS,
            stdout=asyncio.subprocess.PIPE,
        )
        assert node.stdout is not None
        try:
            name, bike = json.loads(await other.event())
            await other.ask("bike-update", '{"roomId":"city:paris","bike_id":"of another"}')
            async with asyncio.timeout(BACKGROUND_SECONDS):
                printed = (await node.stdout.readline()).decode()
        finally:
            node.kill()
            await node.wait()

    assert (name, bike["bike_id"], bike["roomId"]) == ("bike-updated", "7", "city:paris")
    assert printed == "{ roomId: 'city:paris', bike_id: 'of another' }\n"


# ---- a whole fleet


@pytest.fixture
async def feed_server() -> AsyncIterator[FeedServer]:
    server = FeedServer()
    await server.start()
    yield server
    await server.stop()


async def test_a_fleet_comes_in_whole_and_is_told_once(
    gateway: GatewayProcess, feed_server: FeedServer
) -> None:
    feeds = system.feeds()
    for name, content in feeds.items():
        feed_server.serve(f"{name}.json", content, etag=False)
    addresses = {name: feed_server.url(f"{name}.json") for name in feeds}
    feed_server.serve("gbfs.json", system.discovery(addresses))
    options = BridgeOptions(
        room="city:chicago", address=feed_server.url("gbfs.json"), gateway_url=gateway.url
    )
    everything = system.BIKES + system.STATIONS
    async with aiohttp.ClientSession() as session:
        bridge = Bridge(options, session, LineProgress())
        await bridge.follow_once()
        first = bridge.result()
        async with raw_socket.connected(gateway.url) as late:
            joined = json.loads(
                await late.ask("join-room", '{"roomId":"city:chicago","snapshot":true}')
            )
        await bridge.follow_once()
        second = bridge.result()

    shown = {_identity_of(entry): entry for entry in joined["data"]["snapshot"]}
    assert (first.published, first.accepted, first.troubles) == (everything, everything, ())
    assert (len(joined["data"]["snapshot"]), len(shown)) == (everything, everything)
    for entry in feeds["free_bike_status"]["data"]["bikes"]:
        assert shown[entry["bike_id"]] == {**entry, "roomId": "city:chicago"}
    assert (second.published - first.published, second.snapshots) == (0, 2 * first.snapshots)


def _identity_of(entry: dict[str, str]) -> str:
    return entry.get("bike_id") or entry["station_id"]


# ---- verbatim

SHOP_ITEM = json.dumps(
    {f"part {number}": {"price": number / 7, "sizes": [[number] * 5]} for number in range(150)}
)
ODD_BUT_GOOD = {
    "17 digits": '"lat":48.123456789012345,"lon":-0.30000000000000004',
    "big integers": '"id_of_old_system":123456789012345678901234567890,"negative":-0',
    "exponents": '"tiny":1E-7,"huge":1.7976931348623157e+308,"long":1.10000000000000000000',
    "unicode": '"name":"Zürich 🚲","escaped":"\\u005a\\u00fc\\ud83d\\udeb2","line":"\\u2028 \\/"',
    "spaces and order": '"z" : 1 ,\t"a":[ ],"m":{ }',
    "empty names": '"":{"":[""]}',
    "a shop item": f'"item":{SHOP_ITEM}',
}


@pytest.mark.parametrize("fields", ODD_BUT_GOOD.values(), ids=list(ODD_BUT_GOOD))
async def test_an_object_arrives_byte_by_byte_from_door_to_door(
    gateway: GatewayProcess, fields: str
) -> None:
    bike = f'{{"roomId":"paris","bike_id":"1",{fields}}}'
    by_http = bike.replace('"bike_id":"1"', '"bike_id":"2"')
    async with (
        raw_socket.connected(gateway.url) as author,
        raw_socket.connected(gateway.url) as other,
        aiohttp.ClientSession() as session,
    ):
        await other.ask("join-room", '"paris"')
        assert '"cursor"' in await author.ask("bike-update", bike)
        body = b'{"event":"bike-update","data":' + by_http.encode() + b"}"
        address = f"{gateway.url}/api/rooms/paris/events"
        headers = {"Content-Type": "application/json"}
        async with session.post(address, data=body, headers=headers) as response:
            assert response.status == 200
        heard = [await other.event(), await other.event()]
        late = await author.ask("join-room", '{"roomId":"paris","snapshot":true}')

    assert heard == [f'["bike-updated",{bike}]', f'["bike-updated",{by_http}]']
    snapshot = msgspec.json.decode(late, type=dict[str, dict[str, msgspec.Raw]])["data"]["snapshot"]
    assert bytes(snapshot).decode() == f"[{bike},{by_http}]"


# ---- running what is shown


def _run(gateway: GatewayProcess, block: Block) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        _command_of(gateway, block),
        cwd=REPOSITORY,
        env=_environment(gateway),
        capture_output=True,
        text=True,
        check=False,
        timeout=BLOCK_SECONDS,
    )


@contextlib.contextmanager
def _running(gateway: GatewayProcess, block: Block, file: Path) -> Iterator[None]:
    """Run a block that does not end by itself; what it prints goes into a file beside it."""
    file.write_text(_addressed(gateway, block.text))
    output = file.with_name(f"{file.name}.out")
    with output.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, str(file)], stdout=stream, stderr=subprocess.STDOUT
        )
    try:
        _lines(output, 1)
        assert process.poll() is None, output.read_text()
        yield
    finally:
        process.kill()
        process.wait()


def _command_of(gateway: GatewayProcess, block: Block) -> list[str]:
    text = _addressed(gateway, block.text)
    if block.language == "python":
        return [sys.executable, "-c", text]
    return ["bash", "-euo", "pipefail", "-c", text]


def _addressed(gateway: GatewayProcess, text: str) -> str:
    return text.replace(USUAL_URL, gateway.url).replace(".venv/bin/", f"{PROGRAMS}/")


def _environment(gateway: GatewayProcess) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PACELINE_URL": gateway.url}


def _lines(output: Path, count: int) -> list[str]:
    """What was printed, as soon as that is `count` lines or more."""
    deadline = time.monotonic() + BACKGROUND_SECONDS
    while output.read_text().count("\n") < count:
        assert time.monotonic() < deadline, output.read_text()
        time.sleep(0.05)
    return output.read_text().splitlines()
