"""What a `[[webhook]]` may say."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from gateway.settings import Settings, SettingsInvalid, describe
from gateway.settings.webhooks import Webhook

SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
SHOP = f"""
[[webhook]]
name = "shop"
url = "https://shop.example/hooks"
secret = "{SECRET}"
"""


def settings_of(toml: str, folder: Path) -> Settings:
    (folder / "paceline.toml").write_text(toml)
    config = str(folder / "paceline.toml")
    return Settings.from_env({"PACELINE_ENV": "development", "PACELINE_CONFIG": config})


def test_a_webhook_is_read_beside_the_rooms(tmp_path: Path) -> None:
    toml = '[[room]]\npattern = "city:*"\nwebhooks = true\n' + SHOP + 'events = ["user.*"]\n'

    settings = settings_of(toml, tmp_path)

    (shop,) = settings.webhooks
    assert (shop.name, shop.keys, shop.events) == ("shop", (b"k" * 32,), ("user.*",))
    assert settings.kind_of("city:paris").webhooks
    assert not settings.kind_of("ride:7").webhooks
    assert SECRET not in repr(settings) + repr(shop)
    assert ("PACELINE_CONFIG", "city:*, *; webhooks: shop", "environment") in describe(settings)


def test_secrets_come_from_a_file_the_newest_first(tmp_path: Path) -> None:
    older = "whsec_" + base64.b64encode(b"o" * 24).decode()
    (tmp_path / "secret").write_text(f"{SECRET}\n{older}\n")
    toml = SHOP.replace(f'secret = "{SECRET}"', f'secret_file = "{tmp_path / "secret"}"')

    assert settings_of(toml, tmp_path).webhooks[0].keys == (b"k" * 32, b"o" * 24)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ('name = "shop"\n', "", "[[webhook]] number 1 has no name."),
        ('"shop"', '"The Shop"', "Expected `str` matching regex"),
        (SECRET, "", "has no secret"),
        (SECRET, "whsec_c2hvcnQ=", "whsec_ and 24 to 64 bytes in Base64"),
        (SECRET, "whsec_%%%", "a secret is whsec_ and Base64"),
        ("https://shop.example", "http://shop.example", "write https://"),
        ("https://shop", "https://me:pass@shop", "has a user or a password"),
        ("https://shop.example/hooks", "shop", "is none such as"),
        ("https://shop.example/hooks", "https://[::1/", "is none such as"),
        ("[[webhook]]", "[webhook]", "with two brackets"),
        ('name = "shop"', 'name = "shop"\nprivate_networks = ["10.0.0.1/8"]', "has host bits set"),
        ('name = "shop"', 'name = "shop"\nsecrets = "x"', "unknown field `secrets`"),
        ('name = "shop"', 'name = "shop"\nsecret_file = "/none"', "keep one"),
    ],
)
def test_mistakes_are_told_without_secrets(
    before: str, after: str, told: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingsInvalid) as invalid:
        settings_of(SHOP.replace(before, after), tmp_path)

    assert told in str(invalid.value)
    assert SECRET not in str(invalid.value)


def test_a_name_is_of_one_webhook(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="another one has that name"):
        settings_of(SHOP + SHOP, tmp_path)


def test_events_and_rooms_are_chosen_by_patterns() -> None:
    webhook = Webhook(
        name="shop",
        url="https://shop.example",
        events=("user.deleted", "room.*"),
        rooms=("city:*",),
    )

    assert webhook.wants("user.deleted")
    assert not webhook.wants("user.created")
    assert webhook.wants("room.occupied", "city:paris")
    assert not webhook.wants("room.occupied", "ride:7")
    assert not webhook.wants("peer.left", "city:paris")
