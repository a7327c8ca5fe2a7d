"""The house keeps its own rules: arrows, floors, sizes, names, and a test file for every module."""

import ast
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.toolbox.programs import REPOSITORY

PACKAGES = ("gateway", "paceline_publisher", "protocol", "loadtest")
FILE_LIMIT_LINES = 400
# Folders that tools write; git ignores them too.
GENERATED = {".cache", ".git", ".hypothesis", ".venv", "build", "built", "dist", "node_modules"}
# Names of drawers: anything fits in, nobody knows what is inside.
DRAWERS = {"base", "common", "core", "helper", "helpers", "manager", "misc", "util", "utils"}

NPM_PACKAGES = (
    "tests/clients/package.json",
    "protocol/typescript/package.json",
    "gateway/web/page/package.json",
)
NPM_KINDS = ("dependencies", "devDependencies")

# A module without a test file of its name, and where its tests are instead.
TESTED_ELSEWHERE = {
    "gateway/__main__.py": "two lines; every journey starts the gateway through it",
    "gateway/attendance.py": "the tests of the hub, test_hub*.py, which tells it everything",
    "gateway/reading.py": "the same: test_hub_joining.py, test_hub_catching_up.py",
    "gateway/broker/memory_lockers.py": "the contract suite, test_lockers.py",
    "gateway/broker/redis/lockers.py": "the same",
    "gateway/broker/memory_sessions.py": "the contract suite, test_sessions.py",
    "gateway/broker/redis/sessions.py": "the contract suite, test_sessions.py",
    "gateway/sockets/lobby.py": "the tests of the entrance, the namespace and recovery",
    "gateway/users/sql_api_keys.py": "test_api_keys.py runs over every database",
    "gateway/users/sql_changes.py": "test_changes.py runs over every database",
    "gateway/users/sql_sessions.py": "test_session.py, the contract, runs over every database",
    "gateway/openid/discovery.py": "rest/sign_in/test_lies.py, with a hostile provider",
    "gateway/openid/id_token.py": "the same",
    "gateway/openid/provider.py": "the same",
    "gateway/openid/sign_ins.py": "rest/sign_in/, all of it",
    "gateway/rest/sign_in.py": "rest/sign_in/, all of it",
    "gateway/settings/urls.py": "test_checks.py, for the settings that are URLs",
    "gateway/users/sql_external.py": "test_external.py runs over every database",
    "gateway/users/migrations/env.py": "test_schema.py goes forward and back on every database",
    "gateway/users/migrations/versions/m0001_users.py": "the same, with data in the tables",
    "gateway/users/migrations/versions/m0002_sessions.py": "the same",
    "gateway/users/migrations/versions/m0003_changes.py": "the same",
    "gateway/users/migrations/versions/m0004_api_keys.py": "the same",
    "gateway/users/migrations/versions/m0005_jobs.py": "the same",
    "gateway/users/migrations/versions/m0006_proofs.py": "the same",
    "gateway/users/housekeeping.py": "jobs/test_housekeeping.py runs over every database",
    "gateway/users/sql_housekeeping.py": "the same",
    "gateway/users/sql_jobs.py": "test_job.py, the contract, runs over every database",
    "gateway/users/sql_occupancy.py": "test_occupancy.py, the contract, runs over every database",
    "gateway/users/sql_proofs.py": "test_proof.py, the contract, runs over every database",
    "gateway/users/proving.py": "jobs/test_mail.py, with the mails, and rest/test_proofs.py",
    "gateway/users/migrations/versions/m0007_external_identities.py": "the same",
    "gateway/users/migrations/versions/m0008_audit.py": "the same",
    "protocol/sign_in.py": "bodies alone; rest/sign_in/ asks with them",
    "protocol/operations/keys.py": "rows; test_table.py and test_routes.py go through all of them",
    "protocol/operations/audit.py": "the same",
    "protocol/operations/proofs.py": "the same",
    "protocol/operations/rooms.py": "the same",
    "protocol/operations/sessions.py": "the same",
    "protocol/operations/trackers.py": "the same",
    "protocol/operations/sign_in.py": "the same",
    "protocol/operations/users.py": "the same",
    "protocol/operations/workers.py": "the same",
    "protocol/workers.py": "bodies of answers alone; test_workers.py of the resource reads them",
    "gateway/reports/report.py": "two shapes; test_gathering.py sends them from worker to worker",
    "gateway/operations.py": "wiring; test_watchers.py and the page's journey go through all of it",
    "protocol/trackers/report.py": "an answer; the tests of gateway/rest/trackers.py look at it",
    "gateway/publishing.py": "test_ingest.py, and whoever publishes over HTTP, go through it",
    "gateway/rest/publishing.py": "test_events.py and test_trackers.py publish through it",
}


