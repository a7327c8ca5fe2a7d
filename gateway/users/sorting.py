"""This module owns where a user stands in each order of a list: what a page goes on from."""

from __future__ import annotations

from gateway.users.store import SortField
from gateway.users.user import User, folded


def place_of(user: User, sort: SortField) -> tuple[int | str, str]:
    """The value that is compared first, and the id, which decides among equals."""
    match sort:
        case "createdAt":
            return user.created_at_ms, user.id
        case "name":
            return folded(user.name), user.id
        case "email":
            return folded(user.email), user.id
