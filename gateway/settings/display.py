"""This module owns how settings are shown to people: everything in force, secrets masked."""

from __future__ import annotations

import re
from typing import Any

from gateway.settings.values import Values
from gateway.settings.variables import FIELDS, SECRET, variable_of


def describe(settings: Values) -> list[tuple[str, str, str]]:
    """What is in force: (variable, value with secrets masked, "default" or "environment")."""
    rows = [
        (
            variable_of(name),
            _shown(name, getattr(settings, name)) + _webhooks_of(settings, name),
            "environment" if name in settings.given else "default",
        )
        for name in FIELDS
    ]
    rows += [(f"[[provider]] {each.name}", each.shown(), "file") for each in settings.providers]
    return rows


def _webhooks_of(settings: Values, name: str) -> str:
    """Those that stand in the same file as the kinds of rooms."""
    names = ", ".join(webhook.name for webhook in settings.webhooks)
    return f"; webhooks: {names}" if names and name == "room_kinds" else ""


def _shown(name: str, value: Any) -> str:  # noqa: ANN401 - whatever a field may hold
    if value is None or value == ():
        return "-"
    if name == "jwt_secrets":
        return ", ".join("********" for _ in value)
    if name == "jwt_public_key":
        return f"PEM, {value.count('-----BEGIN ')} key(s)"
    if name == "room_kinds":
        return ", ".join(kind.pattern for kind in value)
    if name in SECRET:
        return _without_password(value)
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _without_password(url: str) -> str:
    """A URL without what may be secret in it: the password, and everything behind the `?`."""
    # A password may hold what ends a host; those who read the URL look for the `@` as well.
    shown = re.sub(r"://([^:/?#@]*):.*@", r"://\1:********@", url).partition("#")[0]
    head, question, _ = shown.partition("?")
    return f"{head}?********" if question else head
