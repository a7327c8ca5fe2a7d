import pytest

from gateway.settings import RoomKind, Settings, warnings_of
from tests.gateway.settings.environments import (
    DEVELOPMENT,
    PRIVATE_PEM,
    PRODUCTION,
    SECRET,
    problems_of,
)


def test_production_needs_nothing_but_a_key() -> None:
    settings = Settings.from_env(PRODUCTION)
    assert (settings.environment, settings.host, settings.port) == ("production", "0.0.0.0", 8080)  # noqa: S104 - the expectation
    assert settings.jwt_secrets == (SECRET,)
    assert settings.kind_of("any room") == RoomKind()
    assert warnings_of(settings) == []


def test_development_needs_nothing_and_stays_on_this_machine() -> None:
    settings = Settings.from_env(DEVELOPMENT)
    assert settings.is_development
    assert settings.host == "127.0.0.1"


def test_all_mistakes_are_told_at_once_each_with_its_variable() -> None:
    problems = problems_of(
        {
            "PORT": "eighty",
            "PACELINE_WORKERS": "0",
            "PACELINE_LOG_FORMAT": "xml",
            "PACELINE_PING_TIMEOUT_SECONDS": "inf",
            "PACELINE_TRUSTED_PROXIES": "10.0.0.1/8",
            "PACELINE_JWKS_URL": "file:///etc/keys",
        }
    )
    for variable in (
        "PORT",
        "PACELINE_WORKERS",
        "PACELINE_LOG_FORMAT",
        "PACELINE_PING_TIMEOUT_SECONDS",
        "PACELINE_TRUSTED_PROXIES",
        "PACELINE_JWKS_URL",
    ):
        assert [problem for problem in problems if problem.startswith(variable)], variable
    assert len(problems) == 6


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({}, "production needs a way to check tokens"),
        ({"PACELINE_ENV": "staging"}, "PACELINE_ENV is 'staging'"),
        ({**PRODUCTION, "PORT": "65536"}, "PORT is '65536'"),
        ({**PRODUCTION, "PORT": "-1"}, "PORT is '-1'"),
        ({**PRODUCTION, "PACELINE_JWT_LEEWAY_SECONDS": "nan"}, "PACELINE_JWT_LEEWAY_SECONDS"),
        ({**PRODUCTION, "PACELINE_WORKERS": "2"}, "need REDIS_URL"),
        ({**PRODUCTION, "REDIS_URL": "localhost:6379"}, "REDIS_URL is not right: it is not a URL"),
        ({**PRODUCTION, "PACELINE_ADVERTISE_URL": "10.0.0.7:8080"}, "ADVERTISE_URL is not a URL"),
        ({**PRODUCTION, "PACELINE_METRICS_PORT": "8080"}, "PORT is among the ports"),
        ({**PRODUCTION, "PACELINE_METRICS_PORT": "65535", "PACELINE_WORKERS": "2"}, "as many"),
        ({**PRODUCTION, "DATABASE_URL": "mysql://h/d"}, "DATABASE_URL is not a URL"),
        ({**PRODUCTION, "PACELINE_ALLOWED_ORIGINS": "*"}, "wants the origins by name"),
        ({**PRODUCTION, "PACELINE_ALLOWED_ORIGINS": "https://a.example/"}, "https://maps.example"),
        ({**PRODUCTION, "PACELINE_ALLOWED_ORIGINS": "a.example"}, "https://maps.example"),
        ({**PRODUCTION, "PACELINE_JWT_ALGORITHMS": "none"}, "PACELINE_JWT_ALGORITHMS is 'none'"),
        ({**PRODUCTION, "PACELINE_JWT_ALGORITHMS": "RS256"}, "leaves out HS256"),
        ({**PRODUCTION, "PACELINE_WRITE_HIGH_WATER_BYTES": "8000000"}, "HIGH_WATER"),
        ({**PRODUCTION, "PACELINE_BYTES_BURST_PER_PEER": "65535"}, "could never be sent"),
        ({**PRODUCTION, "PACELINE_MESSAGES_BURST_PER_PEER": "0"}, "MESSAGES_BURST_PER_PEER is '0'"),
        ({**PRODUCTION, "PACELINE_JOINS_PER_SECOND_PER_PEER": "-1"}, "JOINS_PER_SECOND_PER_PEER"),
        ({**DEVELOPMENT, "HOST": "0.0.0.0"}, "PACELINE_ALLOW_PUBLIC_DEVELOPMENT"),  # noqa: S104 - refused
        ({"PACELINE_JWT_PUBLIC_KEY": "no pem"}, "not a public key in PEM form"),
        ({"PACELINE_JWT_PUBLIC_KEY": PRIVATE_PEM}, "holds a private key"),
        ({"PACELINE_JWT_SECRET_FILE": "/gone"}, "cannot be read: No such file"),
        ({**PRODUCTION, "PACELINE_JWT_SECRET_FILE": "/run/jwt"}, "are both set"),
        ({**PRODUCTION, "PACELINE_JWT_ISSUER": "a\udcff"}, "PACELINE_JWT_ISSUER is not UTF-8"),
        ({"PACELINE_JWT_SECRET": ",".join(c * 32 for c in "abcdefghi")}, "length <= 8"),
    ],
)
def test_a_mistake_is_told_in_words(environ: dict[str, str], words: str) -> None:
    assert any(words in problem for problem in problems_of(environ)), problems_of(environ)


def test_no_problem_repeats_a_secret() -> None:
    environ = {
        "PACELINE_JWT_SECRET": "hunter2",
        "REDIS_URL": "hunter2://:hunter2@host",
        "DATABASE_URL": "hunter2:hunter2",
        "PACELINE_JWT_PUBLIC_KEY": "hunter2",
    }
    problems = problems_of(environ)
    assert len(problems) == 4
    assert "hunter2" not in "".join(problems)
