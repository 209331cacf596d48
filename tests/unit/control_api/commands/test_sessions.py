"""`greenroom sessions` where the server is missing, another one, or none at all."""

import ssl

import pytest
from aiohttp import web

from control_api.commands import sessions
from control_api.commands.options import CommandError, variable
from control_api.settings import Settings
from tests.support.certificates import write_certificate
from tests.support.server import free_tcp_port

SECRET = "a secret of the tests, 32 bytes and more"


@pytest.fixture
def settings(monkeypatch):
    for name in Settings.model_fields:
        monkeypatch.delenv(variable(name), raising=False)
    return Settings(port=free_tcp_port(), jwt_secret=SECRET)


@pytest.fixture
async def start(settings):
    """Starts a server on the port of the settings, which answers what the returned dict has as `answer`."""
    runners = []

    async def start(tls=None):
        answers = {}

        async def handle(request):
            return answers["answer"]()

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handle)
        runners.append(web.AppRunner(app))
        await runners[-1].setup()
        await web.TCPSite(runners[-1], "127.0.0.1", settings.port, ssl_context=tls).start()
        return answers

    yield start
    for runner in runners:
        await runner.cleanup()


@pytest.fixture
async def other(start):
    return await start()


async def ask(settings, url=None):
    return await sessions._ask(settings, url, "GET", "/operator/sessions")


async def test_no_server(settings):
    with pytest.raises(CommandError, match="no Greenroom can be reached at http://127"):
        await ask(settings)


@pytest.mark.parametrize("url", ["ftp://x", "example.com", "http://example.com", "http://10.1.2.3:8080"])
async def test_a_token_goes_nowhere_unsafe(settings, url):
    with pytest.raises(CommandError) as caught:
        await ask(settings, url)
    assert caught.value.code == 2


async def test_something_else_that_answers(settings, other):
    for answer in (
        lambda: web.Response(text="hello"),
        lambda: web.json_response([1]),
        lambda: web.json_response({"detail": "x"}, status=404),
        lambda: web.Response(status=302, headers={"Location": "/elsewhere"}),
    ):
        other["answer"] = answer
        with pytest.raises(CommandError, match="no Greenroom of this version"):
            await ask(settings)


async def test_a_refusal_is_told_without_escape_codes(settings, other):
    body = {"error": {"code": "x", "message": "no\x1b[2J"}}
    other["answer"] = lambda: web.json_response(body, status=409)
    with pytest.raises(CommandError, match=r"^no \[2J$"):
        await ask(settings)


async def test_a_server_with_another_secret(settings, other):
    body = {"error": {"code": "token_invalid", "message": "no"}}
    other["answer"] = lambda: web.json_response(body, status=401)
    with pytest.raises(CommandError, match="another secret") as caught:
        await ask(settings)
    assert caught.value.code == 2


async def test_a_port_that_is_not_known_has_to_be_said(settings):
    with pytest.raises(CommandError, match="--url"):
        await ask(settings.model_copy(update={"port": 0}))


def serving(folder, name):
    folder.mkdir()
    certificate, key = write_certificate(folder, name)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context, {"tls_cert": certificate, "tls_key": key}


async def test_the_servers_own_certificate_is_trusted_and_no_other(settings, start, tmp_path):
    tls, own = serving(tmp_path / "own", "live.example.com")
    _, others = serving(tmp_path / "other", "live.example.com")
    answers = await start(tls)
    answers["answer"] = lambda: web.json_response({"sessions": []})
    assert await ask(settings.model_copy(update=own)) == {"sessions": []}
    with pytest.raises(CommandError, match="can be reached"):
        await ask(settings.model_copy(update=others))
    with pytest.raises(CommandError, match="can be reached"):
        await ask(settings.model_copy(update=own), f"https://127.0.0.1:{settings.port}")
