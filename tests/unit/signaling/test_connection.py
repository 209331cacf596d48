import asyncio
import json

import pytest

from signaling.connection import Connection, ConnectionLimits, Control
from signaling.errors import LiveError
from signaling.handlers import HANDLERS
from signaling.ports import Identity
from signaling.protocol import CLIENT_MESSAGES
from signaling.rates import unlimited
from tests.support.fakes import World, settle


class FakeSocket:
    """`connection.Socket`: the test is the client. `stalled` makes it read nothing any more."""

    def __init__(self):
        self.incoming = asyncio.Queue()
        self.messages = []
        self.closed = None
        self.aborted = False
        self.stalled = None

    async def receive(self):
        return await self.incoming.get()

    async def send(self, frame):
        if self.stalled is not None:
            await self.stalled.wait()
        if self.aborted:
            raise ConnectionResetError
        self.messages.append(json.loads(frame))

    def send_now(self, frame):
        if self.stalled is not None:
            return False
        if not self.aborted:
            self.messages.append(json.loads(frame))
        return True

    async def close(self, code, reason):
        if self.stalled is not None:
            await self.stalled.wait()
        self.closed = (code, reason)
        self.incoming.put_nowait(None)

    def abort(self):
        self.aborted = True
        self.incoming.put_nowait(None)


async def verify(token):
    if not token.startswith("token-"):
        raise LiveError("token_expired" if token == "old" else "token_invalid")
    name = token.removeprefix("token-")
    return Identity(user_id=f"user-{name}", name=name)


class Client:
    def __init__(self, world, spend=unlimited, **limits):
        self.world = world
        self.socket = FakeSocket()
        limits = ConnectionLimits(**({"close_timeout_s": 0.05} | limits))
        self.connection = Connection(
            self.socket,
            world.service,
            verify,
            world.session_id,
            limits,
            spend,
            clock=lambda: world.now,
            log_reference="in-the-log",
        )
        self.task = asyncio.create_task(self.connection.run())

    async def say(self, message):
        self.socket.incoming.put_nowait(message if isinstance(message, str | bytes) else json.dumps(message))
        await settle()

    async def hello(self, name="Vera", **members):
        await self.say({"type": "hello", "protocol": 1, "token": f"token-{name}", "id": "h"} | members)
        return self

    async def ask(self, type_, **members):
        await self.say({"type": type_, "id": "q", **members})
        (reply,) = [m for m in self.socket.messages if m.get("id") == "q"]
        self.socket.messages.remove(reply)
        return reply

    @property
    def types(self):
        return [message["type"] for message in self.socket.messages]

    async def ended(self):
        await asyncio.wait_for(self.task, 5)
        return self.socket.closed

    async def gone(self):
        """The client's end drops the connection."""
        self.socket.incoming.put_nowait(None)
        await self.ended()


@pytest.fixture
async def world():
    world = World()
    await world.host()
    return world


def test_every_message_but_hello_has_a_handler():
    assert set(HANDLERS) == {model for name, model in CLIENT_MESSAGES.items() if name != "hello"}


async def test_hello_is_answered_with_welcome_and_its_id(world):
    client = await Client(world).hello()
    welcome = client.socket.messages[0]
    assert (welcome["type"], welcome["id"], welcome["you"]["name"]) == ("welcome", "h", "Vera")
    await client.gone()
    assert not world.service._rooms[world.session_id].by_user["user-Vera"].view().connected


@pytest.mark.parametrize(
    ("frame", "close"),
    [
        ("garbage", (4400, "bad_message")),
        ("[]", (4400, "bad_message")),
        ('{"no": "type"}', (4400, "bad_message")),
        (b"\x00\x01", (4400, "bad_message")),
        ({"type": "ping"}, (4400, "bad_message")),
        ({"type": "hello", "protocol": 2, "token": "token-Vera"}, (4406, "unsupported_protocol")),
        ({"type": "hello", "protocol": 1, "token": "forged"}, (4401, "token_invalid")),
        ({"type": "hello", "protocol": 1, "token": "old"}, (4401, "token_expired")),
    ],
)
async def test_what_is_no_good_hello_closes(world, frame, close):
    client = Client(world)
    await client.say(frame)
    assert await client.ended() == close
    assert "user-Vera" not in world.service._rooms[world.session_id].by_user


async def test_silence_instead_of_hello(world):
    client = Client(world, hello_timeout_s=0.01)
    assert await client.ended() == (4400, "bad_message")


async def test_an_unknown_session(world):
    world.session_id = "nope"
    client = await Client(world).hello()
    assert await client.ended() == (4404, "session_not_found")
    assert client.socket.messages[0]["code"] == "session_not_found"


async def test_an_ended_session(world):
    room = world.service._rooms[world.session_id]
    await world.service.end(Identity(user_id=room.host.user_id, name="h"), world.session_id)
    client = await Client(world).hello()
    assert await client.ended() == (4410, "session_ended")


