from __future__ import annotations

import hypothesis
import pytest
from hypothesis import strategies as st

from gateway.identity import Identity, Role
from gateway.rooms.pacing import Pacing, PeerPace, ms_of, network_of, too_fast
from gateway.settings import Settings
from protocol.refusals import Refusal

NOW_SECONDS = 1_000_000.0
RIDER = Identity("rider-1", Role.RIDER)
BACKEND = Identity("depot", Role.SERVICE)


def _allowed(
    pace: PeerPace, count: int, size_bytes: int = 100, now_seconds: float = NOW_SECONDS
) -> int:
    """How many of so many messages at one moment are let through."""
    return sum(not pace.take_message(size_bytes, now_seconds) for _ in range(count))


# ---- peers


def test_a_rider_at_one_message_a_second_is_never_stopped() -> None:
    pace = Pacing(Settings()).pace_of(RIDER)
    assert not any(pace.take_message(300, NOW_SECONDS + second) for second in range(3600))


def test_a_flood_is_let_through_up_to_the_burst_and_then_at_the_rate() -> None:
    pace = Pacing(Settings()).pace_of(RIDER)
    assert _allowed(pace, 10_000) == 2000
    assert _allowed(pace, 10_000, now_seconds=NOW_SECONDS + 0.5) in {499, 500}


def test_large_messages_are_counted_by_their_bytes() -> None:
    pace = Pacing(Settings()).pace_of(RIDER)
    assert _allowed(pace, 100, size_bytes=65_536) == 32
    assert pace.take_message(65_536, NOW_SECONDS) == pytest.approx(1 / 16, abs=1e-5)
    assert pace.take_message(65_536, NOW_SECONDS + 0.07) == 0.0


def test_joins_have_a_limit_of_their_own() -> None:
    pace = Pacing(Settings()).pace_of(RIDER)
    assert sum(not pace.take_join(NOW_SECONDS) for _ in range(1000)) == 200
    assert pace.take_join(NOW_SECONDS) == pytest.approx(0.02, abs=1e-5)
    assert pace.take_message(100, NOW_SECONDS) == 0.0


def test_peers_do_not_spend_what_others_have() -> None:
    pacing = Pacing(Settings())
    assert _allowed(pacing.pace_of(RIDER), 3000) == 2000
    assert _allowed(pacing.pace_of(RIDER), 3000) == 2000


def test_who_comes_without_a_socket_has_the_limits_of_a_peer_and_of_its_identity() -> None:
    def allowed(pacing: Pacing, identity: Identity) -> int:
        return sum(not pacing.take_report(identity, NOW_SECONDS) for _ in range(3000))

    pacing = Pacing(Settings())
    assert (allowed(pacing, RIDER), allowed(pacing, BACKEND)) == (2000, 3000)
    narrow = Pacing(Settings(messages_per_second_per_identity=1, messages_burst_per_identity=10))
    assert (allowed(narrow, RIDER), allowed(narrow, BACKEND)) == (10, 10)


def test_who_has_no_limits_at_all_need_not_ask() -> None:
    no_limits = Settings(messages_per_second_per_peer=0, bytes_per_second_per_peer=0)
    for_all = Settings(messages_per_second_per_identity=10)

    assert Pacing(Settings()).pace_of(BACKEND).is_free
    assert Pacing(no_limits).pace_of(RIDER).is_free
    assert not Pacing(Settings()).pace_of(RIDER).is_free
    assert not Pacing(Settings(messages_per_second_per_peer=0)).pace_of(RIDER).is_free
    assert not Pacing(for_all).pace_of(BACKEND).is_free


def test_a_backend_has_no_limits_as_a_peer() -> None:
    pace = Pacing(Settings()).pace_of(BACKEND)
    assert _allowed(pace, 50_000, size_bytes=65_536) == 50_000
    assert not any(pace.take_join(NOW_SECONDS) for _ in range(1000))


def test_a_rate_of_zero_lifts_a_limit() -> None:
    settings = Settings(
        messages_per_second_per_peer=0, bytes_per_second_per_peer=0, joins_per_second_per_peer=0
    )
    pace = Pacing(settings).pace_of(RIDER)
    assert _allowed(pace, 10_000, size_bytes=65_536) == 10_000
    assert not any(pace.take_join(NOW_SECONDS) for _ in range(1000))


# ---- patience


def test_a_flood_is_forgiven_for_a_moment_and_not_for_a_second() -> None:
    pace = Pacing(Settings()).pace_of(RIDER)
    messages = 0
    while messages < 20_000:
        now_seconds = NOW_SECONDS + messages / 10_000
        messages += 1
        if pace.take_message(100, now_seconds) and not pace.try_patience(100, now_seconds):
            break
    assert 0.2 < messages / 10_000 < 0.4


def test_a_flood_of_large_messages_is_not_forgiven_for_longer() -> None:
    pace = Pacing(Settings()).pace_of(RIDER)
    _allowed(pace, 100, size_bytes=65_536)
    refused = 0
    while pace.try_patience(65_536, NOW_SECONDS):
        refused += 1
    assert refused == 15


def test_who_is_a_little_too_fast_is_refused_but_never_sent_off() -> None:
    pace = Pacing(Settings()).pace_of(RIDER)
    refused = 0
    for number in range(60 * 1050):
        now_seconds = NOW_SECONDS + number / 1050
        if pace.take_message(100, now_seconds):
            refused += 1
            assert pace.try_patience(100, now_seconds)
    assert 900 < refused < 3100


