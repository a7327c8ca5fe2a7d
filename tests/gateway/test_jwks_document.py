import json

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, HMACAlgorithm, RSAAlgorithm

from gateway.identity import KeySet, TokenRules, identity_of_token
from gateway.jwks import JwksUnusable, published_keys
from tests.toolbox.forgery import EC_KEY, ED_KEY, NOW, RSA_KEY, Jwk, claims_with, jwk_of


def document(*keys: Jwk) -> bytes:
    return json.dumps({"keys": keys}).encode()


def test_a_key_is_taken_by_its_kind() -> None:
    keys = published_keys(document(jwk_of(EC_KEY, "a"), jwk_of(RSA_KEY, "b"), jwk_of(ED_KEY, "c")))
    assert {kid: key.algorithm for kid, key in keys.items()} == {
        "a": "ES256",
        "b": "RS256",
        "c": "EdDSA",
    }


PASSED_OVER: dict[str, Jwk] = {
    "a shared secret": {**HMACAlgorithm.to_jwk(b"x" * 32, as_dict=True), "kid": "k"},
    "a private EC key": {
        **ECAlgorithm.to_jwk(EC_KEY, as_dict=True),
        "kid": "k",
        "key_ops": ["verify"],
    },
    "a private RSA key": {
        **RSAAlgorithm.to_jwk(RSA_KEY, as_dict=True),
        "kid": "k",
        "key_ops": ["verify"],
    },
    "a key to encrypt with": jwk_of(RSA_KEY, "k", use="enc"),
    "a key to sign with": jwk_of(RSA_KEY, "k", key_ops=["sign"]),
    "a key of another hash": jwk_of(RSA_KEY, "k", alg="RS512"),
    "a key of another padding": jwk_of(RSA_KEY, "k", alg="PS256"),
    "a key of an encryption": jwk_of(RSA_KEY, "k", alg="RSA-OAEP"),
    "a key that says HS256": jwk_of(RSA_KEY, "k", alg="HS256"),
    "a key that says none": jwk_of(RSA_KEY, "k", alg="none"),
    "a short key": jwk_of(rsa.generate_private_key(65537, 1024), "k"),  # noqa: S505 - it is refused
    "a key on another curve": {
        **ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP384R1()).public_key(), as_dict=True),
        "kid": "k",
    },
    "a point off the curve": {**jwk_of(EC_KEY, "k"), "y": "A" * 43},
    "a kid that is no string": {**jwk_of(EC_KEY, "k"), "kid": 5},
    "an alg that is no string": jwk_of(EC_KEY, "k", alg=["ES256"]),
    "a key without members": {"kty": "EC", "kid": "k"},
    "a key without a kind": {"kid": "k"},
    "members of other types": {"kty": "RSA", "kid": "k", "n": 5, "e": {}},
}


@pytest.mark.parametrize("case", PASSED_OVER)
def test_a_key_that_cannot_check_our_tokens_is_passed_over(case: str) -> None:
    keys = published_keys(document(PASSED_OVER[case], jwk_of(ED_KEY, "good")))
    assert set(keys) == {"good"}


def test_a_key_without_a_name_serves_tokens_that_name_none() -> None:
    jwk = jwk_of(EC_KEY, "k")
    del jwk["kid"]
    keys = KeySet.of(has_issuer=True).with_published(published_keys(document(jwk)))
    assert (
        identity_of_token(
            jwt.encode(claims_with(), EC_KEY, algorithm="ES256"), keys, NOW, TokenRules()
        ).subject
        == "ada"
    )


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{}",
        b'{"keys":{}}',
        b'{"keys":[5]}',
        b"\xff",
        b'{"keys":[{"x":' + b"[" * 50_000 + b"]" * 50_000 + b"}]}",
    ],
)
def test_what_is_no_set_of_keys_is_told_apart_from_an_empty_one(text: bytes) -> None:
    with pytest.raises(JwksUnusable):
        published_keys(text)
    assert published_keys(b'{"keys":[]}') == {}


def test_a_set_of_keys_has_an_end() -> None:
    jwk = jwk_of(ED_KEY, "k")
    many = document(*({**jwk, "kid": str(number)} for number in range(500)))
    assert len(published_keys(many)) == 100
