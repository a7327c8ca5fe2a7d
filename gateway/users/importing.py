"""This module owns reading users out of files: CSV with a head, or a JSON object on each line."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from protocol.bodies import body_of, parameters_of
from protocol.refusals import Refused
from protocol.users import NewUser

LINE_LIMIT_CHARACTERS: Final = 65_536


class Rejected(msgspec.Struct, frozen=True):
    """A line that makes no user, and why; lines count from 1 on, the head of a CSV included."""

    line: int
    fields: dict[str, str]


class Accepted(msgspec.Struct, frozen=True):
    """A line that makes a user."""

    line: int
    body: NewUser


def from_ndjson(lines: Iterable[str]) -> Iterator[Accepted | Rejected]:
    """What each line of JSON asks for; empty lines are skipped."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        if problem := _problem_of(line):
            yield Rejected(number, {"line": problem})
            continue
        try:
            yield Accepted(number, body_of(line.encode(), NewUser))
        except Refused as refused:
            yield Rejected(number, _fields_of(refused))


def from_csv(lines: Iterable[str]) -> Iterator[Accepted | Rejected]:
    """What each row asks for, by the names in the first one; an empty cell is a field left out."""
    rows = csv.reader(lines)
    head: list[str] | None = None
    while True:
        try:
            row = next(rows, None)
        except csv.Error as error:
            yield Rejected(rows.line_num, {"line": f"Not CSV: {error}."})
            continue
        if row is None:
            return
        if head is None:
            head = [name.strip() for name in row]
        elif any(cell.strip() for cell in row):
            yield _of_row(rows.line_num, head, row)


def _of_row(number: int, head: list[str], row: list[str]) -> Accepted | Rejected:
    if len(row) != len(head):
        return Rejected(number, {"line": f"It has {len(row)} cells; the head has {len(head)}."})
    if problem := _problem_of("".join(row)):
        return Rejected(number, {"line": problem})
    pairs = [(name, cell.strip()) for name, cell in zip(head, row, strict=True) if cell.strip()]
    try:
        return Accepted(number, parameters_of(pairs, NewUser))
    except Refused as refused:
        return Rejected(number, _fields_of(refused))


def _problem_of(text: str) -> str | None:
    if len(text) > LINE_LIMIT_CHARACTERS:
        return f"It is longer than {LINE_LIMIT_CHARACTERS} characters."
    # How Python keeps bytes that are not UTF-8.
    if any("\udc80" <= character <= "\udcff" for character in text):
        return "It is not UTF-8."
    return None


def _fields_of(refused: Refused) -> dict[str, str]:
    fields: dict[str, str] = (refused.details or {}).get("fields", {})
    return fields or {"line": refused.message}
