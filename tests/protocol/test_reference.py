import pytest

from protocol import reference
from protocol.catalogue import CLIENT_EVENTS, SERVER_EVENTS
from protocol.refusals import Goodbye, Refusal


def test_a_line_says_what_may_be_sent_and_what_is_answered() -> None:
    assert (
        "| `join-room` | `roomId` or `{roomId, since?, snapshot?}` "
        "| `{roomId, cursor, recovered?, missed?, snapshot?}` | join | Enter a room. |"
    ) in reference.client_events_table()


def test_a_line_says_what_comes_from_the_server() -> None:
    assert (
        "| `goodbye` | `{code, reason, reconnectAfterMs?}` "
        "| The gateway is about to close this socket. |"
    ) in reference.server_events_table()


@pytest.mark.parametrize(
    ("table", "rows"),
    [
        (reference.client_events_table(), len(CLIENT_EVENTS)),
        (reference.server_events_table(), len(SERVER_EVENTS)),
        (reference.refusals_table(), len(Refusal)),
        (reference.goodbyes_table(), len(Goodbye)),
    ],
)
def test_a_table_is_whole_and_straight(table: str, rows: int) -> None:
    lines = table.splitlines()

    assert len(lines) == rows + 2
    assert len({line.count("|") for line in lines}) == 1
    assert table in reference.reference_page()
