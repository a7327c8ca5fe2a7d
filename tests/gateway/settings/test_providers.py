"""`[[provider]]`, and the secrets that stand elsewhere."""

from __future__ import annotations

import pytest

from gateway.settings import Provider, Settings, describe
from tests.gateway.settings.environments import DEVELOPMENT, PRODUCTION, files, problems_of

CLIENT_SECRET = "known to two and no more"
TABLE = """
[[provider]]
name = "my-id"
issuer = "https://id.example/realms/main"
client_id = "paceline"
"""
ENVIRON = {
    **PRODUCTION,
    "PACELINE_CONFIG": "paceline.toml",
    "PACELINE_PUBLIC_URL": "https://maps.example",
    "PACELINE_CLIENT_SECRET_MY_ID": CLIENT_SECRET,
}


def settings_of(toml: str = TABLE, **environ: str) -> Settings:
    texts = {"paceline.toml": toml, "secret": f"{CLIENT_SECRET}\n"}
    return Settings.from_env(ENVIRON | environ, files(texts))


def problems(toml: str = TABLE, **environ: str) -> list[str]:
    return problems_of(ENVIRON | environ, {"paceline.toml": toml, "empty": " "})


def test_a_provider_is_read_with_its_secret() -> None:
    expected = Provider(
        name="my-id",
        issuer="https://id.example/realms/main",
        client_id="paceline",
        client_secret=CLIENT_SECRET,
    )
    from_file = settings_of(
        PACELINE_CLIENT_SECRET_MY_ID="", PACELINE_CLIENT_SECRET_MY_ID_FILE="secret"
    )

    assert settings_of().providers == from_file.providers == (expected,)
    assert not settings_of().unknown_variables


def test_rooms_and_providers_stand_in_one_file() -> None:
    settings = settings_of(TABLE + "[[room]]\npattern = 'city:*'\n")

    assert [kind.pattern for kind in settings.room_kinds] == ["city:*", "*"]


def test_its_secret_is_shown_to_nobody() -> None:
    settings = settings_of()
    (row,) = [row for row in describe(settings) if row[0].startswith("[[provider]]")]

    assert row == (
        "[[provider]] my-id",
        "https://id.example/realms/main, client paceline, secret ********",
        "file",
    )
    assert CLIENT_SECRET not in f"{settings!r} {settings.providers!r} {describe(settings)}"


def test_a_provider_that_expects_no_secret_says_so() -> None:
    public = TABLE + "is_public = true\n"
    assert settings_of(public, PACELINE_CLIENT_SECRET_MY_ID="").providers[0].client_secret is None
    (said,) = problems(public)
    assert said == "PACELINE_CLIENT_SECRET_MY_ID is set for a provider that is_public."
    (said,) = problems(PACELINE_CLIENT_SECRET_MY_ID="")
    assert said == (
        "PACELINE_CLIENT_SECRET_MY_ID is not set; a provider that expects no secret has"
        " is_public = true."
    )


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('client_secret = "hunter2"', "the secret belongs into PACELINE_CLIENT_SECRET_NAME"),
        ('scopes = ["email"]', "scopes lack 'openid'"),
        ('role_claim = "groups"', "role_claim and roles are only of use together"),
        ('roles = {admin = ["a"]}', "role_claim and roles are only of use together"),
        ('roles = {chief = ["a"]}\nrole_claim = "groups"', "Invalid enum value"),
        ('default_role = "service"', "Invalid enum value"),
        ("links_emails = true", "unknown field"),
    ],
)
def test_mistakes_are_named_with_their_place(line: str, problem: str) -> None:
    (said,) = problems(TABLE + line)

    assert said.startswith("PACELINE_CONFIG: [[provider]] number 1: ")
    assert problem in said
    assert "hunter2" not in said


@pytest.mark.parametrize("name", ["", "My-Id", "a/b", "a--b", "-a", "secret-file", "a" * 33])
def test_a_name_is_part_of_a_url(name: str) -> None:
    assert len(problems(TABLE.replace("my-id", name), PACELINE_CLIENT_SECRET_MY_ID="")) == 1


@pytest.mark.parametrize(
    "issuer",
    [
        "http://id.example",
        "ftp://id.example",
        "https://user@id.example",
        "https://id.example?a=b",
        "https://id.example#a",
        "https://",
        "id.example",
        "https://[::1",
        "https://id.example:99999",
        "https://\u00e9.example",
    ],
)
def test_an_issuer_is_asked_over_https(issuer: str) -> None:
    (said,) = problems(TABLE.replace("https://id.example/realms/main", issuer))

    assert "issuer is not a URL such as" in said


def test_an_issuer_on_this_machine_needs_no_https() -> None:
    for host in ("127.0.0.1:4000", "localhost", "[::1]:4000"):
        toml = TABLE.replace("https://id.example/realms/main", f"http://{host}")
        assert settings_of(toml).providers


def test_two_of_a_name_are_one_too_many() -> None:
    assert problems(TABLE * 2) == ["PACELINE_CONFIG: two [[provider]] have the name 'my-id'."]


def test_a_secret_of_nobody_is_a_mistake() -> None:
    for toml in (TABLE, "[[room]]\npattern = '*'"):
        (said,) = problems(
            toml,
            PACELINE_CLIENT_SECRET_MYID="a",
            **({} if toml is TABLE else {"PACELINE_CLIENT_SECRET_MY_ID": ""}),
        )[:1]
        assert said.endswith("is the secret of no [[provider]].")


@pytest.mark.parametrize("path", ["empty", "missing"])
def test_a_file_without_a_secret_makes_no_public_client(path: str) -> None:
    said = problems(PACELINE_CLIENT_SECRET_MY_ID="", PACELINE_CLIENT_SECRET_MY_ID_FILE=path)

    assert f"PACELINE_CLIENT_SECRET_MY_ID_FILE: nothing was read from {path}." in said


def test_a_secret_is_printable_as_the_protocol_has_it() -> None:
    assert problems(PACELINE_CLIENT_SECRET_MY_ID="hunter\u0142") == [
        "PACELINE_CLIENT_SECRET_MY_ID has characters beyond printable ASCII."
    ]


def test_what_a_provider_needs_besides_is_checked() -> None:
    assert problems(PACELINE_PUBLIC_URL="") == [
        "a [[provider]] needs PACELINE_PUBLIC_URL: it sends browsers back to there."
    ]
    assert problems(PACELINE_JWT_SECRET="", PACELINE_JWKS_URL="https://id.example/jwks") == [
        "a [[provider]] needs PACELINE_JWT_SECRET: sessions are signed with it."
    ]
    assert problems(PACELINE_CLIENT_SECRET_MY_ID_FILE="empty")[0] == (
        "PACELINE_CLIENT_SECRET_MY_ID and PACELINE_CLIENT_SECRET_MY_ID_FILE are both set; keep one."
    )


@pytest.mark.parametrize(
    "url", ["http://maps.example", "https://maps.example/path", "maps.example", "https://a b"]
)
def test_browsers_are_sent_to_a_host_over_https(url: str) -> None:
    environ = {**DEVELOPMENT, "PACELINE_PUBLIC_URL": url}

    assert "PACELINE_PUBLIC_URL is not a URL" in problems_of(environ)[0]


def test_one_pair_of_brackets_is_too_few() -> None:
    (said, *_) = problems(TABLE.replace("[[provider]]", "[provider]"))

    assert said == "PACELINE_CONFIG: write [[provider]], with two brackets."
