from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gateway.openid.person import person_of
from gateway.settings import Provider
from gateway.users.external import ExternalIdentity
from protocol.users import Name

PROVIDER = Provider(name="here", issuer="https://id.example", client_id="paceline")
WITH_ROLES = msgspec.structs.replace(
    PROVIDER, role_claim="groups", roles={"operator": ("staff",), "admin": ("chiefs", "board")}
)


def test_an_identity_is_of_an_issuer_and_a_subject() -> None:
    person = person_of({"sub": "ada", "iss": "https://evil.example"}, PROVIDER)

    assert person.identity == ExternalIdentity("https://id.example", "ada")
    assert (person.email, person.email_is_verified, person.role) == (None, False, None)


@pytest.mark.parametrize(
    ("email", "read"),
    [
        ("ada@example.org", "ada@example.org"),
        ("ada@localhost", None),
        ("ada@example.org\n", None),
        (f"{'a' * 250}@example.org", None),
        (["ada@example.org"], None),
        (5, None),
    ],
)
def test_an_address_that_is_none_is_left_out(email: object, read: str | None) -> None:
    person = person_of({"sub": "ada", "email": email, "email_verified": True}, PROVIDER)

    assert (person.email, person.email_is_verified) == (read, read is not None)


@pytest.mark.parametrize(
    ("verified", "read"),
    [(True, True), ("true", True), (False, False), ("yes", False), (None, False), ([], False)],
)
def test_an_address_is_verified_when_that_is_said(verified: object, read: bool) -> None:  # noqa: FBT001 - a table
    claims = {"sub": "ada", "email": "ada@example.org", "email_verified": verified}

    assert person_of(claims, PROVIDER).email_is_verified is read
    trusting = msgspec.structs.replace(PROVIDER, trusts_emails=True)
    assert person_of(claims, trusting).email_is_verified


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"name": "Ada Lovelace"}, "Ada Lovelace"),
        ({"name": " Ada\x00\n "}, "Ada"),
        ({"name": "A" * 90}, "A" * 50),
        ({"name": "<script>"}, "<script>"),  # kept as it came, escaped where it is shown
        ({"name": 5, "preferred_username": "ada"}, "ada"),
        ({"name": "A", "email": "ada@example.org"}, "ada"),
        ({"email": "a@example.org"}, "Somebody"),
        ({}, "Somebody"),
    ],
)
def test_everybody_has_a_name_that_a_user_may_have(claims: dict[str, Any], name: str) -> None:
    person = person_of({"sub": "ada"} | claims, PROVIDER)

    assert person.name == name
    assert msgspec.convert(person.name, Name) == name


@pytest.mark.parametrize(
    ("groups", "role"),
    [
        (["staff"], "operator"),
        (["staff", "board"], "admin"),
        ("chiefs", "admin"),
        (["others", 5, None, {}], "viewer"),
        ({"chiefs": True}, "viewer"),
        (None, "viewer"),
    ],
)
def test_the_widest_role_of_a_claim_counts(groups: object, role: str) -> None:
    assert person_of({"sub": "ada", "groups": groups}, WITH_ROLES).role == role


def test_without_a_claim_the_provider_has_no_say() -> None:
    assert person_of({"sub": "ada", "groups": ["chiefs"]}, PROVIDER).role is None
