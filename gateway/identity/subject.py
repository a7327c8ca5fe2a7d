"""This module owns identities: a subject, its role and what that permits, its grants."""

from __future__ import annotations

import enum

import msgspec

from protocol.rooms import matches


class Role(enum.StrEnum):
    """What someone is to the gateway; each permits what `PERMISSIONS_OF_ROLE` says."""

    VIEWER = "viewer"
    RIDER = "rider"
    OPERATOR = "operator"
    ADMIN = "admin"
    SERVICE = "service"  # a backend


class Permission(enum.StrEnum):
    """What a role may allow."""

    JOIN = "join"
    PUBLISH = "publish"
    OPERATE = "operate"  # see operations, remove peers
    MANAGE = "manage"  # users and keys


PERMISSIONS_OF_ROLE: dict[Role, frozenset[Permission]] = {
    Role.VIEWER: frozenset({Permission.JOIN}),
    Role.RIDER: frozenset({Permission.JOIN, Permission.PUBLISH}),
    Role.OPERATOR: frozenset({Permission.JOIN, Permission.PUBLISH, Permission.OPERATE}),
    Role.ADMIN: frozenset(Permission),
    Role.SERVICE: frozenset({Permission.JOIN, Permission.PUBLISH}),
}

# Tuples, because a look through a few members is cheaper than to hash one.
_JOINERS = tuple(role for role, may in PERMISSIONS_OF_ROLE.items() if Permission.JOIN in may)
_PUBLISHERS = tuple(role for role, may in PERMISSIONS_OF_ROLE.items() if Permission.PUBLISH in may)


class Grants(msgspec.Struct, frozen=True):
    """Patterns of the rooms to which a role is narrowed; None leaves the role as wide as it is."""

    join: tuple[str, ...] | None = None
    publish: tuple[str, ...] | None = None


class Identity(msgspec.Struct, frozen=True):
    """Who a peer or a caller is, as proved by its token. Times are seconds since 1970."""

    subject: str
    role: Role = Role.VIEWER
    grants: Grants = Grants()
    expires_at_seconds: float | None = None  # None: never
    token_id: str | None = None
    issued_at_seconds: float | None = None  # for "every token of this user from before noon"
    is_anonymous: bool = False  # proved by nothing, which is enough in development alone
    session_id: str | None = None  # of somebody who signed in here
    key_digest: str | None = None  # of a backend that has shown an API key
    key_name: str | None = None  # which was given to that key

    def may(self, permission: Permission) -> bool:
        """Whether the role as such has `permission`; `grants` may still narrow it to rooms."""
        return permission in PERMISSIONS_OF_ROLE[self.role]

    def may_join(self, room: str) -> bool:
        patterns = self.grants.join
        return self.role in _JOINERS and (patterns is None or _is_granted(patterns, room))

    def may_publish(self, room: str) -> bool:
        patterns = self.grants.publish
        return self.role in _PUBLISHERS and (patterns is None or _is_granted(patterns, room))


def _is_granted(patterns: tuple[str, ...], room: str) -> bool:
    return any(matches(pattern, room) for pattern in patterns)


def development_identity(suffix: str) -> Identity:
    """Who a peer without a token is, in development; `suffix` tells one from another."""
    return Identity(subject=f"anonymous-{suffix}", role=Role.RIDER, is_anonymous=True)
