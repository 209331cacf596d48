"""The HTTP port on real sockets, on both event loops that the server may run on."""

import asyncio
import logging
import resource
import ssl
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import aiohttp
import pytest
import uvloop
from aiohttp import web

from control_api.http import listener
from control_api.http.listener import Listener, most_connections
from control_api.http.proxy import TrustedProxies
from control_api.http.seats import Seats
from control_api.http.tls import TlsFiles
from tests.support.certificates import write_certificate
from tests.support.waiting import until

BIG = 64 * 1024 * 1024
CHUNK = 256 * 1024


class Port:
    def __init__(self):
        self.stack = AsyncExitStack()
        self.ended = asyncio.Event()
        """A handler of /flood has come to its end."""

    async def open(self, seats=None, tls=None, proxies=(), **runner_options):
        app = web.Application(client_max_size=BIG)
        app.router.add_get("/", self._hello)
        app.router.add_post("/size", self._size)
        app.router.add_get("/flood", self._flood)
        app.router.add_get("/ws", self._echo)
        self.seats = seats or Seats()
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1, **runner_options)
        await runner.setup()
        self.stack.push_async_callback(runner.cleanup)
        self.site = Listener(runner, "127.0.0.1", 0, seats=self.seats, proxies=TrustedProxies(proxies), tls=tls)
        await self.site.start()
        self.port = self.site.port
        return self

    async def _hello(self, request):
        return web.Response(text=request.scheme)

    async def _size(self, request):
        with suppress(ConnectionError):
            await request.read()
        return web.Response(text=str(request.content.total_bytes))

    async def _flood(self, request):
        response = web.StreamResponse()
        try:
            await response.prepare(request)
            for _ in range(BIG // CHUNK):
                await response.write(bytes(CHUNK))
        finally:
            self.ended.set()
        return response

    async def _echo(self, request):
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(message.data)
        return socket

    @asynccontextmanager
    async def raw(self):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield reader, writer
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def answers(self):
        """Whether a new connection is served."""
        async with self.raw() as (reader, writer):
            try:
                writer.write(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
                return b"200 OK" in await asyncio.wait_for(reader.read(), 5)
            except ConnectionError:
                return False

    async def empty(self):
        await until(lambda: self.seats.taken == 0, "every connection gives its seat back")


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request):
    def run(scenario, **options):
        async def main():
            port = Port()
            async with port.stack:
                await scenario(await port.open(**options))

        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(asyncio.wait_for(main(), 30))

    return run


def trust(certificate):
    return ssl.create_default_context(cafile=certificate)


def test_a_request_is_answered_and_gives_its_seat_back(run):
    async def scenario(port):
        assert await port.answers()
        await port.empty()

    run(scenario)


@pytest.mark.parametrize("seats", [Seats(total=3), Seats(per_address=3)])
def test_connections_above_the_limit_are_refused_until_one_ends(run, seats, caplog):
    seats.refused.clear()

    async def scenario(port):
        async with AsyncExitStack() as held:
            for _ in range(2):
                await held.enter_async_context(port.raw())
            async with port.raw():
                await until(lambda: seats.taken == 3, "three connections are open")
                for _ in range(5):
                    assert not await port.answers()
            await until(lambda: seats.taken == 2, "one of them has ended")
            assert await port.answers()
        await port.empty()

    run(scenario, seats=seats)
    assert sum(seats.refused.values()) == 5
    assert [record.message for record in caplog.records] == ["a connection of 127.0.0.1 was refused: 3 are open"]


def test_a_trusted_proxy_may_bring_more_than_one_address_may(run):
    async def scenario(port):
        async with port.raw(), port.raw(), port.raw():
            assert await port.answers()
        await port.empty()

    run(scenario, seats=Seats(per_address=1), proxies=["127.0.0.1"])


async def swallow(reader):
    """All that comes until the end, which may be a reset: who is cut off had more to say."""
    with suppress(ConnectionError):
        return await reader.read()
    return b""


def test_headers_that_never_end_cost_the_connection(run):
    async def scenario(port):
        async with port.raw() as (reader, writer):
            writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n")
            dripping = asyncio.ensure_future(drip(writer))
            assert await swallow(reader) == b""
            dripping.cancel()
        await port.empty()

    async def drip(writer):
        with suppress(ConnectionError):
            while True:
                writer.write(b"X-More: x\r\n")
                await asyncio.sleep(0.02)

    run(scenario, keepalive_timeout=0.3)


@pytest.mark.parametrize("encrypted", [False, True])
def test_a_reader_that_never_reads_is_cut_off(run, monkeypatch, tmp_path, encrypted):
    monkeypatch.setattr(listener, "STALLED_READER_S", 0.3)
    files = write_certificate(tmp_path)

    async def scenario(port):
        context = trust(files[0]) if encrypted else None
        _, writer = await asyncio.open_connection("127.0.0.1", port.port, ssl=context, limit=1024)
        writer.write(b"GET /flood HTTP/1.1\r\nHost: h\r\n\r\n")
        await port.ended.wait()
        await port.empty()
        writer.transport.abort()

    run(scenario, tls=TlsFiles(*files) if encrypted else None)


def test_a_reader_that_is_only_slow_gets_everything(run, monkeypatch):
    monkeypatch.setattr(listener, "STALLED_READER_S", 2)

    async def scenario(port):
        async with port.raw() as (reader, writer):
            writer.write(b"GET /flood HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            received = 0
            while data := await reader.read(4 * 1024 * 1024):
                received += len(data)
                await asyncio.sleep(0.002)
            assert received > BIG

    run(scenario)


def test_https_and_wss(run, tmp_path):
    files = write_certificate(tmp_path)

    async def scenario(port):
        url = f"https://localhost:{port.port}"
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust(files[0]))) as client:
            async with client.get(url) as response:
                assert await response.text() == "https"
            async with client.post(url + "/size", data=bytes(1_000_000)) as response:
                assert await response.text() == "1000000"
            async with client.get(url + "/flood") as response:
                assert len(await response.read()) == BIG
            async with client.ws_connect(url + "/ws") as socket:
                await socket.send_str("x" * 100_000)
                assert len((await socket.receive()).data) == 100_000
        await port.empty()

    run(scenario, tls=TlsFiles(*files))


