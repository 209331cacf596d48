import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.net.address import (
    SOCKADDR_IN6_SIZE,
    SOCKADDR_IN_SIZE,
    address_key,
    format_address,
    host_and_port,
    key_from_socket_address,
    sockaddr,
    socket_address,
)


@given(st.ip_addresses(), st.integers(0, 65535))
def test_a_key_leads_back_to_its_address(ip: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int) -> None:
    key = address_key(str(ip), port)
    host, back = host_and_port(key)
    assert (ipaddress.ip_address(host), back) == (ip, port)
    assert key_from_socket_address(socket_address(key)) == key
    assert len(sockaddr(key)) == (SOCKADDR_IN_SIZE if ip.version == 4 else SOCKADDR_IN6_SIZE)


def test_keys_differ_by_host_and_by_port() -> None:
    keys = {address_key(host, port) for host in ("192.0.2.1", "192.0.2.2", "::1", "::2") for port in (0, 1, 256, 65535)}
    assert len(keys) == 16


def test_ipv6_scope_is_part_of_the_key() -> None:
    assert key_from_socket_address(("fe80::1%eth0", 9, 0, 4)) != key_from_socket_address(("fe80::1", 9, 0, 5))


@pytest.mark.parametrize(("host", "port"), [("localhost", 1), ("", 1), ("192.0.2.1", 65536), ("::1", -1), ("1.2.3", 1)])
def test_what_is_no_address_is_a_value_error(host: str, port: int) -> None:
    with pytest.raises(ValueError):
        address_key(host, port)


def test_text() -> None:
    assert format_address(address_key("192.0.2.1", 5000)) == "192.0.2.1:5000"
    assert format_address(address_key("2001:db8::1", 5000)) == "[2001:db8::1]:5000"
