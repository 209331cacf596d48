import pytest

from control_api.commands.options import variable
from control_api.commands.own_server import is_running, own_url
from control_api.settings import Settings
from tests.support.server import free_tcp_port


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    for name in Settings.model_fields:
        monkeypatch.delenv(variable(name), raising=False)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080"),
        ("0.0.0.0", "http://127.0.0.1:8080"),
        ("::", "http://[::1]:8080"),
        ("live.example.com", "http://live.example.com:8080"),
    ],
)
def test_the_address_on_this_machine(host, url):
    assert own_url(Settings(host=host, jwt_secret="x" * 32)) == url


async def test_nothing_runs_where_nothing_listens():
    assert not await is_running(Settings(port=free_tcp_port()))