def test_the_arrows_hold() -> None:
    linted = _lint_imports(REPOSITORY)

    assert linted.returncode == 0, linted.stdout + linted.stderr


# One line in one file that breaks one rule: (contract, file, line, what the report must name).
PLANTS = [
    (
        "The house has floors, and stairs only go down",
        "gateway/rooms/planted_upstairs.py",
        "import gateway.broker.contract",
        "gateway.rooms.planted_upstairs -> gateway.broker.contract",
    ),
    (
        "The house has floors, and stairs only go down",
        "gateway/rest/planted_neighbour.py",
        "import gateway.sockets",
        "gateway.rest.planted_neighbour -> gateway.sockets",
    ),
    (
        "The house has floors, and stairs only go down",
        "gateway/drawer.py",
        "",
        "gateway.drawer",
    ),
    (
        "The wire contract knows nobody; the load knows only the wire contract",
        "protocol/planted_upstairs.py",
        "import gateway.rooms",
        "protocol.planted_upstairs -> gateway.rooms",
    ),
    (
        "The wire contract knows nobody; the load knows only the wire contract",
        "loadtest/planted_shortcut.py",
        "import gateway.hub",
        "loadtest.planted_shortcut -> gateway.hub",
    ),
    (
        "Decisions do no I/O, read no clock and write no log",
        "gateway/rooms/planted_clock.py",
        "import time",
        "gateway.rooms.planted_clock -> time",
    ),
    (
        "Decisions do no I/O, read no clock and write no log",
        "gateway/identity/planted_log.py",
        "import logging",
        "gateway.identity.planted_log -> logging",
    ),
    (
        "Decisions do no I/O, read no clock and write no log",
        "protocol/planted_io.py",
        "import asyncio",
        "protocol.planted_io -> asyncio",
    ),
    (
        "Only the wiring picks a backend",
        "gateway/hub.py",
        "import gateway.broker.memory",
        "gateway.hub -> gateway.broker.memory",
    ),
    (
        "Only the wiring picks a backend",
        "gateway/sockets/planted_driver.py",
        "import redis",
        "gateway.sockets.planted_driver -> redis",
    ),
    (
        "Socket.IO stays behind the sockets door",
        "gateway/hub.py",
        "import socketio",
        "gateway.hub -> socketio",
    ),
    (
        "Socket.IO stays behind the sockets door",
        "gateway/rest/planted_engine.py",
        "import engineio",
        "gateway.rest.planted_engine -> engineio",
    ),
    (
        "No circles",
        "gateway/rooms/planted_circle.py",
        "import gateway.rooms.planted_circle_again",
        "gateway.rooms",
    ),
    (
        "No circles",
        "gateway/rooms/planted_circle_again.py",
        "import gateway.rooms.planted_circle",
        "planted_circle",
    ),
]


