import asyncio

import pytest

from signaling import messages
from signaling.batches import BatchLimits, BatchWriter
from signaling.model import SettingsChange
from signaling.ports import Identity
from signaling.room_chat import KEPT, WELCOME
from tests.support.fakes import ANYBODY, World, refused, settle


@pytest.fixture
def world():
    return World()


def say(person, text="Hello", client_id=None):
    return person.service.send_message(person.identity, person.session_id, text, client_id)


def heard(person):
    return [m["message"]["text"] for m in person.link.of("message") if m["message"]["kind"] == "message"]


def read(person, limit=50, **place):
    return person.service.messages(person.identity, person.session_id, limit, **place)


def delete(person, message):
    return person.service.delete_message(person.identity, person.session_id, getattr(message, "id", message))


def impatient(world, **limits):
    """Gives up on the database quickly."""
    quick = {"retry_for_s": 0.01, "first_retry_s": 0.001, "pause_s": 0.0} | limits
    writer = BatchWriter(world.store.add_messages, BatchLimits(**quick))
    world.service._messages = writer
    for room in world.service._rooms.values():
        room.chat._writer = writer
    return writer


# Writing


async def test_everybody_hears_a_message_once_and_the_sender_gets_it_back(world):
    host, vera = await world.host(), await world.viewer("Vera")
    sent = await say(vera, "Hello", "c-1")
    for person in (host, vera):
        (event,) = [m for m in person.link.of("message") if m["message"]["kind"] == "message"]
        assert "id" not in event
        assert event["message"] == sent.model_dump(mode="json")
    assert (sent.user_id, sent.name, sent.participant_id, sent.kind) == ("user-Vera", "Vera", vera.id, "message")
    assert (sent.text, sent.client_id, sent.deleted_at) == ("Hello", "c-1", None)
    assert world.service.counters.messages == 1


async def test_nobody_hears_of_a_message_before_it_is_committed(world):
    host = await world.host()
    world.store.hold = asyncio.Event()
    sending = asyncio.create_task(say(host))
    await settle()
    assert heard(host) == []
    assert not sending.done()
    world.store.hold.set()
    await sending
    assert heard(host) == ["Hello"]


async def test_all_hear_the_same_order_which_is_that_of_the_positions(world):
    host = await world.host()
    people = [host, *[await world.viewer(f"V{number}") for number in range(9)]]
    await settle()
    texts = [f"{number}" for number in range(200)]
    sent = await asyncio.gather(*(say(people[number % 10], text) for number, text in enumerate(texts)))
    assert heard(host) == texts
    assert all(heard(person) == texts for person in people)
    positions = [message.position for message in sent]
    assert positions == sorted(set(positions))


async def test_a_thousand_messages_are_few_transactions(world):
    host = await world.host()
    batches = []
    add = world.store.add_messages

    async def counting(batch):
        batches.append(len(batch))
        await asyncio.sleep(0)
        return await add(batch)

    world.service._messages._write = counting
    await asyncio.gather(*(say(host, str(number)) for number in range(1000)))
    assert sum(batches) == 1000
    assert len(batches) <= 4


async def test_a_message_is_encoded_once_however_many_hear_it(world, monkeypatch):
    host = await world.host()
    people = [await world.viewer(f"V{number}") for number in range(50)]
    await settle()
    for person in people:
        person.link.forget()
    encoded, encode = [], messages.encode
    monkeypatch.setattr(messages, "encode", lambda message: encoded.append(message["type"]) or encode(message))
    await say(host)
    assert encoded == ["message"]
    frames = [frame for person in people for frame in person.link.frames]
    assert len(frames) == 50
    assert len({id(frame) for frame in frames}) == 1


async def test_who_hangs_up_while_writing_has_written(world):
    host, vera = await world.host(), await world.viewer("Vera")
    world.store.hold = asyncio.Event()
    sending = asyncio.create_task(say(vera))
    await settle()
    sending.cancel()
    world.store.hold.set()
    await settle()
    assert heard(host) == ["Hello"]


# Retries


async def test_the_same_client_id_is_the_same_message_and_is_told_once(world):
    host, vera = await world.host(), await world.viewer("Vera")
    first = await say(vera, "Hello", "c")
    assert await say(vera, "Hello", "c") == first
    assert heard(host) == ["Hello"]
    other = await say(host, "Mine", "c")
    assert other.id != first.id
    assert (await say(vera, "Hello", "d")).id != first.id


async def test_a_retry_while_the_first_is_on_its_way_waits_for_it(world):
    host = await world.host(slow_mode_s=60)
    vera = await world.viewer("Vera")
    world.store.hold = asyncio.Event()
    attempts = [asyncio.create_task(say(vera, "Hello", "c")) for _ in range(3)]
    await settle()
    world.store.hold.set()
    first, second, third = await asyncio.gather(*attempts)
    assert first == second == third
    assert heard(host) == ["Hello"]


