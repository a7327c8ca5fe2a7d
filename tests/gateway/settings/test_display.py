from urllib.parse import unquote

import pytest

from gateway.settings import Settings, describe
from gateway.users.database import url_of
from tests.gateway.settings.environments import PUBLIC_PEM, SECRET


@pytest.mark.parametrize("password", ["a/b", "a?b", "a#b", "a:b", "/?#", "a%40b"])
def test_no_part_of_a_password_is_shown_that_a_database_takes(password: str) -> None:
    url = f"postgresql://u:{password}@localhost/d"
    assert url_of(url).password == unquote(password)
    settings = Settings.from_env({"PACELINE_JWT_SECRET": SECRET, "DATABASE_URL": url})

    rows = {name: value for name, value, _ in describe(settings)}
    assert rows["DATABASE_URL"] == "postgresql://u:********@localhost/d"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://:a@b@localhost", "redis://:********@localhost"),
        ("redis://localhost:6379/0", "redis://localhost:6379/0"),
        ("redis+sentinel://u:p@a:1,b:2/m?x=y", "redis+sentinel://u:********@a:1,b:2/m?********"),
    ],
)
def test_the_rest_of_a_url_is_shown(url: str, shown: str) -> None:
    settings = Settings.from_env({"PACELINE_JWT_SECRET": SECRET, "REDIS_URL": url})

    assert {name: value for name, value, _ in describe(settings)}["REDIS_URL"] == shown


def test_everything_in_force_is_described_with_its_source_and_without_secrets() -> None:
    settings = Settings.from_env(
        {
            "PACELINE_JWT_SECRET": f"{SECRET},{SECRET[::-1]}",
            "PACELINE_JWT_PUBLIC_KEY": PUBLIC_PEM,
            "REDIS_URL": "redis://user:hunter2@localhost:6379/0?password=hunter3",
            "DATABASE_URL": "postgresql://u:hunter4@localhost/d",
        }
    )
    rows = {name: (value, source) for name, value, source in describe(settings)}
    assert rows["PORT"] == ("8080", "default")
    assert rows["PACELINE_JWT_SECRET"] == ("********, ********", "environment")
    assert rows["PACELINE_JWT_PUBLIC_KEY"] == ("PEM, 1 key(s)", "environment")
    assert rows["REDIS_URL"][0] == "redis://user:********@localhost:6379/0?********"
    assert rows["DATABASE_URL"][0] == "postgresql://u:********@localhost/d"
    assert rows["PACELINE_CONFIG"] == ("*", "default")
    text = f"{rows} {settings!r} {settings}"
    assert not [word for word in (SECRET, SECRET[::-1], "hunter") if word in text]
