"""Passwords: hashes and guesses."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher

from gateway.users.passwords import Passwords, check_password
from gateway.users.user import folded
from protocol.passwords import PASSWORD_LEAST_CHARACTERS
from protocol.refusals import Refusal, Refused
from tests.toolbox.programs import REPOSITORY


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    passwords = Passwords()
    yield passwords
    passwords.stop()


async def test_a_hash_is_of_argon2id_and_of_one_password_alone(passwords: Passwords) -> None:
    one, other = await passwords.hash("correct horse"), await passwords.hash("correct horse")

    assert one.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert one != other
    assert await passwords.is_right("correct horse", one)
    assert not await passwords.is_right("correct horsE", one)
    assert not await passwords.is_right("correct horse", "no hash at all")


async def test_every_character_of_a_long_password_counts(passwords: Passwords) -> None:
    text = "ünïcödé \U0001f6b2 " * 20
    password_hash = await passwords.hash(text)

    assert await passwords.is_right(text, password_hash)
    assert not await passwords.is_right(text[:-1], password_hash)


async def test_the_password_of_nobody_is_never_right_and_takes_as_long(
    passwords: Passwords,
) -> None:
    password_hash = await passwords.hash("correct horse")

    async def cpu_seconds(known: str | None) -> float:
        began = time.process_time()
        assert not await passwords.is_right("nobody", known)
        return time.process_time() - began

    of_somebody = [await cpu_seconds(password_hash) for _ in range(15)]
    of_nobody = [await cpu_seconds(None) for _ in range(15)]

    ratio = statistics.median(of_nobody) / statistics.median(of_somebody)
    assert 0.7 < ratio < 1.4


async def test_a_hash_of_weaker_parameters_is_outdated(passwords: Passwords) -> None:
    weak = PasswordHasher(1, 8_192, 1).hash("correct horse")

    assert passwords.is_outdated(weak)
    assert await passwords.is_right("correct horse", weak)
    assert not passwords.is_outdated(await passwords.hash("correct horse"))


async def test_a_flood_is_turned_away_and_the_loop_goes_on(passwords: Passwords) -> None:
    flood = [asyncio.create_task(passwords.is_right("guess", None)) for _ in range(50)]
    await asyncio.sleep(0)
    turns = 0
    while not all(task.done() for task in flood):
        await asyncio.sleep(0.001)
        turns += 1

    results = await asyncio.gather(*flood, return_exceptions=True)
    refusals = [result for result in results if isinstance(result, Refused)]
    assert len(refusals) == 34
    assert {refused.refusal for refused in refusals} == {Refusal.TOO_FAST}
    assert turns > 5


@pytest.mark.parametrize(
    "password",
    [
        "password1",
        "PASSWORD1",
        "ada@example.org",
        "Ada Lovelace",
        "adalovelace",
        "AdaLovelace1815!",
        "zzzzzzzz",
        "baseball",
        "!!Baseball2026",
        "Paceline2026",
        "Administrator!",
    ],
)
def test_what_anybody_would_try_first_is_refused(password: str) -> None:
    with pytest.raises(Refused) as caught:
        check_password(password, "Ada@example.org", "Ada Lovelace")

    assert caught.value.details == {"fields": {"newPassword": "Too easy to guess."}}


def test_three_thousand_common_ones_that_are_long_enough_are_known() -> None:
    file = REPOSITORY / "gateway" / "users" / "common_passwords.txt"
    words = set(file.read_text(encoding="utf-8").split())

    assert len([word for word in words if len(word) >= PASSWORD_LEAST_CHARACTERS]) >= 3_000
    assert words == {folded(word) for word in words}


@pytest.mark.parametrize(
    "password", ["correct horse", "hunter2hunter2", "ключ от двери", "...,....,"]
)
def test_anything_else_will_do(password: str) -> None:
    check_password(password, "ada@example.org", "Ada Lovelace")
