"""What may be asked of the trail."""

from __future__ import annotations

import pytest

from protocol.audit import ENTRIES_MOST, AuditListing
from protocol.bodies import parameters_of
from protocol.refusals import Refused


def test_the_newest_come_first_unless_told() -> None:
    assert parameters_of([], AuditListing) == AuditListing(sort="-number", limit=50)
    given = [("action", "role.changed"), ("sinceMs", "5"), ("untilMs", "9"), ("sort", "number")]
    assert parameters_of(given, AuditListing) == AuditListing(
        action="role.changed", since_ms=5, until_ms=9, sort="number"
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("limit", f"{ENTRIES_MOST + 1}"),
        ("limit", "0"),
        ("sinceMs", "-1"),
        ("untilMs", "tomorrow"),
        ("subject", "a\0b"),
        ("whom", ""),
        ("sort", "at"),
        ("cursor", "?"),
        ("nothing", "1"),
    ],
)
def test_a_bad_parameter_is_named(name: str, text: str) -> None:
    with pytest.raises(Refused) as caught:
        parameters_of([(name, text)], AuditListing)

    assert set(caught.value.details["fields"]) == {name}
