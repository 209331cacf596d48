import ipaddress

import pytest

from sfu.net.interfaces import MAX_ADDRESSES, expand_hosts, local_addresses, order_addresses


def test_default_route_first_ipv4_before_ipv6_loopback_last() -> None:
    system = ["::1", "127.0.0.1", "2001:db8::5", "2001:db8::4", "172.17.0.1", "192.0.2.9", "fe80::1", "169.254.3.4"]
    assert order_addresses(system, ["192.0.2.9", "2001:db8::5"]) == [
        "192.0.2.9",
        "172.17.0.1",
        "2001:db8::5",
        "2001:db8::4",
        "127.0.0.1",
    ]


def test_ipv6_loopback_only_where_there_is_nothing_else() -> None:
    assert order_addresses(["127.0.0.1", "::1"], []) == ["127.0.0.1"]
    assert order_addresses(["::1"], []) == ["::1"]


def test_a_host_full_of_bridges_keeps_its_best_addresses() -> None:
    system = ["127.0.0.1", *(f"172.17.{i}.1" for i in range(40)), "203.0.113.1"]
    ordered = order_addresses(system, ["203.0.113.1"])
    assert len(ordered) == MAX_ADDRESSES
    assert ordered[0] == "203.0.113.1"
    assert ordered[-1] == "127.0.0.1"


def test_wildcards_stand_for_their_family() -> None:
    everything = expand_hosts([])
    assert everything == local_addresses()
    assert all(ipaddress.ip_address(host).version == 4 for host in expand_hosts(["0.0.0.0"]))
    assert all(ipaddress.ip_address(host).version == 6 for host in expand_hosts(["::"]))
    assert not any(ipaddress.ip_address(host).is_unspecified for host in everything)


def test_named_addresses_are_taken_as_they_are() -> None:
    assert expand_hosts(["127.0.0.1"]) == ["127.0.0.1"]
    assert expand_hosts(["127.0.0.1", "192.0.2.1", "127.0.0.1"]) == ["192.0.2.1", "127.0.0.1"]
    with pytest.raises(ValueError):
        expand_hosts(["localhost"])
