"""Which addresses a configured URL may lead to."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from gateway.jobs.guard import AddressForbidden, GuardedResolver, check_address

FORBIDDEN = [
    "127.0.0.1",
    "127.9.9.9",
    "0.0.0.0",  # noqa: S104 - an address to be refused
    "10.1.2.3",
    "172.16.0.1",
    "192.168.0.1",
    "169.254.169.254",  # where clouds keep the credentials of their machines
    "100.64.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "fd00::1",
    "ff02::1",
    "2001:db8::1",
    "3fff::1",
    "fec0::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "2002:7f00:1::",  # 6to4 of 127.0.0.1
    "64:ff9b::a00:1",  # NAT64 of 10.0.0.1
]


@pytest.mark.parametrize("address", FORBIDDEN)
def test_our_own_networks_are_not_for_webhooks(address: str) -> None:
    with pytest.raises(AddressForbidden):
        check_address(address, ())


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1"])
def test_the_open_network_is(address: str) -> None:
    check_address(address, ())


def test_a_network_that_was_allowed_is_however_its_address_is_written() -> None:
    allowed = [ip_network("10.0.0.0/8")]

    check_address("10.1.2.3", allowed)
    check_address("::ffff:10.1.2.3", allowed)
    with pytest.raises(AddressForbidden):
        check_address("192.168.0.1", allowed)


@pytest.mark.parametrize("host", ["localhost", "2130706433", "0x7f.1"])
async def test_names_and_odd_numbers_are_judged_by_what_they_mean(host: str) -> None:
    resolver = GuardedResolver(())
    try:
        with pytest.raises(AddressForbidden):
            await resolver.resolve(host, 80)
    finally:
        await resolver.close()