def test_others_get_their_turn_while_somebody_sends_without_end(run):
    """A socket that is never empty must not keep the event loop: a handler reads a little, then everybody else is."""
    turn, taken = 0, {}

    class Handler(asyncio.Protocol):
        def data_received(self, data):
            taken[turn] = taken.get(turn, 0) + len(data)

    async def scenario(port):
        nonlocal turn
        port.site._handlers = Handler
        async with port.raw() as (_, writer):
            writer.write(bytes(CHUNK))
            while sum(taken.values()) < CHUNK:
                turn += 1
                await asyncio.sleep(0)
        assert max(taken.values()) <= 32 * listener.READ_BYTES

    run(scenario)


def test_a_connection_that_sends_too_much_is_cut_off(run, monkeypatch, caplog):
    monkeypatch.setattr(listener, "READS_AT_ONCE", 100.0)
    monkeypatch.setattr(listener, "READS_PER_S", 0.001)

    async def scenario(port):
        async with port.raw() as (reader, writer):
            writer.write(b"POST /size HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n" + bytes(1_000_000))
            with suppress(ConnectionError):
                assert await reader.read() == b""
        await port.empty()
        assert port.seats.refused == {"flood": 1}
        assert await port.answers(), "the next one begins anew"

    run(scenario)
    assert [record.message for record in caplog.records] == ["a connection that sent too much was cut off"]


def test_a_new_certificate_is_served_while_open_connections_go_on(run, tmp_path):
    files = TlsFiles(*write_certificate(tmp_path))

    async def scenario(port):
        async with aiohttp.ClientSession() as old, aiohttp.ClientSession() as new:
            context = trust(tmp_path / "cert.pem")
            async with old.ws_connect(f"https://localhost:{port.port}/ws", ssl=context) as socket:
                write_certificate(tmp_path)
                files.look()
                async with new.get(f"https://localhost:{port.port}", ssl=trust(tmp_path / "cert.pem")) as response:
                    assert response.status == 200
                with pytest.raises(aiohttp.ClientConnectorCertificateError):
                    await new.get(f"https://127.0.0.1:{port.port}", ssl=context)
                await socket.send_str("still here")
                assert (await socket.receive()).data == "still here"
        await port.empty()

    run(scenario, tls=files)


def test_what_speaks_no_tls_keeps_no_seat(run, monkeypatch, tmp_path, caplog):
    monkeypatch.setattr(listener, "HANDSHAKE_TIMEOUT_S", 0.3)

    async def scenario(port):
        async with port.raw() as (silent, _), port.raw() as (reader, writer):
            await until(lambda: port.seats.taken == 2, "connections count before they have shaken hands")
            writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            assert b"200" not in await swallow(reader)
            await swallow(silent)
        await port.empty()
        async with port.raw():
            await until(lambda: port.seats.taken == 1, "a client comes, and goes in the middle of the handshake")
        await port.empty()

    run(scenario, tls=TlsFiles(*write_certificate(tmp_path)))
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_tls_1_1_is_not_spoken(run, tmp_path):
    files = write_certificate(tmp_path)

    async def scenario(port):
        context = trust(files[0])
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLSv1"):
            context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection("127.0.0.1", port.port, ssl=context)
        await port.empty()

    run(scenario, tls=TlsFiles(*files))


def test_stopping_does_not_wait_for_handshakes(run, tmp_path):
    async def scenario(port):
        async with port.raw(), port.raw():
            await until(lambda: port.seats.taken == 2, "two are shaking hands")
            await asyncio.wait_for(port.stack.aclose(), 5)

    run(scenario, tls=TlsFiles(*write_certificate(tmp_path)))


def test_open_files_bound_the_connections(monkeypatch, caplog):
    limits = [1024, 4096]
    monkeypatch.setattr(resource, "getrlimit", lambda _: tuple(limits))
    monkeypatch.setattr(resource, "setrlimit", lambda _, wanted: limits.__setitem__(slice(None), wanted))
    assert most_connections(2000) == 2000
    assert limits == [2000 + listener.RESERVED_FILES, 4096], "asked for what is needed and no more"
    assert caplog.records == []
    assert most_connections(20_000) == 4096 - listener.RESERVED_FILES
    assert "at most 3840 connections instead of 20000" in caplog.text
    limits[:] = [1024, resource.RLIM_INFINITY]
    assert most_connections(20_000) == 20_000
