"""What every resource reads of a request; the resources' own tests show the refusals over HTTP."""

from __future__ import annotations

import pytest
from aiohttp.test_utils import make_mocked_request

from gateway.authentication import Authenticator
from gateway.identity import Role
from gateway.rest.requests import check_manager, idempotency_key_of, identity_of
from gateway.settings import Settings
from protocol.refusals import Refusal, Refused
from tests.gateway.rest.conftest import PRODUCTION, bearer


@pytest.mark.parametrize("key", ["", " ", "x" * 129, "a\x7fb", "clé", "a "])
def test_a_key_is_short_and_printable(key: str) -> None:
    with pytest.raises(Refused, match="1 to 128 printable"):
        idempotency_key_of(make_mocked_request("POST", "/", headers={"Idempotency-Key": key}))


def test_a_key_may_be_missing() -> None:
    assert idempotency_key_of(make_mocked_request("POST", "/")) is None


async def test_an_identity_is_what_the_token_proves() -> None:
    request = make_mocked_request("GET", "/", headers={"Authorization": bearer(subject="ada")})
    authenticator = Authenticator(Settings.from_env(PRODUCTION))

    assert (await identity_of(request, authenticator)).subject == "ada"


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMIN])
async def test_nobody_but_an_admin_manages(role: Role) -> None:
    request = make_mocked_request("GET", "/", headers={"Authorization": bearer(role)})

    with pytest.raises(Refused) as caught:
        await check_manager(request, Authenticator(Settings.from_env(PRODUCTION)))

    assert caught.value.refusal is Refusal.FORBIDDEN
