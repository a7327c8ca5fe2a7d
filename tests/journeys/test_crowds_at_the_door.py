"""Crowds that want in and say no more, or say it slowly, or are more than there is room for."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import StartGateway
from tests.toolbox import programs
from tests.toolbox.raw_client import RawSocket, connect, read_answer, request
from tests.toolbox.siege import latencies_of, member, p99_of, say, until
from tests.toolbox.strict_gateway import ask, gauges, memory_bytes

pytestmark = pytest.mark.journey

CANARY_LIMIT_SECONDS = 0.25
NEWCOMER_LIMIT_SECONDS = 0.5

# ---- who wants in, and says no more

FLOOD_SECONDS = 4.0
FLOODS = 20
HANDSHAKES_AT_ONCE = 20
CONNECTIONS_LIMIT = 200
PER_SECOND, BURST = 100, 300
HANDSHAKE = b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n"


async def flood(port: int, ends_seconds: float, statuses: Counter[int]) -> None:
    """Handshake after handshake from one address, and nothing else."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.2", 0))
    while time.monotonic() < ends_seconds:
        writer.write(HANDSHAKE * HANDSHAKES_AT_ONCE)
        for _ in range(HANDSHAKES_AT_ONCE):
            statuses[(await read_answer(reader)).status] += 1
    writer.close()


async def test_a_flood_of_handshakes_from_one_address_is_held_to_its_share(
    start_gateway: StartGateway,
) -> None:
    port = start_gateway(
        PACELINE_CONNECTIONS_PER_ADDRESS_LIMIT=str(CONNECTIONS_LIMIT),
        PACELINE_HANDSHAKES_PER_SECOND_PER_ADDRESS=str(PER_SECOND),
        PACELINE_HANDSHAKES_BURST_PER_ADDRESS=str(BURST),
        PACELINE_CONNECT_TIMEOUT_SECONDS="1",
    ).port
    canary = await member(port, "canary")
    before_bytes = await memory_bytes(port)
    statuses: Counter[int] = Counter()
    most = 0.0
    async with latencies_of(lambda: ask(canary, "presence", "canary")) as seconds:
        ends_seconds = time.monotonic() + FLOOD_SECONDS
        floods = asyncio.gather(*(flood(port, ends_seconds, statuses) for _ in range(FLOODS)))
        while not floods.done():
            most = max(most, (await gauges(port))["paceline_connections"])
            await asyncio.sleep(0.1)
        await floods

    async def is_over() -> bool:
        return (await gauges(port))["paceline_connections"] == 1

    over_seconds = await until(is_over, 5)
    left_bytes = await memory_bytes(port)
    say(
        f"{statuses.total() / FLOOD_SECONDS:.0f} handshakes/s: {dict(statuses)}, at most "
        f"{most:.0f} sessions, gone after {over_seconds:.1f} s, memory {before_bytes / 1e6:.0f} -> "
        f"{left_bytes / 1e6:.0f} MB, canary p99 {p99_of(seconds) * 1000:.0f} ms"
    )
    assert set(statuses) == {200, 429}
    assert most <= CONNECTIONS_LIMIT + 1
    assert statuses[200] < BURST + PER_SECOND * (FLOOD_SECONDS + 2)
    assert left_bytes < before_bytes * 1.1
    assert p99_of(seconds) < CANARY_LIMIT_SECONDS


# ---- who says it slowly

