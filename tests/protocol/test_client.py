"""The parts of the client package that need no gateway, tested by Node's own test runner."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from protocol.bikes import key_of
from tests.toolbox import documents, programs
from tests.toolbox.programs import REPOSITORY

TESTS = Path(__file__).with_name("client")
GUIDE = REPOSITORY / "docs" / "how-to" / "typescript-client.md"
UPDATES: list[dict[str, Any]] = [
    {"bike_id": "a"},
    {"bike_id": 17},
    {"vehicle_id": "v", "id": "i"},
    {"bikeId": "b", "station_id": "s"},
    {"bike_id": None, "id": "i"},
    {"bike_id": True, "id": "i"},
    {"bike_id": 1.5, "vehicle_id": "v"},
    {"bike_id": "", "id": "i"},
    {"bike_id": "x" * 200},
    {"bike_id": "x" * 201, "id": "i"},
    {"bike_id": "🚲" * 200},
    {"bike_id": "🚲" * 201},
    {"bike_id": {"of": 1}, "station_id": "s"},
    {"station_id": "s"},
    {"station_id": 9},
    {"station_id": ""},
    {"station_id": "s" * 192},
    {"station_id": "s" * 193},
    {"station_id": []},
    {},
]


def test_the_client_keeps_its_rules(tmp_path: Path) -> None:
    identities = tmp_path / "identities.json"
    identities.write_text(json.dumps([[update, key_of(update)] for update in UPDATES]))

    tested = subprocess.run(
        [str(programs.node()), "--test", *map(str, sorted(TESTS.glob("*.test.mjs")))],
        env=os.environ | {"IDENTITIES": str(identities)},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )

    assert tested.returncode == 0, tested.stdout


def test_what_the_guide_shows_compiles(tmp_path: Path) -> None:
    shown = [text for language, text in documents.blocks(GUIDE) if language == "ts"]
    for number, text in enumerate(shown):
        (tmp_path / f"shown-{number}.ts").write_text(f"export {{}};\n{text}")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "node_modules").symlink_to(REPOSITORY / "node_modules")
    compiler = str(REPOSITORY / "node_modules" / "typescript" / "bin" / "tsc")
    options = ["--noEmit", "--strict", "--target", "es2022", "--module", "nodenext"]

    compiled = subprocess.run(
        [str(programs.node()), compiler, *options, *map(str, sorted(tmp_path.glob("*.ts")))],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )

    assert len(shown) > 2
    assert compiled.returncode == 0, compiled.stdout
