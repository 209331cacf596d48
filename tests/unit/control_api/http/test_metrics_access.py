from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from control_api.http.metrics_access import MetricsAccess
from control_api.http.proxy import PROXIES, TrustedProxies, is_local
from signaling.errors import LiveError

TOKEN = "a token of the operator"


class Peer:
    def __init__(self, address):
        self.address = address

    def get_extra_info(self, name, default=None):
        return (self.address, 4711) if name == "peername" else default


def asked(peer="127.0.0.1", trusted=(), **headers):
    app = web.Application()
    app[PROXIES] = TrustedProxies(trusted)
    named = {"Host": "127.0.0.1:8080"} | {name.replace("_", "-"): value for name, value in headers.items()}
    return make_mocked_request("GET", "/metrics", headers=named, app=app, transport=Peer(peer))


@pytest.mark.parametrize(
    "request_",
    [asked(), asked("::1", Host="[::1]:8080"), asked(Host="localhost:8080"), asked("::ffff:127.0.0.1")],
    ids=["v4", "v6", "name", "mapped"],
)
def test_programs_of_this_machine_are_local(request_):
    assert is_local(request_)


@pytest.mark.parametrize(
    "request_",
    [
        asked("192.0.2.1"),
        asked(Host="greenroom.example"),
        asked(X_Forwarded_For="192.0.2.1"),
        asked(X_Forwarded_For="127.0.0.1"),
        asked(Forwarded="for=127.0.0.1"),
        asked(X_Real_IP="127.0.0.1"),
        asked(Via="1.1 proxy"),
        asked(trusted=["127.0.0.1"], X_Forwarded_For="192.0.2.1", X_Forwarded_Host="localhost"),
        asked("192.0.2.1", trusted=["192.0.2.1"], X_Forwarded_For="127.0.0.1", X_Forwarded_Host="localhost"),
        asked("unix"),
    ],
    ids=["far", "rebound", "proxied", "lying", "forwarded", "real-ip", "via", "trusted", "trusted-lie", "no-address"],
)
def test_strangers_are_not_local_whoever_brings_them(request_):
    assert not is_local(request_)
    with pytest.raises(LiveError, match="forbidden"):
        MetricsAccess().require(request_)


def test_the_token_opens_from_everywhere():
    MetricsAccess(TOKEN).require(asked("192.0.2.1", Authorization=f"Bearer {TOKEN}"))
    MetricsAccess(TOKEN).require(asked("192.0.2.1", X_Forwarded_For="192.0.2.9", Authorization=f"bearer {TOKEN} "))


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (None, "token_missing"),
        ("", "token_missing"),
        ("Bearer", "token_missing"),
        (f"Basic {TOKEN}", "token_missing"),
        (TOKEN, "token_missing"),
        ("Bearer another", "token_invalid"),
        (f"Bearer {TOKEN}x", "token_invalid"),
        (f"Bearer {TOKEN[:-1]}", "token_invalid"),
    ],
)
def test_where_there_is_a_token_nothing_else_opens(given, code):
    headers = {} if given is None else {"Authorization": given}
    with pytest.raises(LiveError) as caught:
        MetricsAccess(TOKEN).require(asked(**headers))
    assert caught.value.code == code
