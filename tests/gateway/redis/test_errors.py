from __future__ import annotations

import pytest

from gateway.redis.errors import (
    RedisAway,
    RedisRefused,
    exception_of,
    is_wrong_server,
    redirection_of,
)


@pytest.mark.parametrize(
    "text",
    [
        "OOM command not allowed when used memory > 'maxmemory'.",
        "LOADING Redis is loading the dataset in memory",
        "READONLY You can't write against a read only replica.",
        "CLUSTERDOWN The cluster is down",
        "MISCONF Redis is configured to save RDB snapshots, but ...",
    ],
)
def test_a_state_of_the_server_is_worth_another_try(text: str) -> None:
    assert isinstance(exception_of(Exception(text)), RedisAway)


@pytest.mark.parametrize("text", ["ERR unknown command", "WRONGTYPE Operation against", ""])
def test_anything_else_is_a_mistake(text: str) -> None:
    assert isinstance(exception_of(Exception(text)), RedisRefused)


def test_a_replica_is_the_wrong_server_and_a_full_one_is_not() -> None:
    assert is_wrong_server(Exception("READONLY You can't write"))
    assert not is_wrong_server(Exception("OOM command not allowed"))


@pytest.mark.parametrize(
    ("text", "redirection"),
    [
        ("MOVED 3999 127.0.0.1:6381", ("MOVED", 3999, "127.0.0.1", 6381)),
        ("ASK 1 ::1:6381", ("ASK", 1, "::1", 6381)),
        ("MOVED 5 :7000", ("MOVED", 5, "", 7000)),
        ("ERR MOVED 5 a:7000", None),
    ],
)
def test_a_redirection_says_where_to(
    text: str, redirection: tuple[str, int, str, int] | None
) -> None:
    assert redirection_of(Exception(text)) == redirection
