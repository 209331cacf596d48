"""Reactions over both faces of the API, and that every one of them is counted."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.api import refused
from tests.support.ws import ProtocolError, WsClient

NONE = {"heart": 0, "fire": 0, "clap": 0, "laugh": 0, "wow": 0, "sad": 0}


async def react(user, session_id, kind="heart", **count):
    return await user.call("POST", "/live/react", {"session_id": session_id, "type": kind, **count})


async def totals(user, session_id):
    return (await user.call("GET", f"/live/sessions/{session_id}/reactions"))["totals"]


async def test_both_faces(host, viewer):
    session_id = (await host.start())["id"]
    watching = await WsClient.open(host, session_id)
    assert watching.welcome["reactions"] == NONE
    await viewer.join(session_id)
    assert await react(viewer, session_id, "clap", count=50) == {"type": "clap", "count": 50}
    event = await watching.wait_for("reactions")
    assert (event["counts"], event["totals"]) == ({"clap": 50}, {"clap": 50})
    assert (await watching.request("react", reaction="heart"))["type"] == "reacted"
    event = await watching.wait_for("reactions", lambda event: "heart" in event["counts"])
    assert event["totals"] == {"clap": 50, "heart": 1}
    assert await totals(viewer, session_id) == NONE | {"clap": 50, "heart": 1}
    late = await WsClient.open(viewer, session_id)
    assert late.welcome["reactions"] == NONE | {"clap": 50, "heart": 1}
    await late.close()
    await watching.close()


async def test_a_storm_from_many_connections_is_counted_exactly(served, api, host):
    session_id = (await host.start())["id"]
    watching = await WsClient.open(host, session_id)
    sockets = [await WsClient.open(await api.user(f"V{number}"), session_id) for number in range(30)]
    kinds = ("heart", "fire", "clap")

    async def storm(number, socket):
        for turn in range(12):
            await socket.request("react", reaction=kinds[(number + turn) % 3], count=1 + turn % 4)

    await asyncio.gather(*(storm(number, socket) for number, socket in enumerate(sockets)))
    # 30 sockets, 12 turns each, of 1, 2, 3 and 4.
    expected = 30 * 3 * (1 + 2 + 3 + 4)
    assert sum((await totals(host, session_id)).values()) == expected
    async with served.database.transaction() as connection:
        rows = await connection.fetch("select type, total from live_reaction_totals where session_id = $1", session_id)
    assert {row["type"]: row["total"] for row in rows} | NONE.fromkeys(("laugh", "wow", "sad"), 0) == await totals(
        host, session_id
    )
    await watching.wait_for("reactions", lambda event: sum(event["totals"].values()) == expected)
    told = [event for event in watching.events if event["type"] == "reactions"]
    assert sum(sum(event["counts"].values()) for event in told) == expected
    assert len(told) < 100
    ended = await host.call("POST", "/live/end", {"session_id": session_id})
    assert sum(ended["stats"]["reactions"].values()) == expected
    assert await totals(host, session_id) == NONE | ended["stats"]["reactions"]
    for socket in (watching, *sockets):
        await socket.close()


async def test_refusals(api, host, viewer):
    session_id = (await host.start())["id"]
    with refused(409, "not_joined"):
        await react(viewer, session_id)
    with refused(403, "forbidden"):
        await totals(viewer, session_id)
    participant = await viewer.join(session_id)
    with refused(422, "unknown_reaction") as failure:
        await react(viewer, session_id, "boo")
    assert set(failure.value.details["types"]) == set(NONE)
    for wrong in ({"count": 0}, {"count": 51}, {"count": 1.5}, {"count": "1"}, {"type": ""}, {"type": 1}, {"more": 1}):
        with refused(422, "invalid_request"):
            await viewer.call("POST", "/live/react", {"session_id": session_id, "type": "heart"} | wrong)
    socket = await WsClient.open(viewer, session_id)
    with pytest.raises(ProtocolError, match=r"^unknown_reaction"):
        await socket.request("react", reaction="boo")
    await socket.close()
    await host.manage(session_id, participant["id"], "kick")
    with refused(403, "kicked"):
        await react(viewer, session_id)
    with refused(403, "forbidden"):
        await totals(viewer, session_id)
    await host.end(session_id)
    with refused(410, "session_ended"):
        await react(host, session_id)
    assert await totals(host, session_id) == NONE
    for unknown in ("nonsense", "%00"):
        with refused(404, "session_not_found"):
            await totals(host, unknown)
