"""How every command meets the world."""

from __future__ import annotations

import asyncio

import pytest

from gateway.cli.running import complain, run_to_end, settings_of


def test_variables_of_commands_that_talk_to_a_gateway_are_no_settings_of_one() -> None:
    settings = settings_of(
        {"PACELINE_ENV": "development", "PACELINE_URL": "http://gateway", "PACELINE_TOKEN": "x.y.z"}
    )

    assert settings.unknown_variables == ()


def test_work_is_run_to_its_end_and_its_result_handed_back() -> None:
    async def work() -> int:
        await asyncio.sleep(0)
        return 7

    assert run_to_end(work()) == 7


def test_complaints_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    complain("one", "two")

    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "one\ntwo\n")


def test_what_a_complaint_quotes_is_not_obeyed_by_a_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    complain("line 2: \x1b]0;title\x07\x9b31m\rrole: no\tsuch field\nZoë")

    said = "line 2: \\x1b]0;title\\x07\\x9b31m\\x0drole: no\tsuch field\nZoë\n"
    assert capsys.readouterr().err == said
