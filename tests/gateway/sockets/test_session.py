from gateway.sockets.engine import Engine
from tests.gateway.sockets.recording_transport import connection_of, session_of


async def test_a_new_peer_has_no_outbox_owes_nothing_and_is_in_no_room() -> None:
    engine = Engine()
    connection, _ = connection_of(engine)
    session = session_of(connection, "peer")
    engine.wheel.stop()

    assert session.outbox is None
    assert session.binary is None
    assert session.look_seconds is None
    assert session.subscriptions == {}
    assert session.write is None, "until its lane is chosen"
    assert not hasattr(session, "__dict__"), "slots are what keeps ten thousand of them small"