DRIPS = 300
DROP_EVERY_SECONDS = 0.5
CLOSED_WITHIN_SECONDS = 15.0
HEAD = b"POST /api/rooms/r/events HTTP/1.1\r\nHost: x\r\n"
JSON_HEAD = HEAD + b"Content-Type: application/json\r\n"
DRIPPING = {
    "the head": (HEAD + b"X-Long: ", b"x"),
    "the body": (JSON_HEAD + b"Content-Length: 9000\r\n\r\n", b" "),
    "a body in chunks": (JSON_HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "a body that nobody wants": (
        b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n",
        b"x",
    ),
    "nothing at all": (b"", b""),
}


async def drip(port: int, start: bytes, drop: bytes) -> float:
    """Say something, slowly, until the other side has had enough; how long that took."""
    began_seconds = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(start)
    end = asyncio.create_task(reader.read())
    while not (await asyncio.wait([end], timeout=DROP_EVERY_SECONDS))[0]:
        writer.write(drop)
    await asyncio.gather(end, return_exceptions=True)
    writer.transport.abort()
    return time.monotonic() - began_seconds


async def test_whoever_drips_is_closed_in_time_and_newcomers_do_not_notice(
    start_gateway: StartGateway,
) -> None:
    gateway = start_gateway()

    async def come_and_go() -> None:
        peer, _ = await connect(gateway.port)
        peer.close()

    kinds = list(DRIPPING.values())
    async with asyncio.timeout(2 * CLOSED_WITHIN_SECONDS), latencies_of(come_and_go) as seconds:
        ended_seconds = await asyncio.gather(
            *(drip(gateway.port, *kinds[number % len(kinds)]) for number in range(DRIPS))
        )
    by_kind = {kind: max(ended_seconds[index :: len(kinds)]) for index, kind in enumerate(DRIPPING)}
    told = ", ".join(f"{kind} {limit:.1f} s" for kind, limit in by_kind.items())
    say(f"{DRIPS} dripping: at the latest {told}; connecting p99 {p99_of(seconds) * 1000:.0f} ms")
    assert max(ended_seconds) <= CLOSED_WITHIN_SECONDS
    assert p99_of(seconds) < NEWCOMER_LIMIT_SECONDS
    assert "Traceback" not in gateway.log


# ---- who is one too many

DESCRIPTORS = 512
MEMORY_LIMIT_BYTES = 300_000_000
MEMBERS, GUESTS, SILENT = 300, 400, 400


async def knock(port: int) -> tuple[int | None, RawSocket | None]:
    """The status that a newcomer sees, None when it is closed without a word; and its socket."""
    try:
        return 101, await RawSocket.open(port)
    except ConnectionRefusedError as refused:
        head = str(refused)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None, None
    assert "Retry-After: 5" in head
    return int(head.split()[1]), None


async def test_without_descriptors_newcomers_are_refused_and_members_live_on(
    start_gateway: StartGateway, tmp_path: Path
) -> None:
    # The limits have to be there before the gateway is, which takes all it may have. What is
    # beyond this much memory is an allocation that fails, and a traceback in the log.
    limits = (
        f"RLIMIT_NOFILE, ({DESCRIPTORS}, {DESCRIPTORS})",
        f"RLIMIT_DATA, ({MEMORY_LIMIT_BYTES}, -1)",
    )
    lines = ["import resource", *(f"resource.setrlimit(resource.{limit})" for limit in limits)]
    (tmp_path / "sitecustomize.py").write_text("\n".join(lines))
    gateway = start_gateway(PYTHONPATH=f"{tmp_path}:{programs.REPOSITORY}")
    port = gateway.port
    members = [await member(port, "r") for _ in range(MEMBERS)]
    guests = await asyncio.gather(*(knock(port) for _ in range(GUESTS)))
    silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(SILENT)]
    assert "data" in await ask(members[0], "bike-update", {"roomId": "r", "number": 1})
    heard = [await peer.hear() for peer in members[1:]]

    async def is_healthy() -> bool:
        try:
            return (await request(port, "GET", "/healthz")).status == 200
        except (asyncio.IncompleteReadError, ConnectionError):
            return False  # the silent ones may have taken the last descriptors

    healthy_seconds = await until(is_healthy, 5)
    cpu_before_seconds = await cpu_seconds(port)
    await asyncio.sleep(1)
    cpu_share = await cpu_seconds(port) - cpu_before_seconds

    statuses = Counter(status for status, _ in guests)
    say(
        f"{DESCRIPTORS} descriptors: {MEMBERS} members, newcomers {dict(statuses)}; healthy after "
        f"{healthy_seconds:.1f} s, CPU {cpu_share:.0%} of a second, "
        f"{await memory_bytes(port) / 1e6:.0f} MB"
    )
    assert set(heard) == {'42["bike-updated",{"roomId": "r", "number": 1}]'}
    assert 10 <= statuses[101] <= DESCRIPTORS - MEMBERS
    assert statuses[503] >= 10
    assert cpu_share < 0.5
    assert "Too many open files" not in gateway.log
    assert "Traceback" not in gateway.log
    assert len(gateway.log.splitlines()) < 60
    for _, writer in silent:
        writer.transport.abort()
    for peer in [peer for _, peer in guests if peer is not None]:
        peer.close()

    async def has_room() -> bool:
        return (await knock(port))[0] == 101

    await until(has_room, 5)


async def cpu_seconds(port: int) -> float:
    text = (await request(port, "GET", "/metrics")).body.decode()
    line = next(line for line in text.splitlines() if line.startswith("process_cpu_seconds_total"))
    return float(line.split()[1])