@pytest.fixture(scope="module")
def report_on_the_plants(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What import-linter says of a copy of the house in which every rule is broken, by contract."""
    copy = tmp_path_factory.mktemp("house")
    shutil.copy(REPOSITORY / "pyproject.toml", copy)
    for package in PACKAGES:
        only_code = shutil.ignore_patterns("__pycache__", "node_modules")
        shutil.copytree(REPOSITORY / package, copy / package, ignore=only_code)
    for _, path, line, _ in PLANTS:
        with (copy / path).open("a") as module:
            module.write(f"\n{line}\n")
    broken = _lint_imports(copy)
    assert broken.returncode == 1, broken.stdout + broken.stderr
    _, _, details = broken.stdout.partition("Broken contracts")
    return {name: _section_of(details, name) for name in {name for name, *_ in PLANTS}}


@pytest.mark.parametrize(("contract", "path", "line", "named"), PLANTS)
def test_a_broken_rule_is_reported_by_the_contract_that_states_it(
    report_on_the_plants: dict[str, str], contract: str, path: str, line: str, named: str
) -> None:
    assert named in report_on_the_plants[contract]


def test_every_module_has_its_test_file() -> None:
    modules = [path for path in _own_modules() if path.parts[0] in {"gateway", "protocol"}]
    without = [
        str(module)
        for module in modules
        if str(module) not in TESTED_ELSEWHERE and not _test_file_of(module).exists()
    ]

    assert without == []


def test_every_exemption_from_a_test_file_is_still_needed() -> None:
    needless = [
        module
        for module in TESTED_ELSEWHERE
        if (REPOSITORY / module).exists() and _test_file_of(Path(module)).exists()
    ]

    assert needless == []


def test_no_file_is_longer_than_anyone_wants_to_read() -> None:
    lengths = {
        str(path): len((REPOSITORY / path).read_text().splitlines()) for path in _files(".py")
    }

    assert {path: lines for path, lines in lengths.items() if lines > FILE_LIMIT_LINES} == {}


def test_nothing_is_named_like_a_drawer() -> None:
    drawers = [
        str(path)
        for path in _files(".py", ".mjs", ".js", ".ts", ".lua")
        if DRAWERS & {Path(part).stem for part in path.parts}
    ]

    assert drawers == []


def test_a_package_says_what_it_is_and_holds_no_logic() -> None:
    for init in (path for path in _files(".py") if path.name == "__init__.py"):
        module = ast.parse((REPOSITORY / init).read_text())
        logic = [ast.unparse(part) for part in module.body[1:] if not _is_re_export(part)]

        assert ast.get_docstring(module), f"{init} does not say what the package is"
        assert logic == [], f"{init} holds more than its docstring and the names it hands on"


def test_every_dependency_has_its_line_of_reason() -> None:
    documented = (REPOSITORY / "docs" / "dependencies.md").read_text()
    unexplained = [name for name in _dependencies() if f"| `{name}` |" not in documented]

    assert unexplained == []


def _lint_imports(folder: Path) -> "subprocess.CompletedProcess[str]":
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [str(program), "--no-cache", "--no-logo"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def _section_of(details: str, contract: str) -> str:
    """What the report says under one contract's underlined name."""
    _, _, section = details.partition(f"{contract}\n{'-' * len(contract)}\n")
    return section.partition("\n---")[0]


def _is_re_export(statement: ast.stmt) -> bool:
    is_import = isinstance(statement, ast.ImportFrom)
    return is_import or ast.unparse(statement).startswith("__all__ = ")


def _files(*suffixes: str) -> list[Path]:
    """Files with these suffixes, relative to the repository; not what tools have put there."""
    paths = (path.relative_to(REPOSITORY) for path in _walk(REPOSITORY))
    return sorted(path for path in paths if path.suffix in suffixes)


def _walk(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_file():
            yield path
        elif path.name not in GENERATED and not path.is_symlink():
            yield from _walk(path)


def _own_modules() -> list[Path]:
    return [
        path for path in _files(".py") if path.parts[0] in PACKAGES and path.name != "__init__.py"
    ]


def _test_file_of(module: Path) -> Path:
    return REPOSITORY / "tests" / module.parent / f"test_{module.name.lstrip('_')}"


def _dependencies() -> list[str]:
    """Names of everything that pyproject.toml and every package.json ask for, but for our own."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    groups = [
        project["project"]["dependencies"],
        *project["project"]["optional-dependencies"].values(),
        *project["dependency-groups"].values(),
    ]
    python = [re.split(r"[\[<>=;! ]", line)[0] for group in groups for line in group]
    packages = [json.loads((REPOSITORY / path).read_text()) for path in NPM_PACKAGES]
    lists = [package.get(kind, {}) for package in packages for kind in NPM_KINDS]
    ours = {package["name"] for package in packages}
    return [*python, *sorted({name for names in lists for name in names} - ours)]