async def test_a_retry_that_memory_has_forgotten_finds_the_message_in_the_database(world):
    host, vera = await world.host(), await world.viewer("Vera")
    first = await say(vera, "Hello", "c")
    await asyncio.gather(*(say(host, str(number)) for number in range(KEPT)))
    assert await say(vera, "something else", "c") == first
    assert heard(host).count("Hello") == 1
    assert "something else" not in heard(host)


async def test_a_retry_after_a_restart_gives_the_same_message(world):
    host = await world.host()
    first = await say(host, "Hello", "c")
    again = World(world.store)
    again.session_id = world.session_id
    await again.service.open()
    person = await again.person("Hana")
    await person.attach()
    assert await say(person, "Hello", "c") == first
    assert heard(person) == []
    await again.service.close()


async def test_a_message_whose_commit_was_not_heard_of_is_told_when_it_is_sent_again(world):
    host = await world.host()
    await settle()
    add = world.store.add_messages

    async def committed_but_unheard(batch):
        await add(batch)
        world.store.down = True
        return await add(batch)

    writer = impatient(world)
    writer._write = committed_but_unheard
    with refused("database_unavailable"):
        await say(host, "Hello", "c")
    assert heard(host) == []
    world.store.down = False
    writer._write = add
    sent = await say(host, "Hello", "c")
    assert heard(host) == ["Hello"]
    assert await say(host, "Hello", "c") == sent
    assert [m.text for m in world.store.chat] == heard(host) == ["Hello"]


# Refusals


async def test_who_is_not_in_the_session_may_neither_write_nor_read_nor_delete(world):
    host = await world.host()
    message = await say(host)
    verbs = [
        lambda who: world.service.send_message(who, world.session_id, "Hello"),
        lambda who: world.service.messages(who, world.session_id, 50),
        lambda who: world.service.delete_message(who, world.session_id, message.id),
    ]
    kim = await world.viewer("Kim")
    await host.manage(kim, "kick")
    elsewhere = Identity(user_id="user-Hana", name="Hana", session_id="another")
    for verb in verbs:
        for who, code in [(ANYBODY, "not_joined"), (kim.identity, "kicked"), (elsewhere, "forbidden")]:
            with refused(code):
                await verb(who)
    assert heard(host) == ["Hello"]


async def test_a_chat_that_is_off_takes_nothing_from_anybody(world):
    host = await world.host(enable_chat=False)
    with refused("chat_disabled"):
        await say(host)


async def test_who_is_silenced_only_reads(world):
    host, vera = await world.host(), await world.viewer("Vera")
    await host.manage(vera, "silence")
    with refused("silenced"):
        await say(vera)
    await say(host, "Quiet now")
    assert heard(vera) == ["Quiet now"]
    await host.manage(vera, "unsilence")
    await say(vera)


async def test_slow_mode_makes_viewers_and_guests_wait(world):
    host = await world.host(slow_mode_s=30)
    vera, gina, cora = await world.viewer("Vera"), await world.guest("Gina"), await world.cohost("Cora")
    for person in (host, cora):
        await say(person)
        await say(person)
    for person in (vera, gina):
        await say(person)
        world.now += 10
        with refused("slow_mode") as failure:
            await say(person)
        assert failure.value.retry_after_s == 20
        world.now += 20
        await say(person)


async def test_slow_mode_can_not_be_outrun_nor_be_left(world):
    await world.host(slow_mode_s=30)
    vera = await world.viewer("Vera")
    results = await asyncio.gather(*(say(vera, str(n)) for n in range(5)), return_exceptions=True)
    assert [getattr(result, "code", "sent") for result in results] == ["sent"] + ["slow_mode"] * 4
    await vera.leave()
    await vera.attach()
    with refused("slow_mode"):
        await say(vera)


async def test_slow_mode_counts_from_before_it_was_switched_on(world):
    host, vera = await world.host(), await world.viewer("Vera")
    await say(vera)
    await host.service.update_settings(host.identity, world.session_id, SettingsChange(slow_mode_s=30))
    world.now += 29
    with refused("slow_mode"):
        await say(vera)
    world.now += 1
    await say(vera)


async def test_a_message_that_the_database_did_not_take_costs_no_turn(world):
    await world.host(slow_mode_s=30)
    vera = await world.viewer("Vera")
    await settle()
    world.store.forbidden_authors = {"user-Vera"}
    with refused("forbidden"):
        await say(vera)
    world.store.forbidden_authors = set()
    await say(vera)


