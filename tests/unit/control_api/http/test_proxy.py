from unittest.mock import Mock

import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from control_api.http.proxy import UNKNOWN_ADDRESS, Client, TrustedProxies, address_of, limit_key, parse_address

PROXIES = ("10.0.0.0/8", "127.0.0.1", "2001:db8:ffff::/48")


def transport(peer):
    mock = Mock()
    mock.get_extra_info.side_effect = lambda key, default=None: peer if key == "peername" else default
    return mock


def request(peer, *headers):
    return make_mocked_request(
        "GET", "/", CIMultiDict([("Host", "Live.Example:8080"), *headers]), transport=transport((peer, 4711))
    )


def found(peer, *headers, proxies=PROXIES):
    return TrustedProxies(proxies).client(request(peer, *headers))


FORGED = (
    ("X-Forwarded-For", "203.0.113.9"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "evil.example"),
    ("Forwarded", "for=203.0.113.9;proto=https;host=evil.example"),
)


@pytest.mark.parametrize("proxies", [(), PROXIES])
def test_strangers_are_who_they_are_whatever_they_say(proxies):
    client = found("198.51.100.7", *FORGED, proxies=proxies)
    assert client == Client("198.51.100.7", "http", "live.example:8080")


def test_a_trusted_proxy_is_believed():
    client = found(
        "10.1.2.3",
        ("X-Forwarded-For", "203.0.113.9"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "Show.example"),
    )
    assert client == Client("203.0.113.9", "https", "show.example")


@pytest.mark.parametrize(
    ("values", "address"),
    [
        (["6.6.6.6, 203.0.113.9"], "203.0.113.9"),  # what stands left came from the client
        (["6.6.6.6, 203.0.113.9, 10.9.9.9"], "203.0.113.9"),  # two proxies
        (["6.6.6.6", "203.0.113.9"], "203.0.113.9"),  # one header for each proxy
        (["6.6.6.6, 203.0.113.9", "10.9.9.9"], "203.0.113.9"),
        (["10.7.7.7, 10.9.9.9"], "10.7.7.7"),  # everybody is inside
        (["6.6.6.6, nonsense"], "10.1.2.3"),
        (["6.6.6.6, nonsense, 10.9.9.9"], "10.9.9.9"),
        (["6.6.6.6, unknown"], "10.1.2.3"),
        ([""], "10.1.2.3"),
        ([" , "], "10.1.2.3"),
        (["203.0.113.9:5000"], "203.0.113.9"),
        (["[2001:db8::7]:443"], "2001:db8::7"),
        (["2001:DB8::0007"], "2001:db8::7"),
        (["::ffff:203.0.113.9"], "203.0.113.9"),
        (["203.0.113.9, ::ffff:10.4.4.4"], "203.0.113.9"),
        (["203.0.113.9, 2001:db8:ffff::1"], "203.0.113.9"),
        ([",".join(["6.6.6.6"] + ["10.0.0.1"] * 100)], "10.0.0.1"),  # an endless chain is not followed
    ],
)
def test_the_right_most_address_that_is_no_proxy_is_the_client(values, address):
    assert found("10.1.2.3", *(("X-Forwarded-For", value) for value in values)).address == address


def test_the_proxy_may_come_by_ipv6():
    assert found("::ffff:127.0.0.1", ("X-Forwarded-For", "203.0.113.9")).address == "203.0.113.9"
    assert found("2001:db8:ffff::8", ("X-Forwarded-For", "203.0.113.9")).address == "203.0.113.9"
    assert found("2001:db8:fffe::8", ("X-Forwarded-For", "203.0.113.9")).address == "2001:db8:fffe::8"


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [("https", "https"), ("HTTP", "http"), ("http, https", "https"), ("gopher", "http"), ("", "http")],
)
def test_the_scheme_is_what_the_nearest_proxy_says(scheme, expected):
    assert found("10.1.2.3", ("X-Forwarded-Proto", scheme)).scheme == expected


@pytest.mark.parametrize(
    "host", ["a b", "evil.example/path", "a@b", "x" * 300, "[::1", "h:port", "a\x0bb", "http://h", "h:123456", ""]
)
def test_a_host_that_is_none_is_not_taken(host):
    assert found("10.1.2.3", ("X-Forwarded-Host", host)).host == "live.example:8080"


@pytest.mark.parametrize(
    ("host", "name"), [("live.example:80", "live.example"), ("[::1]:80", "::1"), ("[::1]", "::1"), ("h", "h")]
)
def test_the_name_without_its_port(host, name):
    assert Client("192.0.2.1", "http", host).hostname == name


def test_nobody_is_at_the_end_of_a_closed_socket():
    for gone in (None, "", ("", 0), ()):
        assert address_of(gone) == UNKNOWN_ADDRESS
    assert address_of(("::ffff:192.0.2.1", 80, 0, 0)) == "192.0.2.1"


def test_an_unnamed_proxy_is_told_to_the_operator_once(caplog):
    proxies = TrustedProxies(())
    for _ in range(3):
        proxies.client(request("127.0.0.1", ("X-Forwarded-For", "203.0.113.9")))
    assert [record.message.count("GREENROOM_TRUSTED_PROXIES") for record in caplog.records] == [1]
    assert "203.0.113.9" not in caplog.text, "what a stranger says is not repeated"


@given(st.lists(st.text(st.characters(exclude_characters="\r\n\x00", exclude_categories=["Cs"])), max_size=4))
def test_no_header_breaks_it(values):
    client = found("10.1.2.3", *(("X-Forwarded-For", value) for value in values))
    assert parse_address(client.address) is not None


def test_one_customer_of_ipv6_counts_once():
    assert limit_key("2001:db8:1:2:3:4:5:6") == limit_key("2001:db8:1:2::") == "2001:db8:1:2::/64"
    assert limit_key("2001:db8:1:3::") != limit_key("2001:db8:1:2::")
    assert limit_key("192.0.2.1") == "192.0.2.1" != limit_key("192.0.2.2")
    assert limit_key(UNKNOWN_ADDRESS) == UNKNOWN_ADDRESS