def test_who_waits_as_told_is_never_refused_twice() -> None:
    pace = Pacing(Settings(messages_per_second_per_peer=7, messages_burst_per_peer=1)).pace_of(
        RIDER
    )
    now_seconds = NOW_SECONDS
    for _ in range(1000):
        assert pace.take_message(100, now_seconds) == 0.0
        now_seconds += ms_of(pace.take_message(100, now_seconds)) / 1000


@hypothesis.given(
    st.lists(st.tuples(st.floats(0, 0.1), st.integers(0, 65_536)), min_size=1, max_size=200)
)
def test_a_rest_as_long_as_told_makes_a_peer_as_good_as_new(
    messages: list[tuple[float, int]],
) -> None:
    settings = Settings(messages_per_second_per_peer=5, messages_burst_per_peer=10)
    pace = Pacing(settings).pace_of(RIDER)
    now_seconds = NOW_SECONDS
    for pause_seconds, size_bytes in messages:
        now_seconds += pause_seconds
        if pace.take_message(size_bytes, now_seconds):
            pace.try_patience(size_bytes, now_seconds)
    rested_seconds = now_seconds + pace.rest_seconds(now_seconds)
    assert pace.rest_seconds(rested_seconds + 1e-6) == 0.0
    assert _allowed(pace, 100, now_seconds=rested_seconds + 1e-6) == 10


def test_who_has_used_up_our_patience_needs_the_longest_rest() -> None:
    pace = Pacing(Settings()).pace_of(RIDER)
    while pace.try_patience(0, NOW_SECONDS):
        pass
    assert pace.rest_seconds(NOW_SECONDS) == pytest.approx(10, abs=0.1)


def test_a_fresh_peer_needs_no_rest() -> None:
    assert Pacing(Settings()).pace_of(RIDER).rest_seconds(NOW_SECONDS) == 0.0


# ---- coming back


def test_who_leaves_and_comes_back_finds_the_buckets_it_left() -> None:
    pacing = Pacing(Settings())
    pace = pacing.pace_of(RIDER)
    _allowed(pace, 3000)
    pacing.remember(RIDER, pace, NOW_SECONDS)
    assert _allowed(pacing.pace_of(RIDER), 3000, now_seconds=NOW_SECONDS + 0.1) in {99, 100}


def test_another_subject_is_not_held_to_it() -> None:
    pacing = Pacing(Settings())
    pace = pacing.pace_of(RIDER)
    _allowed(pace, 3000)
    pacing.remember(RIDER, pace, NOW_SECONDS)
    assert _allowed(pacing.pace_of(Identity("rider-2")), 3000) == 2000


def test_who_went_slowly_is_not_remembered() -> None:
    pacing = Pacing(Settings())
    pace = pacing.pace_of(RIDER)
    _allowed(pace, 50)
    pacing.remember(RIDER, pace, NOW_SECONDS)
    assert pacing.pace_of(RIDER) is not pace


def test_two_peers_of_who_was_gone_do_not_share_the_buckets() -> None:
    pacing = Pacing(Settings())
    pace = pacing.pace_of(RIDER)
    _allowed(pace, 3000)
    pacing.remember(RIDER, pace, NOW_SECONDS)
    assert pacing.pace_of(RIDER) is pace
    assert pacing.pace_of(RIDER) is not pace


# ---- identities


def test_an_identity_has_one_limit_for_all_its_peers() -> None:
    settings = Settings(messages_per_second_per_identity=10, messages_burst_per_identity=30)
    pacing = Pacing(settings)
    first, second = pacing.pace_of(RIDER), pacing.pace_of(RIDER)
    assert _allowed(first, 20) == 20
    assert _allowed(second, 20) == 10
    assert _allowed(pacing.pace_of(RIDER), 20) == 0
    assert _allowed(pacing.pace_of(Identity("rider-2")), 20) == 20


def test_the_limit_of_an_identity_holds_for_a_backend_too() -> None:
    settings = Settings(messages_per_second_per_identity=10, messages_burst_per_identity=30)
    assert _allowed(Pacing(settings).pace_of(BACKEND), 100) == 30


# ---- addresses


def test_handshakes_are_limited_for_each_address() -> None:
    pacing = Pacing(Settings())
    waits = [pacing.take_handshake("192.0.2.1", NOW_SECONDS) for _ in range(2100)]
    assert sum(not wait for wait in waits) == 2000
    assert waits[-1] == pytest.approx(1 / 500, abs=1e-5)
    assert pacing.take_handshake("192.0.2.2", NOW_SECONDS) == 0.0


def test_handshakes_may_be_without_limit() -> None:
    pacing = Pacing(Settings(handshakes_per_second_per_address=0))
    assert not any(pacing.take_handshake("192.0.2.1", NOW_SECONDS) for _ in range(10_000))


def test_one_network_of_ipv6_is_one_address() -> None:
    settings = Settings(handshakes_per_second_per_address=1, handshakes_burst_per_address=3)
    pacing = Pacing(settings)
    waits = [pacing.take_handshake(f"2001:db8::{host}", NOW_SECONDS) for host in range(9)]
    assert sum(not wait for wait in waits) == 3
    assert pacing.take_handshake("2001:db8:0:1::1", NOW_SECONDS) == 0.0


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::1", "::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("not:an:address", "not:an:address"),
    ],
)
def test_what_counts_as_one_address(address: str, network: str) -> None:
    assert network_of(address) == network


# ---- answers


def test_the_refusal_says_when_to_come_again_and_rounds_up() -> None:
    refused = too_fast(0.0201)
    assert refused.refusal is Refusal.TOO_FAST
    assert refused.body()["details"] == {"retryAfterMs": 21}
    assert too_fast(1e-9).retry_after_ms == 1
