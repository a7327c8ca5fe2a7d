"""This module owns how a connection gets from one worker of a host to another.

The descriptor of the connection travels over a Unix socket (SCM_RIGHTS), together with the request
that was read from it. One connection to that socket is one hand-over, so there is nothing to frame
and no state to lose; giving does not wait, because the system takes as much at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

logger = structlog.get_logger(__name__)

_LENGTH: Final = struct.Struct("!I")
# What a new Unix socket takes for sure without being read; more travels in a file.
_INLINE_LIMIT_BYTES: Final = 65_536
_REQUEST_LIMIT_BYTES: Final = 2**26
_BACKLOG: Final = 4096
_ACCEPTS_PER_TURN: Final = 64
_HAND_OVER_LIMIT_SECONDS: Final = 5.0
_CLOSE_ON_EXEC: Final = getattr(socket, "MSG_CMSG_CLOEXEC", 0)  # not on macOS

ProtocolOf = Callable[[bytes], asyncio.Protocol]


def give(path: str, connection: socket.socket, request: bytes) -> None:
    """Give a connection to the worker that listens at `path`.

    The caller's own descriptor stays open, and is to be closed. Raises `BlockingIOError` when the
    worker has too many waiting, and another `OSError` when there is no such worker.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line, contextlib.ExitStack() as stack:
        line.settimeout(0)
        line.connect(path)
        descriptors = [connection.fileno()]
        inline = request
        if len(request) > _INLINE_LIMIT_BYTES:
            file = stack.enter_context(tempfile.TemporaryFile())
            file.write(request)
            file.flush()
            descriptors.append(file.fileno())
            inline = b""
        message = _LENGTH.pack(len(request)) + inline
        if socket.send_fds(line, [message], descriptors) != len(message):
            raise BlockingIOError


class Receiver:
    """Takes the connections that are given to this worker, at a socket of this user's alone."""

    def __init__(self, path: Path, protocol_of: ProtocolOf, note: Callable[[str], None]) -> None:
        self.path = path
        self._note = note
        self._protocol_of = protocol_of
        self._listener: socket.socket | None = None
        self._lines: set[_Line] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Listen. Raises `OSError`."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.settimeout(0)
        listener.bind(str(self.path))
        self.path.chmod(0o600)
        listener.listen(_BACKLOG)
        self._listener = listener
        asyncio.get_running_loop().add_reader(listener.fileno(), self._accept)

    async def stop(self) -> None:
        """Listen no more; what was given before is still taken."""
        listener, self._listener = self._listener, None
        if listener is not None:
            while self._accept_some(listener):
                pass
            asyncio.get_running_loop().remove_reader(listener.fileno())
            listener.close()
            self.path.unlink(missing_ok=True)
        for line in list(self._lines):
            line.end()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def take(self, descriptor: int, request: bytes) -> None:
        """Go on with a connection as if it had come to this worker in the first place."""
        connection = socket.socket(fileno=descriptor)
        connection.settimeout(0)
        self._note("taken")
        task = asyncio.create_task(self._open(connection, request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _open(self, connection: socket.socket, request: bytes) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(lambda: self._protocol_of(request), connection)
        except OSError:
            connection.close()  # the client has gone meanwhile

    def _accept(self) -> None:
        if self._listener is not None:
            self._accept_some(self._listener)

    def _accept_some(self, listener: socket.socket) -> bool:
        """A turn's worth; False when there is no more."""
        for _ in range(_ACCEPTS_PER_TURN):
            try:
                line, _address = listener.accept()
            except BlockingIOError:
                return False
            except OSError as error:
                logger.warning("! a connection from another worker was lost", why=str(error))
                return False
            hand_over = _Line(line, self)
            self._lines.add(hand_over)
            hand_over.start()
        return True

    def forget(self, line: _Line) -> None:
        """A line has done its work."""
        self._lines.discard(line)


class _Line:
    """One hand-over, from the moment the other worker has connected."""

    def __init__(self, line: socket.socket, receiver: Receiver) -> None:
        line.settimeout(0)
        self._line = line
        self._receiver = receiver
        self._descriptors: list[int] = []
        self._data = b""
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(_HAND_OVER_LIMIT_SECONDS, self.end)

    def start(self) -> None:
        """Read; nearly always it is all there."""
        asyncio.get_running_loop().add_reader(self._line.fileno(), self._read)
        self._read()

    def _read(self) -> None:
        try:
            data, descriptors, _, _ = socket.recv_fds(
                self._line, _INLINE_LIMIT_BYTES + _LENGTH.size, 2, _CLOSE_ON_EXEC
            )
        except BlockingIOError:
            return
        except OSError:
            self.end()
            return
        self._descriptors += descriptors
        self._data += data
        if self._is_whole():
            connection = self._descriptors.pop(0)
            request = self._request()
            self.end()
            self._receiver.take(connection, request)
        elif not data:
            self.end()

    def _is_whole(self) -> bool:
        if len(self._data) < _LENGTH.size or not self._descriptors:
            return False
        (length,) = _LENGTH.unpack_from(self._data)
        is_in_file = length > _INLINE_LIMIT_BYTES and len(self._descriptors) > 1
        return is_in_file or len(self._data) == _LENGTH.size + length

    def _request(self) -> bytes:
        (length,) = _LENGTH.unpack_from(self._data)
        if not self._descriptors:
            return self._data[_LENGTH.size :]
        return os.pread(self._descriptors[0], min(length, _REQUEST_LIMIT_BYTES), 0)

    def end(self) -> None:
        """Close what has not been taken: the client of a broken hand-over is cut off."""
        if self._line.fileno() < 0:
            return
        self._timer.cancel()
        asyncio.get_running_loop().remove_reader(self._line.fileno())
        self._line.close()
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._receiver.forget(self)
