from __future__ import annotations

import pytest

from gateway.settings.redis_url import Credentials, Endpoint, RedisAddress, address_of


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://localhost", RedisAddress("single", (Endpoint("localhost", 6379),))),
        (
            "redis://:p%40ss@10.0.0.1:7000/3",
            RedisAddress(
                "single", (Endpoint("10.0.0.1", 7000),), Credentials("", "p@ss"), database=3
            ),
        ),
        (
            "rediss://ann:secret@[::1]:7000",
            RedisAddress(
                "single", (Endpoint("::1", 7000),), Credentials("ann", "secret"), is_secure=True
            ),
        ),
        ("valkey://[::1]", RedisAddress("single", (Endpoint("::1", 6379),))),
        (
            "unix:///run/redis.sock?db=2",
            RedisAddress("single", (Endpoint("/run/redis.sock"),), database=2),
        ),
        (
            "redis+sentinel://:p@a,b:26380/main/1?sentinel_password=s",
            RedisAddress(
                "sentinel",
                (Endpoint("a", 26379), Endpoint("b", 26380)),
                Credentials("", "p"),
                Credentials("", "s"),
                1,
                "main",
            ),
        ),
        (
            "rediss+cluster://a:7000,b:7001",
            RedisAddress("cluster", (Endpoint("a", 7000), Endpoint("b", 7001)), is_secure=True),
        ),
    ],
)
def test_a_url_says_where_and_who(url: str, address: RedisAddress) -> None:
    assert address_of(url) == address


@pytest.mark.parametrize(
    "url",
    [
        "localhost:6379",
        "http://localhost",
        "redis://",
        "redis://host:0",
        "redis://host:port",
        "redis://a,b",
        "redis://host/first",
        "redis+sentinel://a,b",
        "redis+ring://a",
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(url: str) -> None:
    with pytest.raises(ValueError, match=r"\w+ .*\w+"):
        address_of(url)


def test_secrets_are_not_in_the_repr() -> None:
    address = address_of("redis+sentinel://ann:hunter2@a/main?sentinel_password=hunter3")
    assert "hunter" not in repr(address)


def test_encryption_is_only_with_tls() -> None:
    assert address_of("redis://a").tls() is None
    assert address_of("rediss://a").tls() is not None
