"""This module owns which files follow from the classes; `python -m protocol.generate` writes them.

Everything else in this package computes; this alone writes, and only when it is run. AsyncAPI's
YAML needs PyYAML, which only those who develop Paceline have.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from protocol.asyncapi import asyncapi_document
from protocol.openapi import openapi_document
from protocol.reference import reference_page
from protocol.typescript import reports_source, rest_source, typescript_source

REPOSITORY: Final = Path(__file__).resolve().parents[1]


def _asyncapi_yaml() -> str:
    return msgspec.yaml.encode(asyncapi_document()).decode()


def _openapi_yaml() -> str:
    return msgspec.yaml.encode(openapi_document()).decode()


# From the repository's root: the file, and what makes its text.
GENERATED: Final[dict[str, Callable[[], str]]] = {
    "docs/reference/events.md": reference_page,
    "protocol/asyncapi.yaml": _asyncapi_yaml,
    "protocol/openapi.yaml": _openapi_yaml,
    "protocol/typescript/events.d.ts": typescript_source,
    "protocol/typescript/reports.d.ts": reports_source,
    "protocol/typescript/rest.d.ts": rest_source,
}


def write_all(root: Path) -> list[str]:
    """Write every generated file below `root`; return those that were not up to date."""
    changed = []
    for name, text_of in GENERATED.items():
        path, text = root / name, text_of()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            changed.append(name)
    return changed


if __name__ == "__main__":
    for written in write_all(REPOSITORY):
        sys.stdout.write(f"wrote {written}\n")
