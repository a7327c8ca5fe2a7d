import time
from collections.abc import Callable, Mapping

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from gateway.settings import RoomKind, Settings, SettingsInvalid, describe, warnings_of

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


# ---- values


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
    newest, older = "n" * 32, "o" * 32
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


# ---- mistakes


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
        ({**PRODUCTION, "REDIS_URL": "localhost:6379"}, "REDIS_URL is not a URL"),
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


def test_a_short_secret_is_refused_in_production_and_warned_of_in_development() -> None:
    short = {"PACELINE_JWT_SECRET": "correct-horse"}
    assert "13 bytes" in problems_of(short)[0]
    settings = Settings.from_env({**short, **DEVELOPMENT})
    assert any("13 bytes" in warning for warning in warnings_of(settings))


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


def test_too_many_secrets_are_refused_without_repeating_them() -> None:
    (problem,) = [
        problem
        for problem in problems_of({"PACELINE_JWT_SECRET": ",".join(c * 32 for c in "abcdefghi")})
        if problem.startswith("PACELINE_JWT_SECRET")
    ]
    assert "length <= 8" in problem
    assert "aaaa" not in problem


def test_public_development_is_possible_on_demand_and_loud() -> None:
    environ = {**DEVELOPMENT, "HOST": "0.0.0.0", "PACELINE_ALLOW_PUBLIC_DEVELOPMENT": "1"}  # noqa: S104 - the case
    settings = Settings.from_env(environ)
    assert any("reachable from other machines" in warning for warning in warnings_of(settings))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.8.8"])
def test_development_listens_on_any_loopback_address(host: str) -> None:
    assert Settings.from_env({**DEVELOPMENT, "HOST": host}).host == host


def test_loose_ways_to_check_tokens_are_warned_of() -> None:
    settings = Settings.from_env({"PACELINE_JWKS_URL": "http://issuer.example/jwks.json"})
    warnings = " ".join(warnings_of(settings))
    assert "plain http" in warnings
    assert "PACELINE_JWT_AUDIENCE" in warnings


# ---- names


@pytest.mark.parametrize(
    ("misspelled", "meant"),
    [
        ("PACELINE_JWT_ISUER", "PACELINE_JWT_ISSUER"),
        ("PACELINE_JWT_SECRETS", "PACELINE_JWT_SECRET"),
        ("PACELINE_DRAIN_SECOND", "PACELINE_DRAIN_SECONDS"),
        ("PACELINE_REDIS_URL", "REDIS_URL"),
        ("PACELINE_PORT", "PORT"),
    ],
)
def test_a_misspelled_name_stops_the_start_and_names_what_was_meant(
    misspelled: str, meant: str
) -> None:
    assert problems_of({**PRODUCTION, misspelled: "1"}) == [
        f"{misspelled} is not a setting; did you mean {meant}?"
    ]


def test_a_name_like_no_setting_is_warned_of() -> None:
    settings = Settings.from_env({**PRODUCTION, "PACELINE_COLOUR": "green"})
    assert warnings_of(settings) == ["PACELINE_COLOUR is not a setting and has no effect."]


def test_what_kubernetes_adds_for_a_service_of_our_name_is_no_mistake() -> None:
    names = {
        "PACELINE_SERVICE_HOST": "10.96.0.7",
        "PACELINE_SERVICE_PORT": "80",
        "PACELINE_SERVICE_PORT_HTTP": "80",
        "PACELINE_PORT": "tcp://10.96.0.7:80",
        "PACELINE_PORT_80_TCP": "tcp://10.96.0.7:80",
        "PACELINE_PORT_80_TCP_ADDR": "10.96.0.7",
        "PACELINE_REDIS_SERVICE_HOST": "10.96.0.8",
    }
    assert warnings_of(Settings.from_env({**PRODUCTION, **names})) == []


# ---- room kinds


def test_the_first_pattern_that_matches_gives_the_kind() -> None:
    settings = with_config(
        """
        [[room]]
        pattern = "city:paris"
        history_length = 5
        [[room]]
        pattern = "city:*"
        history_seconds = 60
        presence = true
        profile = "live"
        """
    )
    assert settings.kind_of("city:paris").history_length == 5
    assert settings.kind_of("city:rome").presence
    assert settings.kind_of("city:rome").profile == "live"
    assert settings.kind_of("depot") == RoomKind()


def test_the_default_kind_may_be_set() -> None:
    settings = with_config('[[room]]\npattern = "*"\nexpire_seconds = 30\n')
    assert settings.kind_of("depot").expire_seconds == 30.0
    assert len(settings.room_kinds) == 1


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


def test_a_kind_is_found_once_and_then_looked_up_however_many_names_strangers_send() -> None:
    settings = Settings(room_kinds=(RoomKind(pattern="city:*", presence=True),))
    for number in range(25_000):
        assert settings.kind_of(f"city:{number}").presence
    assert len(settings._kind_by_room) <= 10_000  # noqa: SLF001 - the bound itself
    rounds = 100_000
    began = time.process_time()
    for _ in range(rounds):
        settings.kind_of("city:24999")
    assert (time.process_time() - began) / rounds < 2e-6


def test_a_copy_with_other_kinds_looks_them_up_anew() -> None:
    settings = Settings(room_kinds=(RoomKind(pattern="a", presence=True),))
    assert settings.kind_of("a").presence
    copy = msgspec.structs.replace(settings, room_kinds=(RoomKind(pattern="b"),))
    assert not copy.kind_of("a").presence
    assert settings.kind_of("a").presence


# ---- telling


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
