"""Clients that break the rules of the WebSocket, beside a room that must not notice."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

import aiohttp
import pytest

from tests.support.api import Api, User
from tests.support.crew import Crew
from tests.support.server import Server
from tests.support.waiting import until
from tests.support.ws import ProtocolError, WsClient

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(120),
    pytest.mark.usefixtures("control_room"),
]


async def test_a_frame_of_a_megabyte(crew: Crew) -> None:
    _, session_id = await crew.live()
    client = await crew.socket(await crew.user("Loud"), session_id)
    await client.send(type="ping", padding="x" * (1 << 20))
    assert await client.wait_closed() == 1009


@pytest.mark.parametrize("frame", ["", "nonsense", "[]", "42", '{"type": 5}', '{"no": "type"}', "[" * 100_000])
async def test_frames_that_are_no_messages(crew: Crew, frame: str) -> None:
    _, session_id = await crew.live()
    client = await crew.socket(await crew.user("Confused"), session_id)
    await client.socket.send_str(frame)
    assert await client.wait_closed() == 4400


async def test_binary_frames(crew: Crew) -> None:
    _, session_id = await crew.live()
    client = await crew.socket(await crew.user("Confused"), session_id)
    await client.socket.send_bytes(bytes(range(256)))
    assert await client.wait_closed() == 4400


async def test_messages_with_wrong_members(crew: Crew) -> None:
    user, session_id = await crew.live()
    client = await crew.socket(user, session_id)
    for type, members, code in (
        ("fly", {}, "unknown_type"),
        ("publish_offer", {}, "invalid_request"),
        ("publish_offer", {"connection_id": None, "sdp": 5, "sources": []}, "invalid_request"),
        ("set_muted", {"kind": "smell", "muted": True}, "invalid_request"),
        ("manage_participant", {"participant_id": "nobody", "action": "kick"}, "participant_not_found"),
        ("manage_participant", {"participant_id": client.participant_id, "action": "explode"}, "invalid_request"),
        ("respond_guest_request", {"request_id": "none", "approve": True}, "request_not_found"),
        ("set_subscription", {"producer_id": "none", "paused": True}, "unknown_producer"),
        ("hello", {"protocol": 1, "token": user.token}, "invalid_request"),
    ):
        with pytest.raises(ProtocolError) as refused:
            await client.request(type, **members)
        assert refused.value.code == code, (type, members)
    assert (await client.request("ping"))["type"] == "pong"


async def test_a_hello_that_is_none(crew: Crew) -> None:
    _, session_id = await crew.live()
    user = await crew.user("Rude")
    client = await WsClient.connect(user, session_id)
    await client.send(type="ping")
    assert await client.wait_closed() == 4400
    client = await WsClient.connect(user, session_id)
    await client.send(type="hello", protocol=99, token=user.token)
    assert await client.wait_closed() == 4406


async def test_a_flood_of_messages(crew: Crew) -> None:
    _, session_id = await crew.live()
    client = await crew.socket(await crew.user("Chatty"), session_id)
    frame = json.dumps({"type": "ping"})
    try:
        for _ in range(5000):
            await client.socket.send_str(frame)
    except (ConnectionError, aiohttp.ClientError):
        pass
    assert await client.wait_closed() == 4429


async def test_a_client_that_never_reads(crew: Crew, server: Server) -> None:
    """Its outbox is bounded: it is cut off, the others are served meanwhile, and it may come back."""
    host, session_id = await crew.live(require_approval=True)
    async with Api(server.url, aiohttp.TCPConnector(socket_factory=small_socket)) as stuck_api:
        stuck_host = User(stuck_api, host.token, host.user_id, host.name)
        stuck = await WsClient.open(stuck_host, session_id)
        stuck.transport.pause_reading()
        viewers = [await crew.socket(await crew.user("Asking"), session_id) for _ in range(40)]
        onlooker = await crew.socket(await crew.user("Onlooker"), session_id)

        async def cut() -> bool:
            session = (await onlooker.request("ping"))["type"] == "pong"
            (row,) = [entry for entry in await host.participants(session_id) if entry["role"] == "host"]
            return session and not row["connected"]

        # Every request tells the host two kilobytes, twice: 8 MB in all, where nothing comes of less. The kernel keeps
        # 4 MB at most for a loopback connection, and the outbox 512 messages.
        for _ in range(9):
            await asyncio.gather(*(ask_and_cancel(viewer, times=5) for viewer in viewers))
            if await cut():
                break
        # Sooner than the heartbeat, which would notice after 20 seconds, could have a part in it.
        await until(cut, "the client that does not read is cut off", timeout=15, interval=0.25)
        stuck.transport.resume_reading()
        assert await stuck.wait_closed() in (4429, 1006)
        again = await crew.socket(host, session_id, resume=stuck.resume_token)
        assert again.welcome["resumed"] is True
        await stuck.close()


def small_socket(address: Any) -> socket.socket:
    """The kernel would take megabytes for a client that does not read."""
    endpoint = socket.socket(*address[:3])
    endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    return endpoint


async def ask_and_cancel(viewer: WsClient, times: int) -> None:
    for _ in range(times):
        await viewer.request("request_guest", message="\N{WAVING HAND SIGN}" * 500)
        await viewer.request("cancel_guest_request")


async def test_sockets_that_say_nothing_do_not_count(crew: Crew) -> None:
    """A hundred connections without a hello cost the others nothing."""
    _, session_id = await crew.live()
    user = await crew.user("Silent")
    silent = [await WsClient.connect(user, session_id) for _ in range(100)]
    speaking = await crew.socket(await crew.user("Speaking"), session_id)
    assert (await speaking.request("ping"))["type"] == "pong"
    await asyncio.gather(*(client.close() for client in silent))


async def test_sockets_of_foreign_pages_are_refused(crew: Crew) -> None:
    """A page of another origin has the user's browser, but not the user's word."""
    _, session_id = await crew.live()
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await crew.api.http.ws_connect(
            f"{crew.api.base_url}/ws/live/{session_id}", headers={"Origin": "https://evil.example"}
        )
    assert refused.value.status == 403
