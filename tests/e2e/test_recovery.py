"""What breaks comes back by itself: sockets, workers, the server; and what does not come back is ended."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.support.aiortc_peer import AiortcPeer
from tests.support.api import User
from tests.support.console import Console
from tests.support.crew import Crew
from tests.support.server import Server
from tests.support.waiting import grows, until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

StartCrew = Callable[..., Crew]
SHORT_GRACE_S = 3


@pytest_asyncio.fixture(loop_scope="session")
async def start_crew(start_server: Callable[..., Server]) -> AsyncIterator[StartCrew]:
    """People on a server of their own, with these settings."""
    crews: list[Crew] = []

    def start(**settings: object) -> Crew:
        crew = Crew(start_server(**settings))
        crews.append(crew)
        return crew

    yield start
    for crew in crews:
        await crew.dismiss()


async def session_row(crew: Crew, session_id: str) -> dict[str, object]:
    (row,) = await crew.server.query("select status, end_reason from live_sessions where id = $1::uuid", session_id)
    return row


async def ended(crew: Crew, session_id: str, reason: str) -> None:
    async def as_expected() -> bool:
        return await session_row(crew, session_id) == {"status": "ended", "end_reason": reason}

    await until(as_expected, f"the session is ended in the database with {reason}", timeout=30)


async def test_a_lost_socket_resumes_and_media_never_stops(crew: Crew) -> None:
    host_user, session_id = await crew.live()
    host = await crew.raw(host_user, session_id)
    await host.publish()
    viewer_user = await crew.user("Viewer")
    viewer = await crew.raw(viewer_user, session_id)
    video = await viewer.receiving(host.id, "camera", packets=30)
    await viewer.ws.drop()
    await grows(lambda: video.received, "media does not depend on the socket", by=30)
    again = await crew.socket(viewer_user, session_id, resume=viewer.ws.resume_token)
    assert again.welcome["resumed"] is True
    assert again.participant_id == viewer.id
    await grows(lambda: video.received, "media goes on", by=30)
    assert video.lost == 0
    assert viewer.receiver is not None
    assert not viewer.receiver.transport.closed_by_peer


async def test_a_second_socket_takes_the_place_of_the_first(crew: Crew) -> None:
    _, session_id = await crew.live()
    user = await crew.user("Viewer")
    first = await crew.socket(user, session_id)
    second = await crew.socket(user, session_id)
    assert await first.wait_closed() == 4409
    assert second.participant_id == first.participant_id


async def test_who_does_not_come_back_leaves_and_a_host_takes_the_session_along(start_crew: StartCrew) -> None:
    crew = start_crew(resume_grace_s=1)
    host_user, session_id = await crew.live()
    host = await crew.raw(host_user, session_id)
    guest_user = await crew.user("Guest")
    guest = await crew.raw(guest_user, session_id)
    await crew.bring_on_stage(host_user, guest_user, session_id)
    viewer = await crew.raw(await crew.user("Viewer"), session_id)
    await guest.close(silently=True)
    await viewer.ws.wait_for(
        "participant_updated",
        lambda event: event["participant"]["id"] == guest.id and not event["participant"]["connected"],
    )
    left = await viewer.ws.wait_for("participant_left", lambda event: event["participant_id"] == guest.id)
    assert left["reason"] == "lost"
    await host.close(silently=True)
    assert await viewer.ws.wait_closed(30) == 4410
    (event,) = [event for event in viewer.ws.events if event["type"] == "session_ended"]
    assert event["reason"] == "host_lost"
    await ended(crew, session_id, "host_lost")


async def test_killed_workers_are_replaced_and_media_flows_again(start_crew: StartCrew) -> None:
    crew = start_crew(workers=2)
    stages = [await small_stage(crew, name) for name in ("First", "Second")]
    control_pid = crew.server.pid
    workers = crew.server.worker_pids()
    assert len(workers) == 2
    for pid in workers:
        crew.server.kill_worker(pid)
    for host, viewer in stages:
        await media_came_back(host, viewer)
    assert crew.server.running
    assert crew.server.pid == control_pid

    async def replaced() -> bool:
        return len(crew.server.worker_pids()) == 2 and len((await crew.api.healthz())["workers"]) == 2

    await until(replaced, "both workers run again")
    assert set(crew.server.worker_pids()).isdisjoint(workers)


async def media_came_back(host: AiortcPeer, viewer: AiortcPeer) -> None:
    for peer in (host, viewer):
        await peer.ws.wait_for("media_reset", lambda event: event["reason"] == "worker_lost")
    await until(lambda: viewer.video(host.id).pictured and viewer.resets == 1, "the picture is back", timeout=60)
    await until(lambda: viewer.audio(host.id).rms > 1000, "the sound is back", timeout=30)
    for peer in (host, viewer):
        assert not peer.ws.closed.is_set(), "the socket has nothing to do with it"


async def small_stage(crew: Crew, name: str) -> tuple[AiortcPeer, AiortcPeer]:
    """A host whom a viewer sees."""
    user, session_id = await crew.live(f"{name} host")
    host = await crew.aiortc(user, session_id)
    await host.publish("VP8")
    viewer = await crew.aiortc(await crew.user(f"{name} viewer"), session_id)
    await until(lambda: viewer.video(host.id).pictured, "the picture arrives", timeout=40)
    return host, viewer


async def test_browsers_come_back_after_a_killed_worker_and_a_restart(
    start_crew: StartCrew, chromium: Browser, console: Console
) -> None:
    console.expect("ERR_CONNECTION_REFUSED", "WebSocket connection")
    crew = start_crew(resume_grace_s=60)
    host = await crew.person(chromium, "Hera Host")
    session_id = await host.go_live("Through thick and thin")
    host_id = await host.own_id()
    viewer = await crew.person(chromium, "Vic Viewer")
    await viewer.watch(session_id)
    await viewer.sees(host_id, timeout=40)

    for disaster in (kill_workers, restart):
        old = await viewer.page.evaluate_handle("window.greenroom.room.receiver.pc")
        disaster(crew.server)
        await viewer.page.wait_for_function(
            "old => ![null, old].includes(window.greenroom.room.receiver.pc)", arg=old, timeout=60_000
        )
        await viewer.sees(host_id, timeout=60)
        await viewer.hears(host_id)
        assert await host.status() == await viewer.status() == "connected"
    assert await host.role() == "host"
    assert (await session_row(crew, session_id))["status"] == "live"


def kill_workers(server: Server) -> None:
    for pid in server.worker_pids():
        server.kill_worker(pid)


def restart(server: Server) -> None:
    server.restart()


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_sessions_whose_host_does_not_return_end_after_a_restart(start_crew: StartCrew, how: str) -> None:
    crew = start_crew(resume_grace_s=SHORT_GRACE_S)
    faithful, kept = await crew.live("Faithful")
    _, abandoned = await crew.live("Absent")
    viewer = await crew.user("Viewer")
    await viewer.join(abandoned)
    before = await crew.socket(faithful, kept)
    if how == "stop":
        crew.server.stop()
    else:
        assert crew.server.kill() == [], "workers and database end with the server"
    assert await before.wait_closed() in ((1001,) if how == "stop" else (1006, 1001))
    crew.server.start()

    back = await crew.socket(faithful, kept)
    assert back.welcome["you"]["role"] == "host"
    await ended(crew, abandoned, "host_lost")
    assert await session_row(crew, kept) == {"status": "live", "end_reason": None}
    assert await live_ids(viewer) == [kept]
    (count,) = await crew.server.query(
        "select count(*) as joined from live_participants where session_id = $1::uuid and status = 'joined'", abandoned
    )
    assert count["joined"] == 0, "nobody stays in a session that has ended"


async def live_ids(user: User) -> list[str]:
    return [session["id"] for session in await user.active()]
