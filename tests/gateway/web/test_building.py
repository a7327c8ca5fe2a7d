import os
import stat
import sys
from pathlib import Path

import pytest
from backports import zstd

from gateway.web import building
from gateway.web.building import CannotBuild


def program(folder: Path, name: str, *lines: str) -> None:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text("\n".join(["#!/bin/sh", *lines]) + "\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without any Node, neither on PATH nor beside Python; its folder of programs."""
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}/bin")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python" / "python"))
    return programs


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with sources of the page and a lock, in which nothing is built."""
    repository = tmp_path / "clone"
    page, client = repository / "page", repository / "client"
    for folder in (page / "src", client / "src", repository / "built"):
        folder.mkdir(parents=True)
    (page / "src" / "main.ts").write_text("1")
    (client / "events.d.ts").write_text("1")
    (repository / "package-lock.json").write_text("{}")
    monkeypatch.setattr(building, "REPOSITORY", repository)
    monkeypatch.setattr(building, "_PAGE", page)
    monkeypatch.setattr(building, "_CLIENT", client)
    monkeypatch.setattr(building, "_STAMP", repository / "built" / ".stamp")
    return repository


def node_that_notes(machine: Path, clone: Path) -> Path:
    notes = clone / "notes"
    program(
        machine,
        "node",
        '[ "$1" = --version ] && echo v22.1.0 && exit',
        f'echo "node $1" >> {notes}',
        "mkdir -p client/dist",
    )
    program(machine, "npm", f'echo "npm $1" >> {notes}', "mkdir -p node_modules")
    return notes


def test_a_node_that_is_new_enough_is_found(machine: Path) -> None:
    program(machine, "node", "echo v20.19.0")
    program(machine, "npm")

    assert building.node_and_npm() == (machine / "node", machine / "npm")


def test_a_node_that_is_too_old_or_has_no_npm_is_not_taken(machine: Path, tmp_path: Path) -> None:
    program(machine, "node", "echo v20.18.9")
    program(machine, "npm")
    with pytest.raises(CannotBuild, match=r"20\.19"):
        building.node_and_npm()

    beside_python = tmp_path / "python"
    program(beside_python, "node", "echo v24.0.0")
    with pytest.raises(CannotBuild):
        building.node_and_npm()
    program(beside_python, "npm")
    assert building.node_and_npm() == (beside_python / "node", beside_python / "npm")


def test_what_is_built_is_built_again_only_when_a_source_has_changed(
    machine: Path, clone: Path
) -> None:
    notes = node_that_notes(machine, clone)
    compiled = ["node node_modules/typescript/bin/tsc"] * 2 + ["node node_modules/vite/bin/vite.js"]

    assert building.build()
    assert notes.read_text().splitlines() == ["npm ci", *compiled]
    assert not building.build()

    notes.unlink()
    (clone / "page" / "src" / "main.ts").write_text("2")
    assert building.build()
    assert notes.read_text().splitlines() == compiled, "the packages are the same"

    notes.unlink()
    (clone / "client" / "dist").rmdir()
    assert building.build()
    assert notes.read_text().splitlines() == compiled, "half of it was gone"

    notes.unlink()
    (clone / "package-lock.json").write_text('{"other": 1}')
    assert building.build()
    assert notes.read_text().splitlines() == ["npm ci", *compiled]


def test_a_failure_is_told_with_its_reason_and_leaves_no_stamp(
    machine: Path, clone: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    program(machine, "node", '[ "$1" = --version ] && echo v22.1.0 && exit', "exit 3")
    program(machine, "npm", "echo registry not reached", "exit 1")

    assert building.main([]) == 1
    assert building.main(["--if-possible"]) == 0
    told = capfd.readouterr().err
    assert told.count("registry not reached") == 2
    assert "The gateway works without it" in told
    assert not (clone / "built" / ".stamp").exists()


def test_what_has_a_compressed_twin_gets_one_in_zstandard_too(tmp_path: Path) -> None:
    folder = tmp_path / "assets"
    folder.mkdir()
    (folder / "main.js").write_bytes(b"content " * 1000)
    (folder / "main.js.gz").write_bytes(b"the bundler's")
    (folder / "short.js").write_bytes(b"short")

    building._write_zstandard_twins(tmp_path)  # noqa: SLF001 - a whole build takes Node

    assert zstd.decompress((folder / "main.js.zst").read_bytes()) == b"content " * 1000
    assert not (folder / "short.js.zst").exists()
