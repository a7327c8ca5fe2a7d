"""A connection that one worker has accepted goes on at another."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.workers import passing
from gateway.workers.passing import Receiver
from tests.gateway.workers.fleet import until


class Echo(asyncio.Protocol):
    """Says what came with the connection, and then whatever it hears."""

    def __init__(self, request: bytes) -> None:
        self._request = request

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class Post:
    """A receiver, and what it has noted."""

    def __init__(self, path: Path) -> None:
        self.noted: list[str] = []
        self.receiver = Receiver(path, Echo, self.noted.append)
        self.path = str(path)

    def client(self) -> tuple[socket.socket, socket.socket]:
        """A client's end of a connection, and the end that can be given away."""
        listener = socket.create_server(("127.0.0.1", 0))
        with listener:
            client = socket.create_connection(listener.getsockname())
            ours, _ = listener.accept()
        client.settimeout(5)
        return client, ours


@pytest.fixture
async def post(tmp_path: Path) -> AsyncIterator[Post]:
    post = Post(tmp_path / "w.sock")
    post.receiver.start()
    yield post
    await post.receiver.stop()


def _exactly(client: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = client.recv(count - len(data))
        assert more, f"the connection has ended after {data[:100]!r}"
        data += more
    return data


@pytest.mark.parametrize("size", [0, 5, 65_536, 65_537, 1_000_000])
async def test_a_connection_goes_on_with_what_was_read_of_it(post: Post, size: int) -> None:
    client, ours = post.client()
    request = os.urandom(size)
    passing.give(post.path, ours, request)
    ours.close()
    client.sendall(b"more")
    heard = await asyncio.to_thread(_exactly, client, size + 4)
    client.close()

    assert heard == request + b"more"
    assert post.noted == ["taken"]


async def test_hundreds_may_be_given_before_the_first_is_taken(post: Post) -> None:
    clients = []
    for number in range(300):
        client, ours = post.client()
        passing.give(post.path, ours, b"%04d" % number)
        ours.close()
        clients.append(client)
    heard = [await asyncio.to_thread(_exactly, client, 4) for client in clients]
    for client in clients:
        client.close()

    assert heard == [b"%04d" % number for number in range(300)]


async def test_the_socket_is_its_user_s_alone(post: Post) -> None:
    assert post.receiver.path.stat().st_mode & 0o777 == 0o600


async def test_a_worker_that_is_gone_takes_nothing_and_the_connection_stays(tmp_path: Path) -> None:
    post = Post(tmp_path / "w.sock")
    client, ours = post.client()
    with pytest.raises(FileNotFoundError):
        passing.give(post.path, ours, b"request")
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(post.path)
    with pytest.raises(ConnectionRefusedError):
        passing.give(post.path, ours, b"request")
    dead.close()
    ours.sendall(b"still here")

    assert client.recv(100) == b"still here"
    client.close()
    ours.close()


async def test_a_worker_that_does_not_come_to_take_them_is_busy(tmp_path: Path) -> None:
    post = Post(tmp_path / "w.sock")
    client, ours = post.client()
    with socket.socket(socket.AF_UNIX) as stopped:
        stopped.bind(post.path)
        stopped.listen(1)
        for _ in range(2):  # the system's list has one place more than it was asked for
            passing.give(post.path, ours, b"request")
        with pytest.raises(BlockingIOError):
            passing.give(post.path, ours, b"request")
    client.close()
    ours.close()


@pytest.mark.parametrize(
    "said", [b"", b"\0\0", struct.pack("!I", 100) + b"half", struct.pack("!I", 70_000)]
)
async def test_half_a_hand_over_cuts_the_client_off_and_leaves_nothing_open(
    post: Post, said: bytes
) -> None:
    client, ours = post.client()
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a count, not paths
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(post.path)
        if said:
            socket.send_fds(line, [said], [ours.fileno()])
        await asyncio.sleep(0.05)
    ours.close()
    ended = await asyncio.to_thread(client.recv, 1) if said else b""
    client.close()

    assert ended == b""
    await until(lambda: len(os.listdir("/proc/self/fd")) <= before)  # noqa: PTH208
    assert post.noted == []


async def test_whoever_gives_and_does_not_go_on_is_not_waited_for(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passing, "_HAND_OVER_LIMIT_SECONDS", 0.05)
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(post.path)
        line.settimeout(5)

        assert await asyncio.to_thread(line.recv, 1) == b""


async def test_what_was_given_before_the_end_is_still_taken(tmp_path: Path) -> None:
    post = Post(tmp_path / "w.sock")
    post.receiver.start()
    clients = []
    for _ in range(100):  # more than are taken in one turn
        client, ours = post.client()
        passing.give(post.path, ours, b"request")
        ours.close()
        clients.append(client)
    await post.receiver.stop()

    for client in clients:
        assert await asyncio.to_thread(_exactly, client, 7) == b"request"
        client.close()
    assert not post.receiver.path.exists()