async def test_a_message_that_meets_the_end_is_told_so(world):
    host, vera = await world.host(), await world.viewer("Vera")
    await settle()
    held = asyncio.Event()
    add = world.store.add_messages

    async def slow(batch):
        await held.wait()
        return await add(batch)

    world.service._messages._write = slow
    sending = asyncio.create_task(say(vera))
    await settle()
    await host.end()
    world.store.forbidden_authors = {"user-Vera"}
    held.set()
    with refused("session_ended"):
        await sending


# Outage


async def test_while_the_database_is_away_messages_are_refused_and_afterwards_they_go_through(world):
    host = await world.host()
    impatient(world)
    world.store.down = True
    for _ in range(3):
        with refused("database_unavailable") as failure:
            await say(host, "lost")
        assert failure.value.retry_after_s > 0
    assert world.service.writes_refused == {"messages": 3, "reactions": 0}
    world.store.down = False
    await say(host, "Hello")
    assert heard(host) == ["Hello"]


async def test_a_short_outage_is_only_a_delay(world):
    host = await world.host()
    impatient(world, retry_for_s=30)
    world.store.down = True
    sending = asyncio.create_task(say(host))
    await settle()
    world.store.down = False
    await sending
    assert heard(host) == ["Hello"]


async def test_a_slow_database_holds_a_sender_up_only_for_a_while(world, monkeypatch):
    host = await world.host()
    await settle()
    monkeypatch.setattr("signaling.chat.ANSWER_TIMEOUT_S", 0.01)
    world.store.hold = asyncio.Event()
    for _ in range(2):
        with refused("database_unavailable"):
            await say(host, "Hello", "c")
    world.store.hold.set()
    await settle()
    assert heard(host) == ["Hello"]
    assert (await say(host, "Hello", "c")).text == "Hello"
    assert heard(host) == ["Hello"]


async def test_a_message_that_was_refused_but_written_is_told_when_it_is_found(world):
    host = await world.host()
    await settle()
    add = world.store.add_messages

    async def committed_but_unheard(batch):
        await add(batch)
        world.store.down = True
        return await add(batch)

    writer = impatient(world)
    writer._write = committed_but_unheard
    with refused("database_unavailable"):
        await say(host, "Hello")
    world.store.down = False
    writer._write = add
    late = await world.viewer("Late")
    assert [m["text"] for m in late.link.last("welcome")["messages"]] == ["Hello"]
    assert heard(host) == ["Hello"]


async def test_a_socket_comes_back_during_an_outage(world):
    host = await world.host()
    token = host.link.last("welcome")["resume_token"]
    host.detach()
    world.store.down = True
    welcome = await host.attach(token)
    assert welcome["resumed"]


async def test_closing_the_service_writes_what_is_queued(world):
    host = await world.host()
    await settle()
    sending = [asyncio.create_task(say(host, str(number))) for number in range(10)]
    await asyncio.sleep(0)
    await world.service.close()
    assert [message.text for message in await asyncio.gather(*sending)] == [str(number) for number in range(10)]
    assert len(world.store.chat) == 10


# Late joiners


async def test_who_comes_late_gets_the_latest_page(world):
    host = await world.host()
    assert (host.link.last("welcome")["messages"], host.link.last("welcome")["more_messages"]) == ([], False)
    for number in range(WELCOME + 5):
        await say(host, str(number))
    late = await world.viewer("Late")
    welcome = late.link.last("welcome")
    assert [m["text"] for m in welcome["messages"]] == [str(number) for number in range(5, WELCOME + 5)]
    assert welcome["more_messages"]


async def test_who_comes_sees_every_message_in_welcome_or_as_an_event_and_none_twice(world):
    host = await world.host()

    async def talk():
        for number in range(100):
            await say(host, str(number))

    talking = asyncio.create_task(talk())
    late = []
    for number in range(20):
        late.append(await world.viewer(f"V{number}"))
        await asyncio.sleep(0)
    await talking
    for person in late:
        welcome = [m["text"] for m in person.link.last("welcome")["messages"] if m["kind"] == "message"]
        seen = welcome + heard(person)
        assert seen == [str(number) for number in range(100)][-len(seen) :]


async def test_a_thousand_who_come_back_after_a_restart_cost_one_query(world):
    host = await world.host()
    for number in range(300):
        await say(host, str(number))
    people = [await world.viewer(f"V{number}") for number in range(50)]
    again = World(world.store)
    again.session_id = world.session_id
    await again.service.open()
    world.store.pages_read = 0
    back = [await again.person(person.identity.name) for person in people]
    await asyncio.gather(*(person.attach() for person in back))
    assert world.store.pages_read == 1
    for person in back:
        welcome = person.link.last("welcome")
        texts = [m["text"] for m in welcome["messages"] if m["kind"] == "message"]
        assert texts == [str(number) for number in range(300)][-len(texts) :]
        assert welcome["more_messages"]
    await again.service.close()


