"""This module owns what documents hold for a test: blocks that are to be run, tables, links."""

import re
from pathlib import Path
from typing import NamedTuple

_MARKED_BLOCK = re.compile(
    r"<!-- run by tests/journeys/test_first_steps\.py(?:: (?P<name>\S+))? -->\n"
    r"```(?P<language>\w+)\n(?P<text>.*?)```",
    re.DOTALL,
)
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_INDENTED = re.compile(r"^    .*\n(?:(?:    .*)?\n)*", re.MULTILINE)
_LINK = re.compile(r"\]\((?!https?://)([^)#\s]*)(#[^)\s]+)?\)")
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


class Block(NamedTuple):
    """A block that a reader would copy; `name` is the file to save it as, if there is one."""

    language: str
    text: str
    name: str | None


def marked_blocks(document: Path) -> list[Block]:
    """Blocks under the comment that promises they are run."""
    found = _MARKED_BLOCK.finditer(document.read_text())
    return [Block(match["language"], match["text"], match["name"]) for match in found]


def blocks(document: Path) -> list[tuple[str, str]]:
    """Every fenced block: its language and its text."""
    return _BLOCK.findall(document.read_text())


def indented_block(document: Path, first_line: str) -> str:
    """The indented block that begins with this line."""
    found = (match[0] for match in _INDENTED.finditer(document.read_text()))
    (text,) = (block for block in found if block.startswith(f"    {first_line}\n"))
    return text


def table_rows(document: Path) -> list[list[str]]:
    """The cells of every row of every table, without the lines below the heads."""
    rows = [line for line in document.read_text().splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    return [row for row in cells if not all(set(cell) <= {"-"} and cell for cell in row)]


def links(document: Path) -> list[tuple[str, str]]:
    """Links within the repository: (path or nothing, anchor or nothing)."""
    return [
        (path, anchor.removeprefix("#")) for path, anchor in _LINK.findall(document.read_text())
    ]


def anchors(document: Path) -> set[str]:
    """The headings of a document, as GitHub makes anchors of them."""
    headings = _HEADING.findall(document.read_text())
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
