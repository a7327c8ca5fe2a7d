"""This module owns the making of tokens for tests: good ones, and every kind of forgery."""

import base64
import hmac
import json
import secrets
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
)
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

Jwk = dict[str, object]

NOW = 1_800_000_000
SECRET = secrets.token_urlsafe(48)
HS = {"alg": "HS256", "typ": "JWT"}

RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
PRIVATE_KEYS: dict[str, PrivateKey] = {"RS256": RSA_KEY, "ES256": EC_KEY, "EdDSA": ED_KEY}


def pem_of(key: PrivateKey | ed448.Ed448PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def forged(
    header: object, claims: object, secret: bytes = SECRET.encode(), digest: str = "sha256"
) -> str:
    """A token with any header and any claims, signed with HMAC whatever the header says."""
    parts = [
        part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, claims)
    ]
    text = ".".join(map(base64url, parts))
    return f"{text}.{base64url(hmac.new(secret, text.encode(), digest).digest())}"


def claims_with(**changes: object) -> dict[str, object]:
    claims = {"sub": "ada", "exp": NOW + 60, **changes}
    return {name: value for name, value in claims.items() if value is not ...}


def token_with(**changes: object) -> str:
    """A token of the given claims with a good signature; `...` leaves a claim out."""
    return forged(HS, claims_with(**changes))


def another_key(algorithm: str) -> PrivateKey:
    make: dict[str, Callable[[], PrivateKey]] = {
        "RS256": lambda: rsa.generate_private_key(65537, 2048),
        "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
        "EdDSA": ed25519.Ed25519PrivateKey.generate,
    }
    return make[algorithm]()


RSA_PEM = pem_of(RSA_KEY)


def jwk_of(key: PrivateKey, kid: str, **changes: object) -> Jwk:
    public = key.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        members = RSAAlgorithm.to_jwk(public, as_dict=True)
    elif isinstance(public, ec.EllipticCurvePublicKey):
        members = ECAlgorithm.to_jwk(public, as_dict=True)
    else:
        members = OKPAlgorithm.to_jwk(public, as_dict=True)
    # PyJWT writes key_ops as RFC 7517 has them; some issuers leave them out.
    return {**members, "kid": kid, **changes}
