"""`python -m gateway` is `paceline`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.toolbox.programs import REPOSITORY

PROGRAMS = [[sys.executable, "-m", "gateway"], [str(Path(sys.executable).with_name("paceline"))]]


@pytest.mark.parametrize("program", PROGRAMS, ids=["module", "script"])
def test_both_names_of_the_command_do_the_same(program: list[str]) -> None:
    asked = subprocess.run(
        [*program, "token", "--sub", "ada"],
        env={"PACELINE_ENV": "development", "PACELINE_JWT_SECRET": "short"},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )

    assert (asked.returncode, asked.stderr) == (0, "")
    assert asked.stdout.count(".") == 2


def test_without_a_command_it_says_what_there_is() -> None:
    asked = subprocess.run(
        [sys.executable, "-m", "gateway"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )

    assert asked.returncode == 2
    assert "usage: paceline" in asked.stderr
    assert "Traceback" not in asked.stderr
