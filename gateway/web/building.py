"""This module owns the building of the page and of the client package, in a clone.

`python -m gateway.web.building` does what is not done yet: it finds Node or fetches it from PyPI,
installs what package-lock.json names, compiles, and leaves a stamp, so that a second run takes no
time. A distribution carries the built files, and neither this module nor the sources.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from gateway.codings import compressed

FOLDER: Final = Path(__file__).resolve().parent
BUILT: Final = FOLDER / "built"
REPOSITORY: Final = FOLDER.parents[1]
NODE_VERSION_LEAST: Final = (20, 19)  # what Vite asks for

_PAGE: Final = FOLDER / "page"
_CLIENT: Final = REPOSITORY / "protocol" / "typescript"
_STAMP: Final = BUILT / ".stamp"
_COMPILER: Final = "node_modules/typescript/bin/tsc"
_BUNDLER: Final = "node_modules/vite/bin/vite.js"
# How much of a program's complaint is shown: its last lines say what went wrong.
_COMPLAINT_LINES: Final = 30


class CannotBuild(Exception):
    """Something that the building needs is not to be had; the message says what."""


def build() -> bool:
    """Build what is stale; False when nothing was. Raises `CannotBuild`."""
    stamp = _stamp_of(_sources())
    is_whole = _STAMP.exists() and (_CLIENT / "dist").exists()
    if is_whole and _STAMP.read_text() == stamp:
        return False
    node, npm = _node_and_npm_fetched()
    install_packages(node, npm, REPOSITORY)
    for arguments in (
        [_COMPILER, "--project", str(_CLIENT)],
        [_COMPILER, "--project", str(_PAGE)],
        [_BUNDLER, "build", "--logLevel", "warn", str(_PAGE)],
    ):
        _run([str(node), *arguments], REPOSITORY)
    _write_zstandard_twins(_STAMP.parent)
    _STAMP.write_text(stamp)
    return True


def node_and_npm() -> tuple[Path, Path]:
    """Node and npm of one installation: the machine's, else those beside this Python.

    Raises `CannotBuild` when there is none, or only one that is too old.
    """
    for folders in (None, str(Path(sys.executable).parent)):
        node, npm = (shutil.which(name, path=folders) for name in ("node", "npm"))
        if node and npm and _version_of(node) >= NODE_VERSION_LEAST:
            return Path(node), Path(npm)
    version = ".".join(map(str, NODE_VERSION_LEAST))
    raise CannotBuild(f"there is no Node {version} or newer with npm on this machine")


def fetch_node() -> None:
    """Install Node from PyPI beside this Python; raises `CannotBuild`."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    _run([*pip, "--require-hashes", "-r", str(FOLDER / "node.lock")], REPOSITORY)


def install_packages(node: Path, npm: Path, folder: Path) -> None:
    """Make node_modules of a folder what its package-lock.json says; raises `CannotBuild`.

    No script of a package is run: none is needed, and they would run with the user's rights.
    """
    lock, marker = folder / "package-lock.json", folder / "node_modules" / ".installed"
    if marker.exists() and marker.read_bytes() == lock.read_bytes():
        return
    quietly = ["--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"]
    # npm is a script that finds its node by name
    path = os.pathsep.join([str(node.parent), os.environ.get("PATH", os.defpath)])
    _run([str(npm), "ci", "--ignore-scripts", *quietly], folder, PATH=path)
    marker.write_bytes(lock.read_bytes())


def main(arguments: Sequence[str]) -> int:
    """Build; with `--if-possible` a failure is a remark, since the gateway works without a page."""
    parser = argparse.ArgumentParser(prog="python -m gateway.web.building")
    parser.add_argument("--if-possible", action="store_true")
    namespace = parser.parse_args(arguments)
    try:
        build()
    except CannotBuild as reason:
        sys.stderr.write(f"The page was not built: {reason}.\n")
        if not namespace.if_possible:
            return 1
        sys.stderr.write("The gateway works without it; only / has nothing to show.\n")
    return 0


def _write_zstandard_twins(folder: Path) -> None:
    """Beside the twins that the bundler writes, which knows two codings."""
    for twin in folder.rglob("*.gz"):
        path = twin.with_suffix("")
        zst = path.with_name(f"{path.name}.zst")
        zst.write_bytes(compressed(path.read_bytes(), "zstd", once=True))


def _node_and_npm_fetched() -> tuple[Path, Path]:
    try:
        return node_and_npm()
    except CannotBuild:
        _say("Fetching Node from PyPI, to build the page ...")
        fetch_node()
        return node_and_npm()


def _version_of(node: str) -> tuple[int, ...]:
    answer = subprocess.run(  # noqa: S603 - a program that was found on PATH, asked for its version
        [node, "--version"], capture_output=True, text=True, check=False
    )
    parts = answer.stdout.strip().removeprefix("v").split(".")[:2]
    return tuple(int(part) for part in parts if part.isdigit())


def _sources() -> Iterator[Path]:
    yield REPOSITORY / "package-lock.json"
    yield _CLIENT / "events.d.ts"
    for folder in (_CLIENT, _PAGE):
        yield from sorted(folder.glob("*.*"))
        for part in ("src", "public"):
            yield from sorted(path for path in (folder / part).rglob("*") if path.is_file())


def _stamp_of(sources: Iterator[Path]) -> str:
    digest = hashlib.sha256()
    for path in sources:
        digest.update(f"{path.relative_to(REPOSITORY)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _run(command: Sequence[str], folder: Path, **environment: str) -> None:
    _say(f"+ {' '.join(map(str, command))}")
    try:
        done = subprocess.run(  # noqa: S603 - npm, Node and pip, with arguments of our own
            command,
            cwd=folder,
            env=os.environ | environment,
            check=False,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
    except OSError as error:
        raise CannotBuild(f"{command[0]} cannot be started: {error.strerror}") from error
    if done.returncode:
        complaint = "\n".join(done.stdout.splitlines()[-_COMPLAINT_LINES:])
        raise CannotBuild(f"{' '.join(command)} failed:\n{complaint}\n")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
