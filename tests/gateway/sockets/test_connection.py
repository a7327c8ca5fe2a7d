import asyncio
import json

from gateway.sockets.connection import Connection
from gateway.sockets.engine import Engine, EngineLimits
from tests.gateway.sockets.recording_transport import (
    RecordingTransport,
    connection_of,
    link_of,
    polling_connection_of,
)
from tests.toolbox import virtual_time

INTERVAL_SECONDS, TIMEOUT_SECONDS = 20.0, 10.0


class Listener:
    """Writes down what the engine tells the layer above."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    def heard(self, _connection: Connection, message: bytes) -> None:
        self.told.append(("heard", message))

    def heard_noise(self, _connection: Connection, size_bytes: int) -> None:
        self.told.append(("noise", size_bytes))

    def heard_binary(self, _connection: Connection, data: bytes) -> None:
        self.told.append(("heard_binary", data))

    def closed(self, _connection: Connection, reason: str) -> None:
        self.told.append(("closed", reason))

    def offended(self, _connection: Connection, what: str) -> None:
        self.told.append(("offended", what))

    def opened(self, _connection: Connection) -> None:
        self.told.append(("opened",))

    def upgraded(self, _connection: Connection) -> None:
        self.told.append(("upgraded",))

    def polled(self, _connection: Connection) -> None:
        self.told.append(("polled",))

    def paused(self, _connection: Connection) -> None:
        self.told.append(("paused",))

    def resumed(self, _connection: Connection) -> None:
        self.told.append(("resumed",))


def engine_of() -> tuple[Engine, Listener]:
    engine = Engine(
        ping_interval=INTERVAL_SECONDS,
        ping_timeout=TIMEOUT_SECONDS,
        limits=EngineLimits(upgrade_timeout_seconds=5),
    )
    engine.sink = listener = Listener()
    return engine, listener


def test_a_client_that_answers_pings_stays_and_is_pinged_once_an_interval() -> None:
    async def scenario() -> None:
        engine, listener = engine_of()
        connection, transport = connection_of(engine)
        for _ in range(100):
            await asyncio.sleep(5)
            if transport.texts.count("2") > 0:
                transport.written.clear()
                connection.hear_packet(b"3")
        assert not connection.closed
        assert listener.told == []
        transport.written.clear()
        await asyncio.sleep(INTERVAL_SECONDS + 0.5)
        assert transport.texts == ["2"]
        engine.wheel.stop()

    virtual_time.run(scenario())


def test_a_client_that_does_not_answer_a_ping_is_closed_when_the_time_is_over() -> None:
    async def scenario() -> None:
        engine, listener = engine_of()
        connection, transport = connection_of(engine)
        await asyncio.sleep(INTERVAL_SECONDS + TIMEOUT_SECONDS - 0.1)
        assert not connection.closed
        await asyncio.sleep(0.6)
        assert connection.closed
        assert transport.is_closing()
        assert listener.told == [("closed", "ping timeout")]

    virtual_time.run(scenario())


def test_a_ping_that_is_late_has_as_much_time_to_be_answered_as_any() -> None:
    async def scenario() -> None:
        engine, listener = engine_of()
        connection, transport = connection_of(engine)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, virtual_time.VirtualLoop)
        await asyncio.sleep(INTERVAL_SECONDS - 1)
        loop.hold_up(2 * TIMEOUT_SECONDS)  # a machine that was paused
        await asyncio.sleep(TIMEOUT_SECONDS - 1)

        assert transport.texts.count("2") == 1
        assert not connection.closed
        await asyncio.sleep(2)
        assert listener.told == [("closed", "ping timeout")]
        engine.wheel.stop()

    virtual_time.run(scenario())


def test_pongs_that_nobody_asked_for_put_nothing_off() -> None:
    async def scenario() -> None:
        engine, _ = engine_of()
        connection, _ = connection_of(engine)
        for _ in range(int(INTERVAL_SECONDS) - 1):
            for _ in range(1000):
                connection.hear_packet(b"3")
            await asyncio.sleep(1)
        await asyncio.sleep(TIMEOUT_SECONDS + 2)
        assert connection.closed
        assert len(asyncio.all_tasks()) == 1

    virtual_time.run(scenario())


def test_whatever_a_client_has_no_reason_to_send_ends_it() -> None:
    async def scenario() -> None:
        for packet in (b"", b"0", b"2", b"2probe", b"5", b"6", b"7", b"9", b"x", b"3probe", b"11"):
            engine, listener = engine_of()
            connection, transport = connection_of(engine)
            assert connection.link is not None
            connection.hear_text(connection.link, packet)
            connection.hear_text(connection.link, b"4too late")
            assert connection.closed, packet
            assert transport.is_closing()
            assert listener.told == [("offended", "packet"), ("closed", "parse error")]
            engine.wheel.stop()

    virtual_time.run(scenario())


def test_what_carried_a_session_is_let_go_when_it_closes_and_not_when_its_timers_are_due() -> None:
    async def scenario() -> None:
        engine, _ = engine_of()
        connection, _ = connection_of(engine)
        poller = polling_connection_of(engine, "poller")
        connection.close()
        poller.close()
        engine.wheel.stop()

        assert (connection.link, connection.pollbox) == (None, None)
        assert (poller.link, poller.pollbox) == (None, None)

    virtual_time.run(scenario())


def test_what_handlers_send_to_somebody_who_reads_nothing_has_an_end() -> None:
    async def scenario() -> None:
        engine, listener = engine_of()
        connection, transport = connection_of(engine)
        packet = "x" * 100_000
        for _ in range(100):
            await engine.send("sid", packet)
        assert not connection.closed, "all of it was read"
        transport.is_stuck = True
        for _ in range(100):
            await engine.send("sid", packet)

        assert listener.told == [("paused",), ("closed", "transport error")]
        assert transport.is_aborted
        unread_bytes = transport.get_write_buffer_size()
        assert engine.limits.unread_bytes < unread_bytes < engine.limits.unread_bytes + 200_000

    virtual_time.run(scenario())


def test_closing_is_told_once_and_nothing_is_sent_afterwards() -> None:
    async def scenario() -> None:
        engine, listener = engine_of()
        connection, transport = connection_of(engine)
        link = connection.link
        assert link is not None
        connection.close()
        connection.close()
        connection.fail("packet")
        connection.hear_end(link, is_clean=False)
        written = len(transport.written)
        connection.send_message(b"2[]")
        connection.send_packet(b"6")
        connection.send_binary(b"")

        assert listener.told == [("closed", "server disconnect")]
        assert len(transport.written) == written
        assert "sid" not in engine.sockets
        engine.wheel.stop()

    virtual_time.run(scenario())


def upgrade_of(
    engine: Engine, connection: Connection, *texts: bytes
) -> tuple[bool, RecordingTransport]:
    link, transport = link_of(engine, connection)
    is_begun = connection.probe(link)
    for text in texts:
        connection.hear_text(link, text)
    return is_begun, transport


def test_an_upgrade_takes_over_what_waits_in_order() -> None:
    async def scenario() -> None:
        engine, listener = engine_of()
        connection = polling_connection_of(engine)
        connection.send_message(b"one")
        connection.send_binary(b"two")
        is_begun, transport = upgrade_of(engine, connection, b"2probe", b"5", b"4three")
        connection.send_message(b"four")

        assert is_begun
        assert [frame.payload for frame in transport.frames] == [
            b"3probe",
            b"4one",
            b"two",
            b"4four",
        ]
        assert listener.told == [("upgraded",), ("heard", b"three")]
        engine.wheel.stop()

    virtual_time.run(scenario())


def test_an_upgrade_that_is_not_finished_in_time_leaves_the_session_on_polling() -> None:
    async def scenario() -> None:
        engine, listener = engine_of()
        connection = polling_connection_of(engine)
        _, transport = upgrade_of(engine, connection, b"2probe")
        await asyncio.sleep(6)

        assert transport.is_closing()
        assert not connection.closed
        connection.send_message(b"x")
        assert connection.pollbox is not None
        assert connection.pollbox.fetch() == b"4x"
        assert upgrade_of(engine, connection, b"2probe", b"5")[0], "another one may be tried"
        assert listener.told == [("upgraded",)]
        engine.wheel.stop()

    virtual_time.run(scenario())


def test_one_upgrade_at_a_time_and_one_in_all() -> None:
    async def scenario() -> None:
        engine, _ = engine_of()
        connection = polling_connection_of(engine)
        assert upgrade_of(engine, connection, b"2probe")[0]
        assert not upgrade_of(engine, connection)[0]
        connection.hear_text(connection._probe, b"5")  # type: ignore[arg-type] # noqa: SLF001 - there is one
        assert not upgrade_of(engine, connection)[0]
        engine.wheel.stop()

    virtual_time.run(scenario())


def test_a_probe_that_speaks_nonsense_is_closed_and_cannot_upgrade_any_more() -> None:
    async def scenario() -> None:
        engine, listener = engine_of()
        connection = polling_connection_of(engine)
        _, transport = upgrade_of(engine, connection, b"nonsense", b"5")

        assert transport.is_closing()
        assert connection.link is None
        assert not connection.closed
        assert listener.told == []
        engine.wheel.stop()

    virtual_time.run(scenario())


def test_closing_takes_the_probe_along() -> None:
    async def scenario() -> None:
        engine, _ = engine_of()
        connection = polling_connection_of(engine)
        _, transport = upgrade_of(engine, connection, b"2probe")
        before = list(transport.frames)
        connection.close()

        assert transport.is_closing()
        assert transport.frames == before, "a close frame would be taken for an answer to the probe"
        engine.wheel.stop()

    virtual_time.run(scenario())


def test_a_probe_that_is_never_finished_ends_without_a_close_frame() -> None:
    async def scenario() -> None:
        engine, _ = engine_of()
        connection = polling_connection_of(engine)
        _, transport = upgrade_of(engine, connection, b"2probe")
        before = list(transport.frames)
        await asyncio.sleep(engine.limits.upgrade_timeout_seconds + 1)

        assert transport.is_closing()
        assert transport.frames == before
        assert not connection.closed
        engine.wheel.stop()

    virtual_time.run(scenario())


def test_what_is_said_last_on_polling_waits_a_moment_for_the_next_poll() -> None:
    async def scenario() -> None:
        engine, _ = engine_of()
        connection = polling_connection_of(engine)
        connection.send_message(b'2["goodbye"]')
        connection.close()
        assert list(engine._last_words) == ["sid"]  # noqa: SLF001 - what a poll would get
        assert engine._last_words["sid"].fetch() == b'42["goodbye"]\x1e6'  # noqa: SLF001
        await asyncio.sleep(6)
        assert engine._last_words == {}  # noqa: SLF001

    virtual_time.run(scenario())


def test_work_that_is_due_when_it_closes_is_done() -> None:
    async def scenario() -> None:
        engine, _ = engine_of()
        connection, _ = connection_of(engine)
        done = list[str]()

        async def work(name: str) -> None:
            done.append(name)

        connection.post(work("begun"))
        await asyncio.sleep(0)
        connection.close()
        assert not connection.post(work("too late"))
        await asyncio.sleep(1)
        assert done == ["begun"]
        engine.wheel.stop()

    virtual_time.run(scenario())


def test_the_greeting_says_what_is_in_force_to_the_millisecond() -> None:
    engine = Engine(ping_interval=0.3, ping_timeout=1.5, limits=EngineLimits(message_bytes=1234))

    assert json.loads(engine.greeting("abc", can_upgrade=True)[1:]) == {
        "sid": "abc",
        "upgrades": ["websocket"],
        "pingInterval": 300,
        "pingTimeout": 1500,
        "maxPayload": 1234,
    }
    assert json.loads(engine.greeting("abc", can_upgrade=False)[1:])["upgrades"] == []
