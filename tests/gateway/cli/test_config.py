"""`paceline config`."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.cli import run

SECRET = "a-secret-of-thirty-two-bytes-or-more"
PRODUCTION = {"PACELINE_JWT_SECRET": SECRET}
Captured = pytest.CaptureFixture[str]


def test_what_is_in_force_is_shown_without_its_secrets(capsys: Captured) -> None:
    environ = PRODUCTION | {
        "PORT": "9000",
        "DATABASE_URL": "postgresql://paceline:hunter2@db/paceline",
    }

    assert run(["config", "check"], environ) == 0

    out = capsys.readouterr().out
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines()}
    assert rows["PORT"] == ["9000", "(environment)"]
    assert rows["PACELINE_DRAIN_SECONDS"] == ["20.0", "(default)"]
    assert rows["PACELINE_JWT_SECRET"] == ["********", "(environment)"]
    assert SECRET not in out
    assert "hunter2" not in out


def test_providers_are_shown_without_their_secrets(capsys: Captured, tmp_path: Path) -> None:
    config, secret = tmp_path / "paceline.toml", tmp_path / "secret"
    secret.write_text("hunter2")
    config.write_text(
        "[[provider]]\nname = 'work'\nissuer = 'https://id.example'\nclient_id = 'paceline'\n"
    )
    environ = PRODUCTION | {
        "PACELINE_CONFIG": str(config),
        "PACELINE_PUBLIC_URL": "https://maps.example",
        "PACELINE_CLIENT_SECRET_WORK_FILE": str(secret),
    }

    assert run(["config", "check"], environ) == 0

    out = capsys.readouterr().out
    assert "[[provider]] work" in out
    assert "https://id.example, client paceline, secret ********  (file)" in out
    assert "hunter2" not in out


def test_a_setting_that_is_none_is_warned_of(capsys: Captured) -> None:
    of_other_commands = {"PACELINE_URL": "http://gateway", "PACELINE_TOKEN": "x.y.z"}
    environ = PRODUCTION | {"PACELINE_COLOUR": "blue"} | of_other_commands

    assert run(["config", "check"], environ) == 0

    warnings = [line for line in capsys.readouterr().out.splitlines() if "warning" in line]
    assert warnings == ["warning: PACELINE_COLOUR is not a setting and has no effect."]
