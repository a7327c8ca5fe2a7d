import asyncio
import inspect
import tomllib
from importlib.metadata import version

import aiohttp.web_protocol
import engineio.async_server
import engineio.base_socket
import pytest
import socketio
import socketio.packet
from aiohttp import WSMsgType, web
from aiohttp._websocket.reader import WebSocketDataQueue, WebSocketReader
from aiohttp.helpers import must_be_empty_body
from aiohttp.http_writer import _serialize_headers

from gateway.sockets.connection import Connection
from gateway.sockets.engine import Engine
from gateway.sockets.internals import FrameQueue, TakenOver, frame_reader, has_asked
from gateway.sockets.packets import StrictPacket
from gateway.sockets.roster import Roster
from gateway.sockets.server import Server
from tests.toolbox.programs import REPOSITORY
from tests.toolbox.raw_client import PING, masked_frame


@pytest.mark.parametrize("package", ["aiohttp", "python-engineio", "python-socketio"])
def test_what_is_reached_into_is_pinned_to_what_is_installed(package: str) -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    pins = [line for line in project["project"]["dependencies"] if line.startswith(package)]

    assert pins == [f"{package}=={version(package)}"]


PARAMETERS = [
    (WebSocketReader.feed_data, ["self", "data"]),
    (WebSocketDataQueue.feed_data, ["self", "data", "size"]),
    (aiohttp.web_protocol.RequestHandler.connection_lost, ["self", "exc"]),
    (
        aiohttp.web_protocol.RequestHandler.handle_error,
        ["self", "request", "status", "exc", "message"],
    ),
    (
        aiohttp.web_protocol.RequestHandler.finish_response,
        ["self", "request", "resp", "start_time"],
    ),
    (aiohttp.web_protocol.RequestHandler._drain_helper, ["self"]),  # noqa: SLF001
    (_serialize_headers, ["status_line", "headers"]),
    (must_be_empty_body, ["method", "code"]),
    (
        engineio.AsyncServer._trigger_event,  # noqa: SLF001 - that is what this file is for
        ["self", "event", "args", "kwargs"],
    ),
    (socketio.AsyncServer._engineio_server_class, ["self"]),  # noqa: SLF001
    (socketio.AsyncServer._handle_connect, ["self", "eio_sid", "namespace", "data"]),  # noqa: SLF001
    (socketio.AsyncServer._handle_disconnect, ["self", "eio_sid", "namespace", "reason"]),  # noqa: SLF001
    (socketio.AsyncServer._handle_event, ["self", "eio_sid", "namespace", "id", "data"]),  # noqa: SLF001
    (socketio.AsyncServer._handle_ack, ["self", "eio_sid", "namespace", "id", "data"]),  # noqa: SLF001
    (socketio.AsyncServer._handle_eio_connect, ["self", "eio_sid", "environ"]),  # noqa: SLF001
    (socketio.AsyncServer._handle_eio_disconnect, ["self", "eio_sid", "reason"]),  # noqa: SLF001
    (socketio.AsyncServer._send_packet, ["self", "eio_sid", "pkt"]),  # noqa: SLF001
    (socketio.AsyncServer._send_eio_packet, ["self", "eio_sid", "eio_pkt"]),  # noqa: SLF001
    (socketio.AsyncManager.get_participants, ["self", "namespace", "room"]),
    (socketio.AsyncManager.basic_enter_room, ["self", "sid", "namespace", "room", "eio_sid"]),
    (socketio.AsyncManager.basic_leave_room, ["self", "sid", "namespace", "room"]),
    (socketio.AsyncManager.basic_disconnect, ["self", "sid", "namespace", "kwargs"]),
    (socketio.AsyncManager.trigger_callback, ["self", "sid", "id", "data"]),
    (socketio.AsyncManager.sid_from_eio_sid, ["self", "eio_sid", "namespace"]),
    (socketio.AsyncManager.get_namespaces, ["self"]),
    (socketio.packet.Packet.decode, ["self", "encoded_packet"]),
    (socketio.packet.Packet.add_attachment, ["self", "attachment"]),
]


@pytest.mark.parametrize(
    ("function", "parameters"), PARAMETERS, ids=lambda value: getattr(value, "__qualname__", "")
)
def test_every_function_that_is_used_takes_what_it_is_given(
    function: object, parameters: list[str]
) -> None:
    assert callable(function)
    try:
        found = list(inspect.signature(function).parameters)
    except ValueError:
        pytest.fail(f"{function} does not tell its parameters any more")

    assert found[: len(parameters)] == parameters


