"""This module owns who someone is: the tokens that prove it, and what each role may do.

Pure: the time is an argument and keys are handed in, so nothing here waits, fetches or logs.
"""

from __future__ import annotations

from gateway.identity.api_keys import (
    PresentedKey,
    digest_of,
    is_api_key,
    is_tracker_code,
    is_tracker_id,
    key_id_of,
    new_key_id,
    new_key_text,
    presented_key,
    presented_tracker,
    subject_of_key,
)
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
    "PresentedKey",
    "RefreshClaims",
    "Role",
    "TokenRules",
    "VerifyingKey",
    "algorithm_of",
    "development_identity",
    "digest_of",
    "identity_of_token",
    "is_api_key",
    "is_tracker_code",
    "is_tracker_id",
    "key_id_of",
    "new_key_id",
    "new_key_text",
    "presented_key",
    "presented_tracker",
    "refresh_claims_of",
    "sign_refresh_token",
    "sign_token",
    "subject_of_key",
]
