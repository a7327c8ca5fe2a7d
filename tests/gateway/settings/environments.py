"""This module owns environments to read settings from, right and wrong."""

from collections.abc import Callable, Mapping

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from gateway.settings import Settings, SettingsInvalid

SECRET = "a-secret-that-is-long-enough-for-hs256"
PRODUCTION = {"PACELINE_JWT_SECRET": SECRET}
DEVELOPMENT = {"PACELINE_ENV": "development"}

_PRIVATE_KEY = Ed25519PrivateKey.generate()
PRIVATE_PEM = _PRIVATE_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
PUBLIC_PEM = (
    _PRIVATE_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
)


def files(texts: Mapping[str, str]) -> Callable[[str], str]:
    def read_text(path: str) -> str:
        if path not in texts:
            raise FileNotFoundError(2, "No such file or directory", path)
        return texts[path]

    return read_text


def problems_of(environ: Mapping[str, str], texts: Mapping[str, str] | None = None) -> list[str]:
    with pytest.raises(SettingsInvalid) as caught:
        Settings.from_env(environ, files(texts or {}))
    return caught.value.problems


def with_config(toml: str) -> Settings:
    return Settings.from_env(
        {**PRODUCTION, "PACELINE_CONFIG": "rooms.toml"}, files({"rooms.toml": toml})
    )


def config_problems(toml: str) -> list[str]:
    return problems_of({**PRODUCTION, "PACELINE_CONFIG": "rooms.toml"}, {"rooms.toml": toml})
