"""This module owns the bodies and parameters of signing in with an OpenID provider."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from protocol.sessions import SessionBody

_PARAMETER_MOST_CHARACTERS: Final = 4096

# A path of this very host: two slashes, or one that a browser takes for a slash, would lead away.
ReturnPath = Annotated[
    str,
    Meta(
        max_length=1024,
        pattern=r"^/(?![/\\])[!-\[\]-~]*$(?!\n)",
        description="a path of this host, such as /maps?city=paris",
    ),
]
_Parameter = Annotated[str, Meta(min_length=1, max_length=_PARAMETER_MOST_CHARACTERS)]


class ProviderView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Somewhere to sign in: a page makes a link of it."""

    name: str
    label: str
    path: str


class SignInStart(msgspec.Struct, frozen=True, kw_only=True):
    """How signing in begins: where the browser goes when it has ended well."""

    return_to: ReturnPath = "/"


class SignInAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider says through the browser; what else it says is not looked at."""

    state: _Parameter | None = None
    code: _Parameter | None = None
    iss: _Parameter | None = None  # RFC 9207
    error: _Parameter | None = None


class Exchange(SessionBody, frozen=True, kw_only=True):
    """Nothing: what is exchanged is in a cookie that no script can read."""
