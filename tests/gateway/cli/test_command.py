"""The command as a whole: what is asked wrongly, and the exit code."""

from __future__ import annotations

import pytest

from gateway.cli import run

SECRET = "a-secret-of-thirty-two-bytes-or-more"
PRODUCTION = {"PACELINE_JWT_SECRET": SECRET}
Captured = pytest.CaptureFixture[str]


@pytest.mark.parametrize("arguments", [[], ["server"], ["config"], ["bridge"], ["token"]])
def test_an_unknown_command_is_argparse_s_own_complaint(
    arguments: list[str], capsys: Captured
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(arguments, {})

    assert ended.value.code == 2
    assert "usage: paceline" in capsys.readouterr().err


def test_every_mistake_in_the_settings_is_told_at_once_on_standard_error(capsys: Captured) -> None:
    environ = {"PORT": "http", "LOG_LEVEL": "loud", "PACELINE_JWT_SECRET": "short"}

    assert run(["serve"], environ) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "The settings are not right:",
        "  PORT is 'http': Expected `int`.",
        "  LOG_LEVEL is 'loud': not one of the values there are.",
        "  PACELINE_JWT_SECRET: secret number 1 has 5 bytes; 32 are needed (openssl rand -hex 32).",
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["publish", "--room", "", "{}"], "--room must be 1 to 200 printable characters."),
        (["publish", "--room", "r", "{"], "DATA: Not plain JSON"),
        (["publish", "--room", "r", "NaN"], "DATA: Not plain JSON"),
        (["publish", "--room", "r", "\udcff"], "DATA: Not plain JSON"),
        (["publish", "--room", "r", "--url", "localhost:8080", "1"], "--url (PACELINE_URL) must"),
        (["publish", "--room", "r", "--url", "http://h:99999", "1"], "--url (PACELINE_URL) must"),
        (["publish", "--room", "r", "--idempotency-key", "a\nb", "1"], "--idempotency-key must"),
        (["token", "--sub", ""], "The token's claims are not right"),
        (["token", "--sub", "a", "--join", ""], "The token's claims are not right"),
        (["token", "--sub", "a", "--ttl", "nan"], "--ttl must be a number of seconds above 0."),
        (["token", "--sub", "a", "--ttl", "inf"], "--ttl must be a number of seconds above 0."),
        (["token", "--sub", "a", "--ttl", "-1"], "--ttl must be a number of seconds above 0."),
        (["bridge", "gbfs", "--room", "r"], "give either an address or --replay SERIES"),
        (["bridge", "gbfs", "x", "--room", "r", "--speed", "-1"], "--speed must be 0 or more"),
    ],
    ids=lambda value: " ".join(value).encode("ascii", "backslashreplace").decode(),
)
def test_an_argument_that_cannot_be_is_complained_about(
    arguments: list[str], said: str, capsys: Captured
) -> None:
    assert run(arguments, PRODUCTION) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(said)


def test_a_token_that_is_none_is_not_sent_nor_shown(capsys: Captured) -> None:
    assert run(["publish", "--room", "", "1"], {"PACELINE_TOKEN": "se\ncret"}) == 2

    assert capsys.readouterr().err.splitlines() == [
        "--room must be 1 to 200 printable characters.",
        "PACELINE_TOKEN holds characters that no token has.",
    ]
