import json
import re
import subprocess
import tomllib
from pathlib import Path

import msgspec

from protocol.catalogue import CLIENT_EVENTS, CONTRACT_VERSION, SERVER_EVENTS, wire_shapes
from protocol.refusals import Goodbye, Refusal
from protocol.sessions import Tokens
from protocol.typescript import rest_source, typescript_source
from protocol.users import NewUser, UserChanges, UserListing, UserView
from tests.toolbox import programs


def test_an_application_compiles_against_the_types_and_its_mistakes_are_found() -> None:
    compiler = programs.CLIENTS / "node_modules" / "typescript" / "bin" / "tsc"
    project = Path(__file__).with_name("tsconfig.json")

    compiled = subprocess.run(
        [str(programs.node()), str(compiler), "--project", str(project)],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )

    assert compiled.returncode == 0, compiled.stdout


def test_every_event_and_every_code_has_its_type() -> None:
    source = typescript_source()

    assert re.findall(r'^  "([a-z-]+)":', source, re.MULTILINE) == [*CLIENT_EVENTS, *SERVER_EVENTS]
    for refusal in Refusal:
        assert f'  | "{refusal.code}"' in source
    for goodbye in Goodbye:
        assert f"  | {goodbye.code}" in source


SOURCES = [
    *((typescript_source, shape) for shape in wire_shapes()),
    *((rest_source, shape) for shape in (NewUser, UserChanges, UserListing, UserView, Tokens)),
]


def test_an_interface_has_the_fields_that_are_on_the_wire() -> None:
    for source_of, shape in SOURCES:
        source = source_of()
        _, head, rest = source.partition(f"\nexport interface {shape.__name__} {{\n")
        assert head, shape
        fields = dict(re.findall(r"^  (\w+)(\??): ", rest.partition("\n}")[0], re.MULTILINE))

        assert fields == {
            field.encode_name: "" if field.required else "?"
            for field in msgspec.structs.fields(shape)
        }


def test_the_contract_has_one_version() -> None:
    package = programs.REPOSITORY / "protocol" / "typescript" / "package.json"
    project = tomllib.loads((programs.REPOSITORY / "pyproject.toml").read_text())["project"]

    assert json.loads(package.read_text())["version"] == CONTRACT_VERSION == project["version"]