async def test_what_is_said_and_deleted_while_the_chat_is_being_read_is_not_lost(world):
    host = await world.host()
    doomed = await say(host, "doomed")
    await say(host, "old")
    again = World(world.store)
    again.session_id = world.session_id
    await again.service.open()
    person = await again.person("Hana")
    await person.join()
    pages, answer = world.store.messages, asyncio.Event()

    async def slow(session_id, limit, before, after):
        page = await pages(session_id, limit, before, after)
        await answer.wait()
        return page

    world.store.messages = slow
    filling = asyncio.create_task(person.attach())
    await settle()
    await say(person, "new")
    await delete(person, doomed)
    answer.set()
    welcome = await filling
    assert [m["text"] for m in welcome["messages"]] == ["", "old", "new"]
    assert not welcome["more_messages"]
    await again.service.close()


async def test_a_chat_that_can_not_be_read_after_a_restart_does_not_keep_people_out(world, monkeypatch):
    host = await world.host()
    await say(host, "old")
    again = World(world.store)
    again.session_id = world.session_id
    await again.service.open()
    person = await again.person("Hana")
    pages, answer = world.store.messages, asyncio.Event()

    async def never(*place):
        await answer.wait()
        return await pages(*place)

    world.store.messages = never
    monkeypatch.setattr("signaling.room_chat.FILL_TIMEOUT_S", 0.001)
    welcome = await person.attach()
    assert (welcome["messages"], welcome["more_messages"]) == ([], True)
    answer.set()
    await settle()
    assert [m["text"] for m in (await person.attach())["messages"]] == ["old"]
    await again.service.close()


# Reading


async def test_pages_in_both_directions(world):
    host = await world.host()
    for number in range(300):
        await say(host, str(number))
    seen, before = [], None
    while True:
        page = await read(host, 70, before=before)
        seen = [message.text for message in page.messages] + seen
        before = page.messages[0].position
        if not page.more:
            break
    assert seen == [str(number) for number in range(300)]
    seen, after = [], 0
    while True:
        page = await read(host, 70, after=after)
        seen += [message.text for message in page.messages]
        after = page.messages[-1].position
        if not page.more:
            break
    assert seen == [str(number) for number in range(300)]


async def test_the_newest_page_costs_no_query_where_memory_has_it(world):
    host = await world.host()
    for number in range(KEPT + 10):
        await say(host, str(number))
    world.store.pages_read = 0
    page = await read(host, 50)
    assert [message.text for message in page.messages] == [str(number) for number in range(KEPT - 40, KEPT + 10)]
    assert page.more
    everything = await read(host, KEPT)
    assert len(everything.messages) == KEPT
    assert everything.more
    assert world.store.pages_read == 0
    world.store.down = True
    with refused("database_unavailable"):
        await read(host, 50, before=100)


async def test_after_the_end_the_database_decides_who_reads(world):
    host = await world.host()
    await say(host, "Hello")
    await host.end()
    page = await read(host)
    assert [message.text for message in page.messages] == ["Hello"]
    with refused("session_ended"):
        await say(host)
    world.session_id = "nonsense"
    for verb in (read(host), say(host), delete(host, "x")):
        with refused("session_not_found"):
            await verb


# Deleting


async def test_authors_and_moderators_delete_and_everybody_is_told(world):
    host = await world.host()
    vera, wim, cora = await world.viewer("Vera"), await world.viewer("Wim"), await world.cohost("Cora")
    for person in (vera, host, cora):
        message = await say(vera, "secret")
        with refused("forbidden"):
            await delete(wim, message)
        deleted = await delete(person, message)
        assert (deleted.text, deleted.deleted_by) == ("", person.identity.user_id)
        told = wim.link.last("message_deleted")
        assert told == {
            "type": "message_deleted",
            "message_id": message.id,
            "position": message.position,
            "deleted_by": person.identity.user_id,
        }
    assert all(message.text == "" for message in world.store.chat)
    assert all(message["text"] == "" for message in (await wim.attach())["messages"])


async def test_a_message_is_deleted_once(world):
    host, vera = await world.host(), await world.viewer("Vera")
    message = await say(vera)
    first, second = await asyncio.gather(delete(vera, message), delete(host, message))
    assert first == second
    assert len(vera.link.of("message_deleted")) == 1


async def test_what_is_not_there_can_not_be_deleted(world):
    host = await world.host()
    with refused("message_not_found"):
        await delete(host, "nonsense")


async def test_after_the_end_messages_can_still_be_deleted(world):
    host = await world.host()
    message = await say(host)
    await host.end()
    assert (await delete(host, message)).text == ""
