"""This module owns `paceline token`: a signed token, printed alone."""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Mapping
from typing import Final

from gateway.cli.running import OK, ArgumentsInvalid, Commands, settings_of
from gateway.identity import Grants, KeySet, Role, TokenRules, sign_token

_DAY_SECONDS: Final = 86_400.0


def add_to(commands: Commands) -> None:
    """What the command understands."""
    token = commands.add_parser("token", help="sign a token and print it, alone")
    token.add_argument("--sub", required=True, metavar="ID", help="whom it stands for")
    token.add_argument("--role", default="rider", choices=[role.value for role in Role])
    token.add_argument("--join", action="append", metavar="PATTERN", help="rooms it may join")
    token.add_argument("--publish", action="append", metavar="PATTERN", help="and publish into")
    token.add_argument(
        "--ttl",
        type=float,
        default=_DAY_SECONDS,
        metavar="SECONDS",
        help="how long it is good for; a day unless told",
    )
    token.set_defaults(command=_token)


def _token(namespace: argparse.Namespace, environ: Mapping[str, str]) -> int:
    settings = settings_of(environ)
    if not settings.jwt_secrets:
        raise ArgumentsInvalid("There is no secret to sign with: set PACELINE_JWT_SECRET.")
    if not 0 < namespace.ttl < math.inf:
        raise ArgumentsInvalid("--ttl must be a number of seconds above 0.")
    keys = KeySet.of(settings.jwt_secrets, short_secrets=settings.is_development)
    token = sign_token(
        keys,
        subject=namespace.sub,
        role=Role(namespace.role),
        now_seconds=time.time(),
        lifetime_seconds=namespace.ttl,
        grants=Grants(_patterns(namespace.join), _patterns(namespace.publish)),
        rules=TokenRules(settings.jwt_issuer, settings.jwt_audience, settings.jwt_leeway_seconds),
    )
    sys.stdout.write(f"{token}\n")
    return OK


def _patterns(given: list[str] | None) -> tuple[str, ...] | None:
    return None if given is None else tuple(given)
