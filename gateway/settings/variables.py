"""This module owns the names: which variable sets which field, and what a wrong name meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

import msgspec

from gateway.settings.providers import secret_variables
from gateway.settings.values import Values

_NAMES_OF_THEIR_OWN = {
    "environment": "PACELINE_ENV",
    "host": "HOST",
    "port": "PORT",
    "log_level": "LOG_LEVEL",
    "redis_url": "REDIS_URL",
    "database_url": "DATABASE_URL",
    "jwt_secrets": "PACELINE_JWT_SECRET",
    "room_kinds": "PACELINE_CONFIG",
}
SECRET = {"jwt_secrets", "redis_url", "database_url", "smtp_url"}
FROM_FILE = {*SECRET, "jwt_public_key"}
FIELDS = {
    field.name: field
    for field in msgspec.structs.fields(Values)
    if field.name not in {"webhooks", "providers", "given", "unknown_variables", "_kind_by_room"}
}


def variable_of(field_name: str) -> str:
    """The environment's name for a field of `Values`."""
    return _NAMES_OF_THEIR_OWN.get(field_name, f"PACELINE_{field_name.upper()}")


_VARIABLES = {
    *map(variable_of, FIELDS),
    *(f"{variable_of(name)}_FILE" for name in FROM_FILE),
}
# Kubernetes tells containers about a service named "paceline" in variables that look like ours.
_FROM_KUBERNETES = re.compile(
    r"PACELINE_(\w+_)?(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """Variables that carry our prefix and set nothing."""
    known = {*_VARIABLES, *secret_variables(environ)}
    ours = (name for name in environ if name.startswith("PACELINE_") and name not in known)
    return sorted(name for name in ours if not _is_from_kubernetes(name, environ[name]))


def _is_from_kubernetes(name: str, value: str) -> bool:
    # Its PACELINE_PORT is tcp://10.0.0.1:80; a person who writes a number there meant PORT.
    if name == "PACELINE_PORT" and value.isdecimal():
        return False
    return _FROM_KUBERNETES.fullmatch(name) is not None


def meant_by(unknown: str) -> str | None:
    """The variable that was probably meant. The prefix is left out: it is always alike."""
    known = {name.removeprefix("PACELINE_"): name for name in _VARIABLES}
    near = difflib.get_close_matches(unknown.removeprefix("PACELINE_"), known, n=1, cutoff=0.75)
    return known[near[0]] if near else None
