"""Reading users out of files."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.users.importing import LINE_LIMIT_CHARACTERS, Accepted, Rejected, from_csv, from_ndjson
from protocol.users import NewUser

ADA = NewUser(email="ada@example.org", name="Ada")


def named_in(entries: Iterable[Accepted | Rejected]) -> list[tuple[int, set[str]]]:
    """The lines that were rejected, and the fields that are to blame."""
    return [(entry.line, set(entry.fields)) for entry in entries if isinstance(entry, Rejected)]


def test_a_line_of_json_makes_a_user_or_is_rejected_with_every_reason() -> None:
    lines = [
        '{"email": "ada@example.org", "name": "Ada"}\n',
        "\n",
        '{"email": "bob", "name": "B", "age": 7}\n',
        "not json\n",
        '{"email": "\udcff@b.c", "name": "Eve"}\n',
        "x" * (LINE_LIMIT_CHARACTERS + 1),
    ]

    accepted, *rejected = from_ndjson(lines)

    assert accepted == Accepted(1, ADA)
    assert [
        (entry.line, set(entry.fields)) for entry in rejected if isinstance(entry, Rejected)
    ] == [
        (3, {"email", "name", "age"}),
        (4, {"line"}),
        (5, {"line"}),
        (6, {"line"}),
    ]


def test_a_row_makes_a_user_by_the_names_in_the_head() -> None:
    lines = [
        "name,email,age,role,disabled\n",
        "Ada,ada@example.org,,,\n",
        '"Grace, ""Amazing""",grace@example.org,85,admin,true\n',
    ]

    assert list(from_csv(lines)) == [
        Accepted(2, ADA),
        Accepted(
            3,
            NewUser(
                email="grace@example.org",
                name='Grace, "Amazing"',
                age=85,
                role="admin",
                disabled=True,
            ),
        ),
    ]


def test_a_row_that_makes_no_user_is_rejected_with_every_reason() -> None:
    lines = [
        "email,name,colour\n",
        "bob,B,blue\n",
        "one,cell too many,x,y\n",
        ",,\n",
        "\udcff@b.c,Eve,\n",
        'ada@example.org,"Ada\nLovelace",\n',
    ]

    found = [
        (entry.line, set(entry.fields)) for entry in from_csv(lines) if isinstance(entry, Rejected)
    ]

    assert found == [
        (2, {"email", "name", "colour"}),
        (3, {"line"}),
        (5, {"line"}),
        (6, {"name"}),
    ]


def test_a_row_beyond_what_csv_takes_does_not_end_the_reading() -> None:
    lines = ["email,name\n", f"{'x' * 200_000},Eve\n", "ada@example.org,Ada\n"]

    entries = list(from_csv(lines))

    assert [type(entry) for entry in entries] == [Rejected, Accepted]


def test_nothing_is_no_users() -> None:
    assert list(from_csv([])) == list(from_csv(["email,name\n"])) == list(from_ndjson([])) == []
