"""`api.users` of the TypeScript client against a real gateway, by Node's own test runner."""

import os
import subprocess
from pathlib import Path

import pytest

from gateway.identity import Role
from tests.conftest import StartGateway
from tests.toolbox import programs
from tests.toolbox.strict_gateway import SECRET, token_of

pytestmark = pytest.mark.journey


def test_users_and_sessions_through_the_client(start_gateway: StartGateway, tmp_path: Path) -> None:
    gateway = start_gateway(
        PACELINE_ENV="production",
        PACELINE_JWT_SECRET=SECRET,
        PACELINE_JWT_LEEWAY_SECONDS="0",
        PACELINE_ACCESS_TOKEN_SECONDS="4",
        PACELINE_TOKEN_WARNING_SECONDS="2",
        DATABASE_URL=f"sqlite:///{tmp_path}/users.db",
    )
    environment = {"GATEWAY": gateway.url, "ADMIN": token_of("an admin", Role.ADMIN)}

    tested = subprocess.run(
        [str(programs.node()), "--test", str(programs.CLIENTS / "users.test.mjs")],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )

    assert tested.returncode == 0, tested.stdout
    assert "# pass 5" in tested.stdout
