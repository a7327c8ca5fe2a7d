"""This module owns who someone is: the tokens that prove it, and what each role may do.

Pure: the time is an argument and keys are handed in, so nothing here waits, fetches or logs.
"""

from __future__ import annotations

from gateway.identity.keys import (
    ALGORITHMS,
    KeySet,
    KeyUnusable,
    VerifyingKey,
    algorithm_of,
)
from gateway.identity.refresh import RefreshClaims, refresh_claims_of, sign_refresh_token
from gateway.identity.subject import (
    PERMISSIONS_OF_ROLE,
    Grants,
    Identity,
    Permission,
    Role,
    development_identity,
)
from gateway.identity.tokens import (
    TOKEN_LIMIT_CHARACTERS,
    KeyUnknown,
    TokenRules,
    identity_of_token,
    sign_token,
)

__all__ = [
    "ALGORITHMS",
    "PERMISSIONS_OF_ROLE",
    "TOKEN_LIMIT_CHARACTERS",
    "Grants",
    "Identity",
    "KeySet",
    "KeyUnknown",
    "KeyUnusable",
    "Permission",
    "RefreshClaims",
    "Role",
    "TokenRules",
    "VerifyingKey",
    "algorithm_of",
    "development_identity",
    "identity_of_token",
    "refresh_claims_of",
    "sign_refresh_token",
    "sign_token",
]
