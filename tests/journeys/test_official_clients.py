"""The four-line program works unchanged: any official client, any transport, nothing configured."""

import asyncio
import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import aiohttp
import pytest
import socketio

from tests.conftest import StartGateway
from tests.toolbox import programs
from tests.toolbox.gateway_process import GatewayProcess
from tests.toolbox.riders import Line, RiderProcess, wait_for_lines

NAMES = ("Anna", "Ben")
ENOUGH_UPDATES = 8
TIMEOUT_SECONDS = 40.0
ROOM = "city:paris"

pytestmark = pytest.mark.journey


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    process = GatewayProcess(tmp_path_factory.mktemp("gateway"))
    process.start()
    yield process
    process.kill()


def node_commands(url: str, transports: str) -> list[list[str]]:
    program = [str(programs.node()), "four-line-client.mjs"]
    return [[*program, url, transports, name, ROOM] for name in NAMES]


def browser_commands(url: str, transports: str) -> list[list[str]]:
    program = [str(programs.node()), "four-line-page.mjs"]
    return [[*program, url, transports, ROOM, str(programs.chromium()), *NAMES]]


def python_commands(url: str, transports: str) -> list[list[str]]:
    program = [sys.executable, "four_line_client.py"]
    return [[*program, url, transports, name, ROOM] for name in NAMES]


CLIENTS = [
    pytest.param(node_commands, id="JavaScript in Node"),
    pytest.param(browser_commands, id="JavaScript in Chromium", marks=pytest.mark.browser),
    pytest.param(python_commands, id="Python"),
]
# Asked for, and what the connection must have come to. Default: polling first, then an upgrade.
TRANSPORTS = [("default", "websocket"), ("polling", "polling"), ("websocket", "websocket")]


@pytest.mark.parametrize(("asked", "final"), TRANSPORTS)
@pytest.mark.parametrize("commands_of", CLIENTS)
def test_two_bare_clients_see_each_other_s_bikes_and_never_their_own(
    gateway: GatewayProcess,
    tmp_path: Path,
    commands_of: Callable[[str, str], list[list[str]]],
    asked: str,
    final: str,
) -> None:
    with contextlib.ExitStack() as ends:
        riders = [
            ends.enter_context(RiderProcess(tmp_path / f"rider-{number}.jsonl", *command))
            for number, command in enumerate(commands_of(gateway.url, asked))
        ]

        def is_enough(lines: list[Line]) -> bool:
            return all(
                len(heard := _received_by(name, lines)) >= ENOUGH_UPDATES
                and heard[-1]["transport"] == final
                for name in NAMES
            )

        wait_for_lines(riders, is_enough, TIMEOUT_SECONDS)

    # read again: now everybody has said everything
    lines = [line for rider in riders for line in rider.lines()]

    assert [line for line in lines if "error" in line or "disconnected" in line] == []
    for name, other in (NAMES, NAMES[::-1]):
        heard = [line["received"] for line in _received_by(name, lines)]
        said = {line["sent"]["number"]: line["sent"] for line in _sent_by(other, lines)}
        first = heard[0]["number"]

        assert heard == [said[number] for number in range(first, first + len(heard))]


@pytest.mark.parametrize("transports", [["polling"], ["websocket"], ["polling", "websocket"]])
def test_the_python_client_comes_back_after_a_restart(
    start_gateway: StartGateway, transports: list[str]
) -> None:
    gateway = start_gateway(PACELINE_DRAIN_SECONDS="3")

    async def scenario() -> None:
        connections: asyncio.Queue[str] = asyncio.Queue()
        async with aiohttp.ClientSession() as session, asyncio.timeout(TIMEOUT_SECONDS):
            client = socketio.AsyncClient(
                http_session=session, reconnection_delay=0.1, reconnection_delay_max=0.5
            )
            client.on("connect", lambda: connections.put_nowait(client.get_sid()))
            await client.connect(gateway.url, transports=transports)
            first = await connections.get()
            await asyncio.to_thread(gateway.stop)
            await asyncio.to_thread(gateway.start)
            assert await connections.get() != first
            await client.shutdown()

    asyncio.run(scenario())  # it ends the tasks that the client leaves behind


def _received_by(name: str, lines: list[Line]) -> list[Line]:
    return [line for line in lines if line["name"] == name and "received" in line]


def _sent_by(name: str, lines: list[Line]) -> list[Line]:
    return [line for line in lines if line["name"] == name and "sent" in line]
