"""This module owns who somebody is whom a provider has sent: its claims, as the gateway takes them.

Pure: a provider's claims are a stranger's text, so what is not right is left out.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gateway.settings import Provider
from gateway.users.external import ExternalIdentity
from protocol.users import NAME_LEAST_CHARACTERS, NAME_MOST_CHARACTERS, Email, UserRole

_ROLES: Final[tuple[UserRole, ...]] = ("admin", "operator", "rider", "viewer")  # the widest first
_NAMES: Final = ("name", "preferred_username", "nickname", "email")
_NOBODY: Final = "Somebody"


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody whom a provider has sent; `role` is None where it is not the provider's to say."""

    identity: ExternalIdentity
    email: str | None
    email_is_verified: bool
    name: str
    role: UserRole | None


def person_of(claims: dict[str, Any], provider: Provider) -> Person:
    """The person of whom these are the claims; `sub` has been proved to be a text."""
    email = _email_of(claims.get("email"))
    # Some write it as a text; what it says is what counts, and anything else is a no.
    is_verified = claims.get("email_verified") in (True, "true")
    return Person(
        identity=ExternalIdentity(provider.issuer, claims["sub"]),
        email=email,
        email_is_verified=email is not None and (is_verified or provider.trusts_emails),
        name=_name_of(claims),
        role=_role_of(claims, provider),
    )


def _email_of(claim: object) -> str | None:
    try:
        return msgspec.convert(claim, Email)
    except msgspec.ValidationError:
        return None


def _name_of(claims: dict[str, Any]) -> str:
    for claim in map(claims.get, _NAMES):
        if not isinstance(claim, str):
            continue
        printable = "".join(each for each in claim if each.isprintable())
        name = printable.partition("@")[0].strip()[:NAME_MOST_CHARACTERS].strip()
        if len(name) >= NAME_LEAST_CHARACTERS:
            return name
    return _NOBODY


def _role_of(claims: dict[str, Any], provider: Provider) -> UserRole | None:
    """The widest role of which the provider's claim has a value."""
    if provider.role_claim is None:
        return None
    claim = claims.get(provider.role_claim)
    values = {
        each for each in (claim if isinstance(claim, list) else [claim]) if isinstance(each, str)
    }
    for role in _ROLES:
        if values.intersection(provider.roles.get(role, ())):
            return role
    return provider.default_role
