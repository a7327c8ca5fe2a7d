import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from gateway.identity import (
    KeySet,
    KeyUnknown,
    KeyUnusable,
    TokenRules,
    VerifyingKey,
    identity_of_token,
)
from protocol.refusals import Refusal, Refused
from tests.toolbox.forgery import (
    EC_KEY,
    HS,
    NOW,
    RSA_KEY,
    RSA_PEM,
    SECRET,
    PrivateKey,
    another_key,
    claims_with,
    forged,
    pem_of,
)

RULES = TokenRules()
OWN = KeySet.of([SECRET])


def refusal_of(token: object, keys: KeySet = OWN, rules: TokenRules = RULES) -> Refusal:
    with pytest.raises(Refused) as caught:
        identity_of_token(token, keys, NOW, rules)
    assert SECRET not in caught.value.message
    return caught.value.refusal


# ---- published keys

PUBLISHED = {"k1": VerifyingKey("ES256", EC_KEY.public_key())}


def signed_by_issuer(
    headers: dict[str, str], key: PrivateKey = EC_KEY, algorithm: str = "ES256"
) -> str:
    return jwt.encode(claims_with(), key, algorithm=algorithm, headers=headers)


def test_a_kid_selects_a_published_key() -> None:
    keys = KeySet.of(has_issuer=True).with_published(PUBLISHED)
    assert identity_of_token(signed_by_issuer({"kid": "k1"}), keys, NOW, RULES).subject == "ada"
    assert identity_of_token(signed_by_issuer({}), keys, NOW, RULES).subject == "ada"


def test_a_token_without_kid_is_tried_on_published_keys_of_its_algorithm_alone() -> None:
    published = {"k0": VerifyingKey("RS256", RSA_KEY.public_key()), **PUBLISHED}
    keys = KeySet.of(has_issuer=True).with_published(published)
    assert identity_of_token(signed_by_issuer({}), keys, NOW, RULES).subject == "ada"


def test_an_unknown_kid_asks_for_the_keys_to_be_read_again() -> None:
    for keys in (KeySet.of(has_issuer=True), KeySet.of(has_issuer=True).with_published(PUBLISHED)):
        with pytest.raises(KeyUnknown) as caught:
            identity_of_token(signed_by_issuer({"kid": "k2"}), keys, NOW, RULES)
        assert caught.value.kid == "k2"


def test_a_known_kid_with_a_wrong_signature_or_algorithm_asks_for_nothing() -> None:
    keys = KeySet.of(has_issuer=True).with_published(PUBLISHED)
    wrong = signed_by_issuer({"kid": "k1"}, another_key("ES256"))
    assert refusal_of(wrong, keys) is Refusal.TOKEN_INVALID
    mixed = signed_by_issuer({"kid": "k1"}, RSA_KEY, "RS256")
    assert refusal_of(mixed, keys) is Refusal.TOKEN_INVALID


def test_a_shared_secret_is_never_asked_of_an_issuer() -> None:
    keys = KeySet.of(has_issuer=True).with_published(PUBLISHED)
    token = jwt.encode(claims_with(), "x" * 32, algorithm="HS256", headers={"kid": "k9"})
    assert refusal_of(token, keys) is Refusal.TOKEN_INVALID


def test_a_published_public_key_is_no_secret() -> None:
    keys = KeySet.of(has_issuer=True).with_published(PUBLISHED)
    token = forged({"alg": "HS256", "kid": "k1"}, claims_with(), pem_of(EC_KEY).encode())
    assert refusal_of(token, keys) is Refusal.TOKEN_INVALID


# ---- keys


def _private_pem() -> str:
    return EC_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


UNUSABLE: dict[str, tuple[list[str], str, tuple[str, ...], str]] = {
    "a short secret": (["short"], "", (), "5 bytes"),
    "an empty secret": ([""], "", (), "0 bytes"),
    "a public key as a secret": ([RSA_PEM], "", (), "has to be secret"),
    "a public key that is none": ([], "no pem", (), "not in PEM form"),
    "a private key": ([], _private_pem(), (), "not in PEM form"),
    "another curve": ([], pem_of(ec.generate_private_key(ec.SECP384R1())), (), "P-256"),
    "another kind of key": ([], pem_of(ed448.Ed448PrivateKey.generate()), (), "P-256"),
    "a short RSA key": (
        [],
        pem_of(rsa.generate_private_key(65537, 1024)),  # noqa: S505 - it is refused
        (),
        "1024 bits",
    ),
    "a secret, HS256 not being allowed": ([SECRET], "", ("RS256",), "HS256, which is not allowed"),
    "an RSA key, RS256 not being allowed": ([], RSA_PEM, ("ES256",), "RS256, which is not allowed"),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_a_key_that_must_not_check_tokens_is_not_taken(case: str) -> None:
    secrets, pem, algorithms, words = UNUSABLE[case]
    with pytest.raises(KeyUnusable, match=words) as caught:
        KeySet.of(secrets, pem, algorithms)
    assert "BEGIN PRIVATE" not in str(caught.value)


def test_a_short_secret_works_in_development_as_it_would_anywhere_else() -> None:
    keys = KeySet.of(["dev"], short_secrets=True)
    token = forged(HS, claims_with(), b"dev")
    assert identity_of_token(token, keys, NOW, RULES).subject == "ada"
    assert refusal_of(forged(HS, claims_with(), b"other"), keys) is Refusal.TOKEN_INVALID


def test_a_key_set_does_not_show_its_secrets() -> None:
    assert SECRET not in repr(OWN)
