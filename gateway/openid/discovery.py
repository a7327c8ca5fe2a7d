"""This module owns what a provider says of itself (OpenID Connect Discovery 1.0), checked."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from gateway.openid.asking import Asking, ProviderAway
from gateway.settings.urls import is_safe_url

_PATH: Final = "/.well-known/openid-configuration"
_LIMIT_CHARACTERS: Final = 2048

_Url = Annotated[str, Meta(min_length=1, max_length=_LIMIT_CHARACTERS)]


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a discovery document that signing in takes."""

    issuer: _Url
    authorization_endpoint: _Url
    token_endpoint: _Url
    jwks_uri: _Url
    userinfo_endpoint: _Url | None = None
    end_session_endpoint: _Url | None = None
    # What these are when they are left out is what the specification says they are.
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    authorization_response_iss_parameter_supported: bool = False

    @property
    def authentication(self) -> str:
        """How the client's secret is sent, where there is one.

        Basic wants form encoding inside base64, on which providers do not agree; a form has one
        encoding.
        """
        is_form = "client_secret_post" in self.token_endpoint_auth_methods_supported
        return "client_secret_post" if is_form else "client_secret_basic"


async def discover(asking: Asking, issuer: str) -> Metadata:
    """Ask an issuer for what it says of itself; raises `ProviderAway`."""
    answer = await asking.get(issuer.rstrip("/") + _PATH)
    metadata = answer.read(Metadata)
    if metadata.issuer != issuer:  # section 4.3: exactly, or somebody else may speak for it
        raise ProviderAway("a discovery document of another issuer")
    for url in (
        metadata.authorization_endpoint,
        metadata.token_endpoint,
        metadata.jwks_uri,
        metadata.userinfo_endpoint,
        metadata.end_session_endpoint,
    ):
        if url is not None and not is_safe_url(url):
            raise ProviderAway("an endpoint that is not https")
    return metadata
