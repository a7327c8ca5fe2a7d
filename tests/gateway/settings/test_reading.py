import pytest

from gateway.settings import Settings
from tests.gateway.settings.environments import (
    PRODUCTION,
    PUBLIC_PEM,
    SECRET,
    config_problems,
    files,
    problems_of,
)


def test_every_kind_of_value_is_read_from_its_text() -> None:
    settings = Settings.from_env(
        {
            **PRODUCTION,
            "HOST": "10.0.0.7",
            "PORT": "9000",
            "LOG_LEVEL": "debug",
            "REDIS_URL": "redis://localhost:6379/0",
            "DATABASE_URL": "postgresql://localhost/paceline",
            "PACELINE_WORKERS": "4",
            "PACELINE_LOG_FORMAT": "JSON",
            "PACELINE_ALLOWED_ORIGINS": "https://a.example, https://b.example:8443",
            "PACELINE_TRUSTED_PROXIES": "10.0.0.0/8 fd00::/8",
            "PACELINE_PING_INTERVAL_SECONDS": "2.5",
            "PACELINE_DRAIN_SECONDS": "0",
            "PACELINE_JWT_ALGORITHMS": "HS256",
        }
    )
    assert (settings.host, settings.port, settings.log_level) == ("10.0.0.7", 9000, "DEBUG")
    assert (settings.workers, settings.log_format) == (4, "json")
    assert settings.allowed_origins == ("https://a.example", "https://b.example:8443")
    assert [str(network) for network in settings.trusted_networks] == ["10.0.0.0/8", "fd00::/8"]
    assert (settings.ping_interval_seconds, settings.drain_seconds) == (2.5, 0.0)


def test_how_fast_anyone_may_go_is_read_and_a_rate_of_zero_lifts_what_it_limits() -> None:
    settings = Settings.from_env(
        {
            **PRODUCTION,
            "PACELINE_MESSAGES_PER_SECOND_PER_PEER": "20",
            "PACELINE_MESSAGES_BURST_PER_PEER": "40",
            "PACELINE_BYTES_PER_SECOND_PER_PEER": "0",
            "PACELINE_BYTES_BURST_PER_PEER": "1",
            "PACELINE_JOINS_PER_SECOND_PER_PEER": "3",
            "PACELINE_JOINS_BURST_PER_PEER": "6",
            "PACELINE_HANDSHAKES_PER_SECOND_PER_ADDRESS": "0",
            "PACELINE_MESSAGES_PER_SECOND_PER_IDENTITY": "100",
        }
    )
    assert (settings.messages_per_second_per_peer, settings.messages_burst_per_peer) == (20, 40)
    assert (settings.bytes_per_second_per_peer, settings.bytes_burst_per_peer) == (0, 1)
    assert (settings.joins_per_second_per_peer, settings.joins_burst_per_peer) == (3, 6)
    assert settings.handshakes_per_second_per_address == 0
    assert settings.messages_per_second_per_identity == 100


def test_secrets_are_separated_by_commas_or_lines_and_keep_their_order() -> None:
    newest, older = "abcdefgh" * 4, "ijklmnop" * 4
    for text in (f"{newest},{older}", f"{newest}\n{older}\n", f" {newest} , {older},{newest}"):
        assert Settings.from_env({"PACELINE_JWT_SECRET": text}).jwt_secrets == (newest, older)


def test_secrets_and_urls_may_come_from_files() -> None:
    environ = {
        "PACELINE_JWT_SECRET_FILE": "/run/jwt",
        "PACELINE_JWT_PUBLIC_KEY_FILE": "/run/pem",
        "REDIS_URL_FILE": "/run/redis",
        "DATABASE_URL_FILE": "/run/database",
    }
    texts = {
        "/run/jwt": f"{SECRET}\n",
        "/run/pem": PUBLIC_PEM,
        "/run/redis": "redis://:p@localhost\n",
        "/run/database": "sqlite:///x.db\n",
    }
    settings = Settings.from_env(environ, files(texts))
    assert settings.jwt_secrets == (SECRET,)
    assert settings.jwt_public_key == PUBLIC_PEM.strip()
    assert settings.redis_url == "redis://:p@localhost"
    assert settings.database_url == "sqlite:///x.db"


def test_a_public_key_may_have_its_line_ends_written_as_two_characters() -> None:
    settings = Settings.from_env({"PACELINE_JWT_PUBLIC_KEY": PUBLIC_PEM.replace("\n", "\\n")})
    assert settings.jwt_public_key == PUBLIC_PEM.replace("\\n", "\n").strip() + "\n"


def test_an_empty_variable_is_an_absent_one() -> None:
    assert Settings.from_env({**PRODUCTION, "PORT": "", "REDIS_URL": "  "}).port == 8080


def test_too_many_secrets_are_refused_without_repeating_them() -> None:
    (problem,) = [
        problem
        for problem in problems_of({"PACELINE_JWT_SECRET": ",".join(c * 32 for c in "abcdefghi")})
        if problem.startswith("PACELINE_JWT_SECRET")
    ]
    assert "length <= 8" in problem
    assert "aaaa" not in problem


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("[[room]\n", "is not TOML"),
        ('[[room]]\npattern = "a"\nhistory = 5\n', "unknown field `history`"),
        ('[[room]]\npattern = "a"\nhistory_length = -1\n', "`$.history_length`"),
        ('[[room]]\npattern = "a"\nhistory_length = "5"\n', "Expected `int`, got `str`"),
        ('[[room]]\npattern = "a"\nprofile = "fast"\n', "`$.profile`"),
        ('[[room]]\npattern = "a"\nexpire_seconds = inf\n', "`$.expire_seconds`"),
        ('[[room]]\npattern = ""\n', "`$.pattern`"),
        ("[[room]]\nsnapshot = false\n", "number 1 has no pattern"),
        ('[room]\npattern = "a"\n', "two brackets"),
        ("rooms = 1\n", "has 'rooms'"),
        ('[[room]]\npattern = "*"\n[[room]]\npattern = "a"\n', "number 2 ('a') is never reached"),
        ('[[room]]\npattern = "a"\n[[room]]\npattern = "a"\n', "number 2 ('a') is never reached"),
    ],
)
def test_a_mistake_in_the_file_is_told_with_its_place(toml: str, words: str) -> None:
    assert any(words in problem for problem in config_problems(toml)), config_problems(toml)


def test_all_mistakes_of_a_file_are_told() -> None:
    assert len(config_problems('x = 1\n[[room]]\n[[room]]\npattern = "a"\ny = 2\n')) == 3
