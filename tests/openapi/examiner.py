"""This module owns an examination of the REST side by Schemathesis, as one caller after the other.

The gateway is a real one in production mode; the examiner reads its `/openapi.json` like anybody.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import requests

from gateway.identity import Role
from tests.toolbox.programs import REPOSITORY
from tests.toolbox.strict_gateway import SECRET, token_of

SETTINGS: Final = {"PACELINE_ENV": "production", "PACELINE_JWT_SECRET": SECRET}
_HERE: Final = Path(__file__).parent
_LINE_CHARACTERS: Final = 600  # a URL of 8 KB says no more than its beginning
_PHASES: Final = "coverage,fuzzing,stateful"
_OF_A_CALLER: Final = {"viewer": Role.VIEWER, "operator": Role.OPERATOR}
# The administrator comes last: it may delete the others.
CALLERS: Final = ("nobody", *_OF_A_CALLER, "admin")


class Examination(msgspec.Struct, frozen=True):
    """What one caller's requests have found."""

    caller: str
    requests: int
    seconds: float
    operations: int
    is_passed: bool
    output: str


class Examiner:
    """Examines one gateway; the callers but the administrator are users of it, with passwords."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._folder = folder
        admin = token_of("an admin", Role.ADMIN, 86_400)
        self._tokens: dict[str, str | None] = {"nobody": None, "admin": admin}
        for caller, role in _OF_A_CALLER.items():
            self._tokens[caller] = self._token_of_user(caller, role)

    def examine(
        self, caller: str, seed: int, examples: int, options: Sequence[str] = ()
    ) -> Examination:
        """Send what the seed makes, so many examples of each operation."""
        report = self._folder / f"{caller}-{seed}.json"
        command = [
            *(sys.executable, "-m", "schemathesis.cli"),
            *("--config-file", str(_HERE / "schemathesis.toml"), "--no-color"),
            *("run", f"{self._url}/openapi.json", "--phases", _PHASES, "--checks", "all"),
            *("--seed", str(seed), "--max-examples", str(examples), "--continue-on-failure"),
            *("--generation-database", "none", "--warnings", "off", "--request-timeout", "15"),
            *("--suppress-health-check", "all", "--report-json-path", str(report), *options),
        ]
        if (token := self._tokens[caller]) is not None:
            command += ["--header", f"Authorization: Bearer {token}"]
        done = subprocess.run(
            command,
            cwd=self._folder,
            env={
                **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
                "PYTHONPATH": str(REPOSITORY),
                "SCHEMATHESIS_HOOKS": "tests.openapi.checks",
                "COLUMNS": "120",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        output = done.stdout + done.stderr
        if not report.exists():
            raise RuntimeError(f"Schemathesis did not run:\n{output}")
        found = msgspec.json.decode(report.read_bytes())
        return Examination(
            caller,
            found["test_cases"]["generated"],
            found["running_time"],
            found["operations"]["tested"],
            is_passed=done.returncode == 0 and not found["errors"],
            output="\n".join(line[:_LINE_CHARACTERS] for line in output.splitlines()),
        )

    def refusals(self) -> dict[str, int]:
        """How many refusals of each code the gateway has given since it was started."""
        text = requests.get(f"{self._url}/metrics", timeout=15).text
        counts = re.findall(r'^paceline_refusals_total\{code="(\w+)"\} (\d+)', text, re.MULTILINE)
        return {code: int(count) for code, count in counts if int(count)}

    def _token_of_user(self, name: str, role: Role) -> str:
        """Of a user who is there, so that its own resources are reached, too."""
        body = {"email": f"{name}@example.org", "name": name, "role": role.value}
        user = self._ask("POST", "/api/users", body)["data"]
        password = {"newPassword": f"the password of the {name}"}
        self._ask("PUT", f"/api/users/{user['id']}/password", password)
        return token_of(user["id"], role, 86_400)

    def _ask(self, method: str, path: str, body: dict[str, str]) -> Any:  # noqa: ANN401 - whatever the resource shows
        headers = {"Authorization": f"Bearer {self._tokens['admin']}"}
        answer = requests.request(
            method, f"{self._url}{path}", json=body, headers=headers, timeout=15
        )
        answer.raise_for_status()
        return answer.json() if answer.content else None
