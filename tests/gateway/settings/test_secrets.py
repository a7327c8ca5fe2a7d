"""Every secret: from a file as well, shown to nobody."""

from __future__ import annotations

import pytest

from gateway.logs.redaction import is_secret_name
from gateway.settings import Settings, describe, variable_of
from gateway.settings.variables import FIELDS, FROM_FILE, SECRET
from tests.gateway.settings.environments import DEVELOPMENT, files, problems_of

WORD = "hunter2hunter2hunter2hunter2hunter2"
URLS = {
    "redis_url": f"redis://user:{WORD}@localhost:6379/0",
    "database_url": f"postgresql://user:{WORD}@localhost/paceline",
    "smtp_url": f"smtp://user:{WORD}@localhost",
}
BESIDE = {"smtp_url": {"PACELINE_MAIL_FROM": "no-reply@maps.example"}}  # what else it needs
# Names that sound like secrets and are none: a public key, and times.
_HARMLESS = {"jwt_public_key", "access_token_seconds", "token_warning_seconds"}


def test_whatever_sounds_like_a_secret_is_treated_as_one() -> None:
    sounding = {name for name in FIELDS if is_secret_name(name)}

    assert sounding - _HARMLESS <= SECRET <= FROM_FILE


@pytest.mark.parametrize("name", sorted(SECRET))
def test_a_secret_comes_from_a_file_as_well_and_is_masked(name: str) -> None:
    text = URLS.get(name, WORD)
    variable = variable_of(name)
    beside = DEVELOPMENT | BESIDE.get(name, {})
    given = Settings.from_env({**beside, variable: text})
    read = Settings.from_env({**beside, f"{variable}_FILE": "a"}, files({"a": f"{text}\n"}))

    assert getattr(given, name) == getattr(read, name)
    for settings in (given, read):
        assert WORD not in f"{settings!r} {describe(settings)}"
        assert "********" in {row[0]: row[1] for row in describe(settings)}[variable]


@pytest.mark.parametrize("name", sorted(SECRET))
def test_a_mistake_in_a_secret_does_not_repeat_it(name: str) -> None:
    variable = variable_of(name)
    both = {variable: WORD, f"{variable}_FILE": "a"}
    said = problems_of({**DEVELOPMENT, **both}, {"a": WORD})

    assert said
    assert WORD not in " ".join(said)
    assert problems_of({**DEVELOPMENT, f"{variable}_FILE": "missing"})
