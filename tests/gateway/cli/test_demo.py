"""`paceline demo`."""

from __future__ import annotations

import pytest

from gateway.cli import run

Captured = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    "arguments", [["--bikes", "-1"], ["--room", ""], ["--url", "localhost:8080"]]
)
def test_options_that_make_no_sense_are_refused(arguments: list[str], capsys: Captured) -> None:
    assert run(["demo", *arguments], {}) == 2
    assert capsys.readouterr().err


def test_a_level_that_the_log_has_not_is_refused(capsys: Captured) -> None:
    assert run(["demo"], {"LOG_LEVEL": "loud"}) == 2
    assert "LOG_LEVEL is 'LOUD'" in capsys.readouterr().err
