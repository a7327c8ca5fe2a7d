import json
import time

import jwt
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.identity import (
    KeySet,
    TokenRules,
    VerifyingKey,
    identity_of_token,
)
from protocol.refusals import Refusal, Refused
from tests.toolbox.forgery import (
    EC_KEY,
    ED_KEY,
    HS,
    NOW,
    RSA_KEY,
    RSA_PEM,
    SECRET,
    base64url,
    claims_with,
    forged,
)

RULES = TokenRules()
OWN = KeySet.of([SECRET])


def refusal_of(token: object, keys: KeySet = OWN, rules: TokenRules = RULES) -> Refusal:
    with pytest.raises(Refused) as caught:
        identity_of_token(token, keys, NOW, rules)
    assert SECRET not in caught.value.message
    return caught.value.refusal


# ---- attacks

GOOD = forged(HS, claims_with())
BOTH = KeySet.of([SECRET], RSA_PEM)


def unsigned(algorithm: str) -> str:
    header = json.dumps({"alg": algorithm}).encode()
    return f"{base64url(header)}.{GOOD.split('.')[1]}."


ATTACKS: dict[str, object] = {
    "alg none, unsigned": unsigned("none"),
    "alg none, any case": unsigned("nOnE"),
    "alg none, with a signature": forged({"alg": "none"}, claims_with()),
    "alg empty": forged({"alg": ""}, claims_with()),
    "claims that are not UTF-8": forged(HS, b'{"sub":"a","exp":1900000000,"x\xff":1}'),
    "alg missing": forged({"typ": "JWT"}, claims_with()),
    "alg no string": forged({"alg": ["HS256"]}, claims_with()),
    "alg null": forged({"alg": None}, claims_with()),
    "the public key as a secret": forged(HS, claims_with(), RSA_PEM.encode()),
    "the public key as a secret, stripped": forged(HS, claims_with(), RSA_PEM.strip().encode()),
    "HMAC under the name of RSA": forged({"alg": "RS256"}, claims_with()),
    "a longer hash than ours": forged({"alg": "HS512"}, claims_with(), digest="sha512"),
    "RSA with a longer hash": jwt.encode(claims_with(), RSA_KEY, algorithm="RS512"),
    "RSA with another padding": jwt.encode(claims_with(), RSA_KEY, algorithm="PS256"),
    "an algorithm of a key we lack": jwt.encode(claims_with(), EC_KEY, algorithm="ES256"),
    "the empty secret": forged(HS, claims_with(), b""),
    "another secret": forged(HS, claims_with(), b"x" * 32),
    "a key in the header": forged(
        {**HS, "jwk": {"kty": "oct", "k": base64url(b"x" * 32)}}, claims_with(), b"x" * 32
    ),
    "a key by its address": forged({**HS, "jku": "http://127.0.0.1:1/"}, claims_with(), b"x" * 32),
    "a certificate by its address": forged(
        {**HS, "x5u": "http://127.0.0.1:1/"}, claims_with(), b"x"
    ),
    "kid as a path": forged({**HS, "kid": "../../dev/null"}, claims_with(), b""),
    "kid as SQL": forged({**HS, "kid": "' UNION SELECT 'x"}, claims_with(), b"x"),
    "kid no string": forged({**HS, "kid": 5}, claims_with()),
    "kid null": forged({**HS, "kid": None}, claims_with()),
    "kid endless": forged({**HS, "kid": "k" * 201}, claims_with()),
    "crit": forged({**HS, "crit": ["exp"], "exp": NOW + 60}, claims_with()),
    "crit of a known extension": forged({**HS, "crit": ["b64"], "b64": True}, claims_with()),
    "crit empty": forged({**HS, "crit": []}, claims_with()),
    "unencoded payload": forged({**HS, "crit": ["b64"], "b64": False}, b""),
    "b64 without crit": forged({**HS, "b64": False}, claims_with()),
    "a refresh token": forged({"alg": "HS256", "typ": "rt+jwt"}, claims_with()),
    "a logout token": forged({"alg": "HS256", "typ": "logout+jwt"}, claims_with()),
    "typ no string": forged({"alg": "HS256", "typ": 1}, claims_with()),
    "another payload": ".".join(
        (GOOD.split(".")[0], base64url(b'{"sub":"root","exp":1900000000}'), GOOD.split(".")[2])
    ),
    "no signature": GOOD.rpartition(".")[0] + ".",
    "a shortened signature": GOOD[:-4],
    "two parts": GOOD.rpartition(".")[0],
    "four parts": GOOD + ".x",
    "five parts, as if encrypted": f"{GOOD}.x.y",
    "only dots": "..",
    "no dots": "token",
    "spaces around": f" {GOOD} ",
    "a line end": f"{GOOD}\n",
    "other letters": "é" * 40,
    "a lone surrogate": "\ud800",
    "a zero byte": GOOD + "\x00",
    "too long": forged(HS, claims_with(pad="x" * 9000)),
    "standard base64": GOOD.replace(GOOD.split(".")[0], GOOD.split(".")[0] + "+/"),
    "deep header": forged(b'{"alg":"HS256","x":' + b"[" * 2500 + b"]" * 2500 + b"}", claims_with()),
    "deep claims": forged(
        HS, b'{"sub":"a","exp":1900000000,"x":' + b"[" * 2500 + b"]" * 2500 + b"}"
    ),
    "header no object": forged([1], claims_with()),
    "header no UTF-8": forged(b'{"alg":"HS256\xff"}', claims_with()),
    "claims no object": forged(HS, ["sub"]),
    "claims no JSON": forged(HS, b"{"),
    "claims no UTF-8": forged(HS, b'{"sub":"\xff","exp":1900000000}'),
    "claims with NaN": forged(HS, b'{"sub":"a","exp":NaN}'),
    "claims with infinity": forged(HS, b'{"sub":"a","exp":1e999}'),
    "claims with a lone surrogate": forged(HS, b'{"sub":"\\ud800","exp":1900000000}'),
    "bytes": GOOD.encode(),
    "a number": 5,
    "an object": {"token": GOOD},
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_refused(attack: str) -> None:
    assert refusal_of(ATTACKS[attack], BOTH) is Refusal.TOKEN_INVALID


def test_the_token_that_the_attacks_are_made_from_is_good() -> None:
    assert identity_of_token(GOOD, BOTH, NOW, RULES).subject == "ada"


@pytest.mark.parametrize("nothing", [None, ""])
def test_no_token_is_told_apart_from_a_bad_one(nothing: object) -> None:
    assert refusal_of(nothing) is Refusal.UNAUTHENTICATED


def test_what_a_header_offers_besides_changes_nothing_about_a_good_signature() -> None:
    headers = {"jku": "http://127.0.0.1:1/", "x5u": "x", "kid": "unknown", "jwk": {"kty": "oct"}}
    token = jwt.encode(claims_with(), SECRET, algorithm="HS256", headers=headers)
    assert identity_of_token(token, OWN, NOW, RULES).subject == "ada"


def test_a_key_whose_algorithm_is_not_allowed_checks_nothing() -> None:
    keys = KeySet.of(algorithms=["ES256"]).with_published(
        {"a": VerifyingKey("EdDSA", ED_KEY.public_key())}
    )
    token = jwt.encode(claims_with(), ED_KEY, algorithm="EdDSA", headers={"kid": "a"})
    assert refusal_of(token, keys) is Refusal.TOKEN_INVALID


@given(token=st.text() | st.lists(st.binary(max_size=60).map(base64url), max_size=4).map(".".join))
@example("." * 8192)
@example("A" * 8192)
def test_any_text_is_answered_with_a_refusal(token: str) -> None:
    assert refusal_of(token, BOTH) in {Refusal.TOKEN_INVALID, Refusal.UNAUTHENTICATED}


@given(position=st.integers(0, len(GOOD) - 1), letter=st.characters(max_codepoint=127))
def test_a_token_with_any_one_letter_changed_is_refused(position: int, letter: str) -> None:
    changed = GOOD[:position] + letter + GOOD[position + 1 :]
    if changed != GOOD:
        assert refusal_of(changed, BOTH) is Refusal.TOKEN_INVALID


def test_the_widest_refusal_costs_little() -> None:
    wide = forged({**HS, "pad": "x" * 3000}, claims_with(pad="y" * 3000), b"wrong" * 8)
    assert len(wide) > 8000
    began_seconds = time.process_time()
    for _ in range(20):
        assert refusal_of(wide, BOTH) is Refusal.TOKEN_INVALID
    assert (time.process_time() - began_seconds) / 20 < 20e-3


def test_the_secret_of_a_token_is_compared_as_a_whole() -> None:
    half = SECRET[: len(SECRET) // 2].encode()
    assert refusal_of(forged(HS, claims_with(), half)) is Refusal.TOKEN_INVALID
