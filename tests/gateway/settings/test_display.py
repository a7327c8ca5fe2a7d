from gateway.settings import Settings, describe
from tests.gateway.settings.environments import PUBLIC_PEM, SECRET


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