async def test_a_kicked_user(world):
    client = await Client(world).hello()
    room = world.service._rooms[world.session_id]
    host = Identity(user_id=room.host.user_id, name="h")
    await world.service.manage_participant(host, world.session_id, room.by_user["user-Vera"].id, "kick")
    assert await client.ended() == (4403, "kicked")
    assert client.types[-1] == "kicked"
    again = await Client(world).hello()
    assert await again.ended() == (4403, "kicked")


async def test_a_hello_that_fails_for_now_may_be_said_again(world):
    client = Client(world)
    world.store.down = True
    await client.hello()
    assert client.socket.messages[-1]["code"] == "database_unavailable"
    assert client.socket.messages[-1]["id"] == "h"
    world.store.down = False
    await client.hello()
    assert "welcome" in client.types
    await client.gone()


async def test_a_client_that_goes_while_it_is_being_let_in_leaves_nobody_connected(world):
    world.store.hold = asyncio.Event()
    client = await Client(world, hello_timeout_s=0.3).hello()
    await asyncio.sleep(0.4)
    client.socket.incoming.put_nowait(None)
    world.store.hold.set()
    await client.ended()
    assert world.service._rooms[world.session_id].by_user["user-Vera"].absent_until is not None


async def test_requests_are_answered_by_id_and_without_one_only_when_refused(world):
    client = await Client(world).hello()
    assert await client.ask("ping") == {"type": "pong", "id": "q"}
    assert (await client.ask("request_guest", message="hi"))["request"]["message"] == "hi"
    assert await client.ask("cancel_guest_request") == {"type": "ok", "id": "q"}
    assert await client.ask("get_stats") == {"type": "stats", "id": "q", "connections": []}
    before = len(client.socket.messages)
    await client.say({"type": "ping"})
    assert len(client.socket.messages) == before
    await client.say({"type": "leave_stage"})
    assert client.socket.messages[-1] == {
        "type": "error",
        "code": "not_a_guest",
        "message": "This participant is not a guest.",
    }
    await client.gone()


async def test_wrong_requests_do_not_close_the_socket(world):
    client = await Client(world).hello()
    assert (await client.ask("dance"))["code"] == "unknown_type"
    wrong = await client.ask("set_muted", kind="smell")
    assert (wrong["code"], wrong["details"][0]["field"]) == ("invalid_request", "kind")
    assert (await client.ask("hello", protocol=1, token="token-Vera"))["code"] == "invalid_request"
    assert (await client.ask("end"))["code"] == "forbidden"
    assert (await client.ask("publish_offer", sdp="", sources={}))["code"] == "forbidden"
    assert (await client.ask("ping"))["type"] == "pong"
    await client.gone()


async def test_a_defect_is_told_as_such_and_as_no_more(world, monkeypatch, caplog):
    client = await Client(world).hello()

    async def broken(*_):
        raise RuntimeError("secret detail")

    monkeypatch.setattr(world.service, "set_muted", broken)
    reply = await client.ask("set_muted", kind="audio", muted=True)
    assert (reply["code"], "secret" in json.dumps(reply)) == ("internal_error", False)
    assert reply["details"] == {"request_id": "in-the-log"}
    assert "secret detail" in caplog.text
    assert (await client.ask("ping"))["type"] == "pong"
    await client.gone()


@pytest.mark.parametrize(("kind", "name", "code"), [("leave", "Vera", 1000), ("end", "Hana", 4410)])
async def test_the_reply_comes_before_the_close(world, kind, name, code):
    client = await Client(world).hello(name)
    assert (await client.ask(kind))["type"] == "ok"
    assert (await client.ended())[0] == code


async def test_garbage_after_hello(world):
    client = await Client(world).hello()
    await client.say("garbage")
    assert await client.ended() == (4400, "bad_message")
    assert "user-Vera" in world.service._rooms[world.session_id].by_user


async def test_a_flood_is_cut_off_and_the_client_may_come_back(world):
    client = await Client(world).hello()
    token = client.socket.messages[0]["resume_token"]
    for _ in range(150):
        client.socket.incoming.put_nowait('{"type": "ping", "id": "x"}')
    assert await client.ended() == (4429, "too_many_messages")
    assert client.types.count("pong") < 100
    again = await Client(world).hello(resume=token)
    assert again.socket.messages[0]["resumed"]
    await again.gone()


async def test_pings_without_end_are_a_flood_too_before_hello_and_after(world):
    for client in (Client(world), await Client(world).hello()):
        for _ in range(150):
            client.socket.incoming.put_nowait(Control.FRAME)
        assert await client.ended() == (4429, "too_many_messages")
        assert "error" not in client.types


