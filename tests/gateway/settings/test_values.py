import time

import msgspec

from gateway.settings import RoomKind, Settings
from tests.gateway.settings.environments import (
    with_config,
)


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
