"""How often a password may be tried."""

from __future__ import annotations

from gateway.users.patience import FREE_TRIES, LONGEST_WAIT_SECONDS, Patience


def spent(patience: Patience, account: str = "ada", now_seconds: float = 0.0) -> None:
    for number in range(FREE_TRIES):
        assert patience.take(account, f"address {number}", now_seconds) == 0.0


def test_the_first_tries_are_free_and_then_each_doubles_the_wait() -> None:
    patience, now = Patience(), 1000.0
    spent(patience, now_seconds=now)
    waits = []
    for _ in range(12):
        wait = patience.take("ada", "home", now)
        waits.append(wait)
        now += wait
        assert patience.take("ada", "home", now) == 0.0

    assert waits[:5] == [1.0, 2.0, 4.0, 8.0, 16.0]
    assert max(waits) == waits[-1] == LONGEST_WAIT_SECONDS


def test_another_account_does_not_wait() -> None:
    patience = Patience()
    spent(patience)

    assert patience.take("ada", "home", 0.0) > 0
    assert patience.take("bob", "home", 0.0) == 0.0


def test_who_knows_the_password_has_all_tries_again() -> None:
    patience = Patience()
    spent(patience)
    patience.forgive("ada")

    spent(patience)


def test_failures_of_long_ago_are_forgotten() -> None:
    patience = Patience()
    spent(patience)

    spent(patience, now_seconds=901.0)


def test_one_address_cannot_try_one_password_on_everybody() -> None:
    patience = Patience()

    waits = [patience.take(f"account {number}", "attacker", 0.0) for number in range(200)]

    assert waits.count(0.0) == 100
    assert patience.take("somebody", "elsewhere", 0.0) == 0.0


def test_an_account_is_told_of_once_when_it_begins_to_wait() -> None:
    patience = Patience()
    assert not patience.is_first_refusal("ada")
    patience.take("ada", "home", 0.0)
    assert not patience.is_first_refusal("ada")
    patience.forgive("ada")
    spent(patience)

    assert [patience.is_first_refusal("ada") for _ in range(3)] == [True, False, False]
    patience.forgive("ada")
    spent(patience)
    assert patience.is_first_refusal("ada")
