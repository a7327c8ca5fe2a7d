"""Several sets of sockets at one port."""

from __future__ import annotations

import socket

import pytest

from gateway.workers.listening import SharedPort


def _close(*sets: list[socket.socket]) -> None:
    for listeners in sets:
        for listener in listeners:
            listener.close()


def test_the_system_spreads_connections_over_all_who_listen() -> None:
    port = SharedPort("127.0.0.1", 0)
    sets = [port.listen() for _ in range(4)]
    clients = [socket.create_connection(("127.0.0.1", port.port)) for _ in range(200)]
    counts = []
    for (listener,) in sets:
        listener.settimeout(0)
        counts.append(0)
        while True:
            try:
                accepted, _ = listener.accept()
            except BlockingIOError:
                break
            accepted.close()
            counts[-1] += 1
    for client in clients:
        client.close()
    _close(*sets)

    assert sum(counts) == 200
    assert min(counts) > 20, counts


def test_what_waits_at_a_socket_is_still_there_for_a_successor() -> None:
    port = SharedPort("127.0.0.1", 0)
    listeners = port.listen()
    (listener,) = listeners
    worker = listener.dup()
    client = socket.create_connection(("127.0.0.1", port.port))
    worker.close()
    accepted, _ = listener.accept()
    accepted.sendall(b"hello")

    assert client.recv(5) == b"hello"
    for each in (accepted, client):
        each.close()
    _close(listeners)


def test_a_port_that_somebody_has_is_not_shared_with_them() -> None:
    port = SharedPort("127.0.0.1", 0)
    listeners = port.listen()

    with pytest.raises(OSError, match="in use"):
        SharedPort("127.0.0.1", port.port)
    _close(listeners)


def test_a_name_may_stand_for_several_addresses() -> None:
    port = SharedPort("localhost", 0)
    listeners = port.listen()
    ports = {listener.getsockname()[1] for listener in listeners}
    _close(listeners)

    assert ports == {port.port}


def test_an_address_of_another_machine_is_not_to_be_had() -> None:
    with pytest.raises(OSError, match="assign"):
        SharedPort("203.0.113.7", 0)