async def test_twenty_messages_a_second_are_no_flood(world):
    client = await Client(world).hello()
    for _ in range(300):
        world.now += 0.05
        await client.say({"type": "ping"})
    assert client.socket.closed is None
    await client.gone()


async def test_a_reader_that_stalls_is_cut_off_and_the_others_do_not_notice(world):
    client = await Client(world, outbox_messages=5).hello()
    other = await Client(world).hello("Otto")
    token = client.socket.messages[0]["resume_token"]
    other.socket.messages.clear()
    client.socket.stalled = asyncio.Event()
    room = world.service._rooms[world.session_id]
    host = Identity(user_id=room.host.user_id, name="h")
    for number in range(10):
        await world.service.set_muted(host, world.session_id, "audio", number % 2 == 0)
    await settle()
    assert other.types.count("participant_updated") == 10
    # It does not even take the close: the connection is dropped.
    await client.ended()
    assert client.socket.aborted
    member = room.by_user["user-Vera"]
    assert not member.view().connected
    again = await Client(world).hello(resume=token)
    assert again.socket.messages[0]["resumed"]
    await again.gone()
    await other.gone()


async def test_a_reader_that_wakes_up_in_time_hears_why(world):
    client = await Client(world, outbox_messages=5, close_timeout_s=5).hello()
    client.socket.stalled = asyncio.Event()
    room = world.service._rooms[world.session_id]
    host = Identity(user_id=room.host.user_id, name="h")
    for number in range(10):
        await world.service.set_muted(host, world.session_id, "audio", number % 2 == 0)
    client.socket.stalled.set()
    assert await client.ended() == (4429, "too_slow")
    assert world.service.counters.slow_readers == 1
    assert client.connection.close_code == 4429


async def test_a_reader_that_keeps_up_is_written_to_at_once(world):
    client = await Client(world).hello()
    client.connection.send(b'{"type": "one"}')
    client.connection.send(b'{"type": "two"}')
    assert client.types[-2:] == ["one", "two"]
    await client.gone()


async def test_what_waited_is_not_overtaken(world):
    client = await Client(world).hello()
    client.socket.stalled = stalled = asyncio.Event()
    client.connection.send(b'{"type": "one"}')
    await settle()
    client.connection.send(b'{"type": "two"}')
    # It reads again; but one and two are still on their way.
    client.socket.stalled = None
    client.connection.send(b'{"type": "three"}')
    stalled.set()
    await settle()
    client.connection.send(b'{"type": "four"}')
    assert client.types[-4:] == ["one", "two", "three", "four"]
    assert world.service.counters.frames_out >= 4
    await client.gone()


async def test_a_second_socket_of_the_same_user(world):
    first = await Client(world).hello()
    second = await Client(world).hello()
    assert await first.ended() == (4409, "replaced")
    assert world.service._rooms[world.session_id].by_user["user-Vera"].view().connected
    await second.gone()


async def test_after_the_close_nothing_is_handled_any_more(world):
    client = await Client(world).hello()
    client.connection.close(1001, "server_stopping")
    client.socket.incoming.put_nowait('{"type": "request_guest"}')
    assert await client.ended() == (1001, "server_stopping")
    assert world.store.asked == {}


class Purse:
    """Pays for the classes that it is given money for."""

    def __init__(self, **money):
        self.money = money
        self.spent = []

    def __call__(self, identity, rate):
        self.spent.append((identity.user_id, rate))
        if self.money.get(rate, 0) < 1:
            raise LiveError("rate_limited", retry_after_s=2.5)
        self.money[rate] -= 1


async def test_every_request_is_counted_as_what_it_costs(world):
    purse = Purse(join=1, media=1)
    client = await Client(world, purse).hello()
    assert (await client.ask("ping"))["type"] == "pong"
    await client.ask("dance")
    await client.ask("set_muted", kind="smell", muted=True)
    assert purse.spent == [("user-Vera", "join"), ("user-Vera", "media")], "what is no request reaches no verb"
    await client.gone()


async def test_too_many_of_a_kind_are_refused_and_the_rest_goes_on(world):
    client = await Client(world, Purse(join=1, media=1)).hello()
    reply = await client.ask("request_guest", message="me")
    assert (reply["code"], reply["retry_after_s"]) == ("rate_limited", 2.5)
    assert not world.service._rooms[world.session_id].requests, "a refused request has no effect"
    assert (await client.ask("ping"))["type"] == "pong"
    await client.gone()


async def test_a_hello_too_many_joins_nobody_and_may_be_said_again(world):
    purse = Purse(join=0)
    client = await Client(world, purse).hello()
    assert [message["code"] for message in client.socket.messages] == ["rate_limited"]
    assert client.socket.closed is None
    assert "user-Vera" not in world.service._rooms[world.session_id].by_user
    purse.money["join"] = 1
    await client.hello()
    assert "welcome" in client.types
    await client.gone()
