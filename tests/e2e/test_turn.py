"""Clients that reach nothing but a TURN server: a real coturn, and credentials that the server made."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import aioice.stun
import aioice.turn
import pytest
from playwright.async_api import Browser

from control_api.outside.turn import CREDENTIAL_LIFETIME_S, TurnServers
from tests.support.browsers import Person
from tests.support.coturn import Coturn, turnserver_path
from tests.support.crew import Crew
from tests.support.server import Server
from tests.support.waiting import until

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(240),
    pytest.mark.skipif(turnserver_path() is None, reason="coturn is not installed"),
]

SECRET = "shared by the tests and coturn"

RELAY_ONLY = """
(() => {
  const Native = window.RTCPeerConnection;
  window.RTCPeerConnection = class RTCPeerConnection extends Native {
    constructor(configuration) {
      super({ ...configuration, iceTransportPolicy: "relay" });
    }
  };
})();
"""

PATHS = """
async () => {
  const paths = [];
  for (const connection of window.probeConnections) {
    if (connection.connectionState !== "connected") continue;
    const reports = await connection.getStats();
    for (const report of reports.values()) {
      if (report.type !== "candidate-pair" || !report.nominated || report.state !== "succeeded") continue;
      const { candidateType: type } = reports.get(report.localCandidateId);
      paths.push({ type, sent: report.bytesSent, received: report.bytesReceived });
    }
  }
  return paths;
}
"""


@pytest.fixture(scope="module")
def coturn() -> Iterator[Coturn]:
    relay = Coturn(SECRET)
    relay.start()
    yield relay
    relay.discard()


@pytest.fixture
def relayed(coturn: Coturn, start_server: Callable[..., Server]) -> Server:
    """A server whose media is where coturn may relay to."""
    return start_server(rtc_bind="127.0.0.1", turn_urls=coturn.url, turn_secret=coturn.secret)


async def allocate(coturn: Coturn, username: str, password: str) -> tuple[str, int]:
    """The relayed address. Raises `aioice.stun.TransactionFailed` where coturn refuses."""
    transport, _ = await aioice.turn.create_turn_endpoint(
        asyncio.DatagramProtocol, ("127.0.0.1", coturn.port), username, password
    )
    address: tuple[str, int] = transport.get_extra_info("sockname")
    transport.close()
    return address


def credentials(secret: str, age_s: float = 0.0) -> tuple[str, str]:
    (server,) = TurnServers(("turn:127.0.0.1",), secret.encode(), lambda: time.time() - age_s)("a-participant")
    assert server.username is not None
    assert server.credential is not None
    return server.username, server.credential


async def test_coturn_takes_what_the_server_makes_and_nothing_else(coturn: Coturn) -> None:
    username, password = credentials(SECRET)
    address, _ = await allocate(coturn, username, password)
    assert address == "127.0.0.1"

    expiry, _, participant = username.partition(":")
    forged = [
        credentials("another secret"),
        credentials(SECRET, age_s=CREDENTIAL_LIFETIME_S + 60),  # expired
        (f"{int(expiry) + 3600}:{participant}", password),  # prolonged
        (f"{expiry}:another-participant", password),
        (username, ""),
    ]
    for name, key in forged:
        with pytest.raises(aioice.stun.TransactionFailed) as refusal:
            await allocate(coturn, name, key)
        assert refusal.value.response.attributes["ERROR-CODE"][0] == 401


async def test_media_flows_between_people_who_reach_only_the_relay(
    relayed: Server, coturn: Coturn, chromium: Browser
) -> None:
    crew = Crew(relayed)
    try:
        host = await crew.person(chromium, "Hidden Host", RELAY_ONLY)
        session_id = await host.go_live("Behind a wall")
        host_id = await host.own_id()
        viewer = await crew.person(chromium, "Walled Viewer", RELAY_ONLY)
        await viewer.watch(session_id)
        await viewer.sees(host_id, timeout=40)
        await viewer.hears(host_id)
        for person, direction in ((host, "sent"), (viewer, "received")):
            used = await busy_paths(person, direction)
            assert {path["type"] for path in used} == {"relay"}
        await assert_each_has_credentials_of_their_own(crew, session_id, coturn)
    finally:
        await crew.dismiss()


async def busy_paths(person: Person, direction: str) -> list[dict[str, Any]]:
    """The paths that ICE chose, once more bytes went over them than anything but pictures has."""

    async def busy() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await person.page.evaluate(PATHS)
        return found if sum(path[direction] for path in found) > 200_000 else []

    return list(await until(busy, f"a picture of {person.name} goes through coturn", timeout=40))


async def assert_each_has_credentials_of_their_own(crew: Crew, session_id: str, coturn: Coturn) -> None:
    names = set()
    for name in ("Rita", "Rolf"):
        user = await crew.user(name)
        answer = await user.call("POST", "/live/join", {"session_id": session_id})
        client = await crew.socket(user, session_id)
        for (entry,) in (answer["ice_servers"], client.welcome["ice_servers"]):
            assert entry["urls"] == [coturn.url]
            expiry, participant = entry["username"].split(":")
            assert participant == answer["participant"]["id"], "nothing of the user is told to the relay"
            assert 0 <= time.time() + CREDENTIAL_LIFETIME_S - int(expiry) < 60
            await allocate(coturn, entry["username"], entry["credential"])
        names.add(participant)
    assert len(names) == 2
    assert SECRET not in crew.server.log_path.read_text()
