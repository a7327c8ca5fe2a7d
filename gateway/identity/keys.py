"""This module owns the keys that tokens are checked with, and the one algorithm of each kind."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.algorithms import HMACAlgorithm
from jwt.exceptions import InvalidKeyError

PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey

ALGORITHMS = ("HS256", "RS256", "ES256", "EdDSA")
_HASH_BYTES = 32
_RSA_MINIMUM_BITS = 2048
_hmac = HMACAlgorithm(HMACAlgorithm.SHA256)
_PEM_BLOCK = re.compile(r"-----BEGIN [A-Z0-9 ]+-----.*?-----END [A-Z0-9 ]+-----", re.DOTALL)


class KeyUnusable(Exception):
    """A key that cannot or must not check tokens; the message never holds the key."""


class VerifyingKey(msgspec.Struct, frozen=True):
    """A key and the only algorithm that it is ever used with (RFC 8725, section 3.1)."""

    algorithm: str
    material: bytes | PublicKey

    def __repr__(self) -> str:
        return f"VerifyingKey({self.algorithm})"


def algorithm_of(key: object) -> str:
    """The one algorithm of a public key's kind; raise `KeyUnusable` for any other kind."""
    match key:
        case RSAPublicKey() if key.key_size >= _RSA_MINIMUM_BITS:
            return "RS256"
        case RSAPublicKey():
            raise KeyUnusable(f"an RSA key has {key.key_size} bits; {_RSA_MINIMUM_BITS} are needed")
        case EllipticCurvePublicKey() if isinstance(key.curve, SECP256R1):
            return "ES256"
        case Ed25519PublicKey():
            return "EdDSA"
    raise KeyUnusable("a public key must be RSA, EC on the curve P-256, or Ed25519")


class KeySet(msgspec.Struct, frozen=True):
    """Every key that is good now: the gateway's own, and by `kid` those of an issuer."""

    own: dict[str, tuple[VerifyingKey, ...]]  # by algorithm; secrets newest first
    published: Mapping[str, VerifyingKey]
    algorithms: frozenset[str]
    has_issuer: bool  # whether there may be published keys that are not known here yet

    @classmethod
    def of(
        cls,
        secrets: Iterable[str] = (),
        public_keys_pem: str | None = None,
        algorithms: Iterable[str] = (),
        *,
        has_issuer: bool = False,
        short_secrets: bool = False,
    ) -> KeySet:
        """Build the set at start; raise `KeyUnusable`. `short_secrets` is for development alone."""
        allowed = frozenset(algorithms or ALGORITHMS)
        own: dict[str, tuple[VerifyingKey, ...]] = {}
        keys = [_secret_key(secret, may_be_short=short_secrets) for secret in secrets]
        for key in (*keys, *_public_keys(public_keys_pem or "")):
            if key.algorithm not in allowed:
                raise KeyUnusable(f"there is a key for {key.algorithm}, which is not allowed")
            own[key.algorithm] = (*own.get(key.algorithm, ()), key)
        return cls(own, {}, allowed, has_issuer)

    def with_published(self, published: Mapping[str, VerifyingKey]) -> KeySet:
        return KeySet(self.own, published, self.algorithms, has_issuer=True)

    def candidates(self, algorithm: str, kid: str | None) -> tuple[VerifyingKey, ...]:
        """The keys that a token may have been signed with; `kid` does nothing but select."""
        if algorithm not in self.algorithms:
            return ()
        own = self.own.get(algorithm, ())
        if not self.published:
            return own
        chosen = self.published.values() if kid is None else (self.published.get(kid),)
        return own + tuple(key for key in chosen if key and key.algorithm == algorithm)

    def may_appear(self, algorithm: str, kid: str | None) -> bool:
        """Whether the issuer may have published such a key since its keys were last read."""
        # A shared secret is never published, so no token can make us ask for one.
        return self.has_issuer and algorithm != "HS256" and kid not in self.published

    @property
    def signing_secret(self) -> bytes:
        """The newest secret; raise `KeyUnusable` when there is none."""
        secrets = self.own.get("HS256", ())
        if not secrets or not isinstance(secrets[0].material, bytes):
            raise KeyUnusable("there is no secret to sign with: set PACELINE_JWT_SECRET")
        return secrets[0].material


def _secret_key(secret: str, *, may_be_short: bool) -> VerifyingKey:
    material = secret.encode()
    if not material or (len(material) < _HASH_BYTES and not may_be_short):
        raise KeyUnusable(f"a secret has {len(material)} bytes; {_HASH_BYTES} are needed")
    try:
        _hmac.prepare_key(material)
    except InvalidKeyError:
        raise KeyUnusable("a secret is a public key; a secret has to be secret") from None
    # HMAC itself fills a short key up with zeros (RFC 2104), so this is the same key, in a length
    # at which PyJWT may stay told to refuse short ones.
    return VerifyingKey("HS256", material.ljust(_HASH_BYTES, b"\0"))


def _public_keys(pem: str) -> list[VerifyingKey]:
    blocks: list[str] = _PEM_BLOCK.findall(pem)
    if pem.strip() and not blocks:
        raise KeyUnusable("the public key is not in PEM form")
    return [_public_key(block) for block in blocks]


def _public_key(block: str) -> VerifyingKey:
    try:
        key = load_pem_public_key(block.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise KeyUnusable("the public key is not in PEM form (BEGIN PUBLIC KEY)") from None
    algorithm = algorithm_of(key)
    assert isinstance(key, PublicKey)
    return VerifyingKey(algorithm, key)
