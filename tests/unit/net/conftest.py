from __future__ import annotations

import socket

import pytest


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.fixture(scope="session")
def loopbacks() -> list[str]:
    """What this machine has; containers often lack IPv6."""
    return ["127.0.0.1", "::1"] if _has_ipv6() else ["127.0.0.1"]


@pytest.fixture(params=["127.0.0.1", "::1"])
def host(request: pytest.FixtureRequest, loopbacks: list[str]) -> str:
    if request.param not in loopbacks:
        pytest.skip("this machine has no IPv6")
    return str(request.param)


@pytest.fixture
def ipv6(loopbacks: list[str]) -> None:
    if "::1" not in loopbacks:
        pytest.skip("this machine has no IPv6")