def test_every_attribute_that_is_used_is_there() -> None:
    loop = asyncio.new_event_loop()
    handler = aiohttp.web_protocol.RequestHandler(web.Server(None, loop=loop), loop=loop)  # type: ignore[arg-type] # it is not called
    stock = socketio.AsyncServer(async_mode="aiohttp")

    assert handler._message_tail == b""  # noqa: SLF001
    assert len(handler._messages) == 0  # noqa: SLF001
    assert handler._request_count == 0  # noqa: SLF001
    assert not has_asked(handler)
    assert not handler.writing_paused
    assert handler._task_handler is None  # noqa: SLF001
    assert not handler._upgraded  # noqa: SLF001
    response = web.Response()
    assert (response.keep_alive, response.prepared, response._cookies) == (None, False, None)  # noqa: SLF001
    response._keep_alive = response._eof_sent = True  # noqa: SLF001
    assert (response.keep_alive, response.prepared) == (True, True)
    assert stock._binary_packet == {}  # noqa: SLF001
    assert stock.environ == {}
    manager = stock.manager
    assert (manager.rooms, manager.callbacks) == ({}, {})
    assert (manager.pending_connect, manager.pending_disconnect) == ({}, {})
    assert stock.eio.sockets == {}
    assert set(stock.eio.transports) == {"polling", "websocket"}
    assert {"connect", "disconnect"} <= set(stock.reserved_events)
    loop.close()


def test_our_classes_stand_where_the_libraries_look_for_theirs() -> None:
    server = Server()

    assert isinstance(server.eio, Engine)
    assert server.eio.sink is server
    assert isinstance(server.manager, Roster)
    assert server.packet_class is StrictPacket
    assert issubclass(Connection, engineio.base_socket.BaseSocket)
    assert server.manager.json is StrictPacket.json


def test_the_reader_hands_over_whole_messages_of_one_read_at_once() -> None:
    queue = FrameQueue()
    reader = frame_reader(queue, 1000)
    data = masked_frame("eins") + masked_frame("zwei") + masked_frame(b"", PING)
    reader.feed_data(data[:7])
    assert queue.take() == ([], None)
    reader.feed_data(data[7:])
    messages, fault = queue.take()

    assert fault is None
    assert [(message.type, bytes(message.data)) for message in messages] == [
        (WSMsgType.TEXT, b"eins"),
        (WSMsgType.TEXT, b"zwei"),
        (WSMsgType.PING, b""),
    ]
    assert queue.take() == ([], None)


def test_text_comes_as_the_bytes_that_were_sent_even_when_they_are_no_text() -> None:
    queue = FrameQueue()
    frame_reader(queue, 1000).feed_data(masked_frame(b"\xff\xfe"))
    messages, fault = queue.take()

    assert (messages[0].data, fault) == (b"\xff\xfe", None)


def test_one_queue_serves_many_readers_without_mixing_half_messages() -> None:
    queue = FrameQueue()
    one, two = frame_reader(queue, 1000), frame_reader(queue, 1000)
    first, second = masked_frame("first"), masked_frame("second")
    one.feed_data(first[:3])
    two.feed_data(second)
    assert [message.data for message in queue.take()[0]] == [b"second"]
    one.feed_data(first[3:])
    assert [message.data for message in queue.take()[0]] == [b"first"]


def test_a_message_above_the_limit_is_a_fault_before_it_is_read() -> None:
    queue = FrameQueue()
    frame_reader(queue, 1000).feed_data(masked_frame(bytes(1000)))
    assert len(queue.take()[0][0].data) == 1000
    frame_reader(queue, 1000).feed_data(masked_frame(bytes(1001))[:20])
    messages, fault = queue.take()

    assert messages == []
    assert getattr(fault, "code", None) == 1009


def test_the_reader_never_stalls_however_much_one_read_brings() -> None:
    queue = FrameQueue()
    frame_reader(queue, 1000).feed_data(masked_frame(bytes(900)) * 1000)

    assert len(queue.take()[0]) == 1000


async def test_a_response_of_a_connection_that_was_taken_over_sends_nothing() -> None:
    response = TakenOver()
    await response.prepare(None)  # type: ignore[arg-type] # it is not looked at
    await response.write_eof()

    assert response._payload_writer is None  # noqa: SLF001 - nobody gave it one
