"""This module owns the OpenID providers that people may sign in with: one `[[provider]]` each.

They stand in the file of PACELINE_CONFIG, without their secrets: a file of configuration is copied
and shown around. A secret is a variable of the environment, or a file that a variable names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from gateway.settings.urls import is_safe_url
from protocol.users import UserRole

SECRET_PREFIX: Final = "PACELINE_CLIENT_SECRET_"  # noqa: S105 - the name of a variable
_FILE: Final = "_FILE"
_MASK: Final = "********"

# Part of a URL, and of the name of a variable that must not look like one that names a file.
Name = Annotated[str, Meta(pattern=r"^(?!.*-file$)[a-z0-9]+(-[a-z0-9]+)*$", max_length=32)]
_Text = Annotated[str, Meta(min_length=1, max_length=200)]
_VISIBLE: Final = r"^[ -~]+$"  # RFC 6749, appendix A
_Scope = Annotated[str, Meta(pattern=r"^[!#-\[\]-~]{1,200}$")]  # RFC 6749, section 3.3


class Provider(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One provider: who it is, who we are to it, and what becomes of those whom it sends."""

    name: Name
    label: _Text = ""  # what people read on a button; empty: the name
    issuer: _Text
    client_id: Annotated[str, Meta(pattern=_VISIBLE, max_length=200)]
    scopes: Annotated[tuple[_Scope, ...], Meta(max_length=20)] = ("openid", "email", "profile")
    creates_users: bool = True  # whether somebody whom nobody has made a user may come in
    default_role: UserRole = "viewer"
    trusts_emails: bool = False  # whether its e-mails are right although it does not say so
    links_verified_emails: bool = False  # whether it opens accounts that were there before
    role_claim: _Text | None = None  # the claim that says what somebody may do here
    roles: dict[UserRole, tuple[_Text, ...]] = {}  # by role, the values that give it
    is_public: bool = False  # whether it has been told to expect no secret of us
    client_secret: str | None = None  # never from the file

    def __repr__(self) -> str:
        """Without the secret."""
        return f"Provider({self.name}, {self.issuer})"

    @property
    def variable(self) -> str:
        """The variable that holds the secret."""
        return SECRET_PREFIX + self.name.upper().replace("-", "_")

    def shown(self) -> str:
        """A line for people, the secret masked."""
        secret = "none" if self.client_secret is None else _MASK
        return f"{self.issuer}, client {self.client_id}, secret {secret}"


class ProviderReading:
    """Reads the tables and their secrets; gathers `problems` on its way."""

    def __init__(self, environ: Mapping[str, str], text_of_file: Callable[[str, str], str]) -> None:
        self._environ = environ
        self._text_of_file = text_of_file
        self.problems: list[str] = []

    def providers(self, tables: object) -> tuple[Provider, ...]:
        """The providers of `[[provider]]`, in the order of the file."""
        if not isinstance(tables, list):
            self.problems.append("PACELINE_CONFIG: write [[provider]], with two brackets.")
            tables = []
        read = [self._provider(number, table) for number, table in enumerate(tables, 1)]
        providers = [provider for provider in read if provider is not None]
        names = [provider.name for provider in providers]
        for name in sorted({name for name in names if names.count(name) > 1}):
            self.problems.append(f"PACELINE_CONFIG: two [[provider]] have the name {name!r}.")
        return tuple(providers)

    def _provider(self, number: int, table: object) -> Provider | None:
        place = f"[[provider]] number {number}"
        if isinstance(table, dict) and "client_secret" in table:
            self.problems.append(
                f"PACELINE_CONFIG: {place}: the secret belongs into {SECRET_PREFIX}NAME,"
                f" or a file that {SECRET_PREFIX}NAME_FILE names."
            )
            return None
        try:
            provider = msgspec.convert(table, type=Provider)
        except msgspec.ValidationError as error:
            self.problems.append(f"PACELINE_CONFIG: {place}: {_rule_of(error)}.")
            return None
        self.problems.extend(
            f"PACELINE_CONFIG: {place}: {problem}" for problem in _problems_of(provider)
        )
        return msgspec.structs.replace(provider, client_secret=self._secret(provider))

    def _secret(self, provider: Provider) -> str | None:
        variable = provider.variable
        text = self._environ.get(variable, "").strip()
        path = self._environ.get(variable + _FILE, "").strip()
        if text and path:
            self.problems.append(f"{variable} and {variable}{_FILE} are both set; keep one.")
        if path:
            text = self._text_of_file(variable + _FILE, path)
            if not text:
                self.problems.append(f"{variable}{_FILE}: nothing was read from {path}.")
        if not text and not path and not provider.is_public:
            self.problems.append(
                f"{variable} is not set; a provider that expects no secret has is_public = true."
            )
        if text and not re.fullmatch(_VISIBLE, text):
            self.problems.append(f"{variable} has characters beyond printable ASCII.")
        if text and provider.is_public:
            self.problems.append(f"{variable} is set for a provider that is_public.")
        return text or None


def secret_variables(environ: Mapping[str, str]) -> Sequence[str]:
    """The variables that hold, or name, secrets of providers."""
    return sorted(name for name in environ if name.startswith(SECRET_PREFIX))


def orphans_of(environ: Mapping[str, str], providers: Sequence[Provider]) -> Iterator[str]:
    """The secrets that belong to none of the providers: a misspelled name, mostly."""
    known = {provider.variable for provider in providers}
    for variable in secret_variables(environ):
        if variable.removesuffix(_FILE) not in known:
            yield f"{variable} is the secret of no [[provider]]."


def _problems_of(provider: Provider) -> Iterator[str]:
    if not is_safe_url(provider.issuer) or "?" in provider.issuer:
        yield "issuer is not a URL such as https://id.example (plain http: this machine alone)."
    if "openid" not in provider.scopes:
        yield "scopes lack 'openid', which makes it OpenID Connect."
    if bool(provider.roles) != (provider.role_claim is not None):
        yield "role_claim and roles are only of use together."


def _rule_of(error: msgspec.ValidationError) -> str:
    return str(error).replace(
        "matching regex '^(?!.*-file$)[a-z0-9]+(-[a-z0-9]+)*$'", "such as my-id"
    )
