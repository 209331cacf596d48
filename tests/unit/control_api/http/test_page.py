import re

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from control_api.assets import web_dir
from control_api.http.page import WebFiles

KEPT = "public, max-age=31536000, immutable"
MODULE = "export const answer = 42;\n" * 100


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "ui").mkdir()
    (tmp_path / "index.html").write_text(
        '<link href="./style.css"><script src="./ui/main.js"></script><a href="./elsewhere">x</a>'
    )
    (tmp_path / "style.css").write_text("body { margin: 0 }\n")
    (tmp_path / "ui/main.js").write_text(MODULE)
    return tmp_path


@pytest.fixture
async def client(folder):
    app = web.Application()
    WebFiles(folder).add_to(app)
    async with TestClient(TestServer(app)) as client:
        yield client


async def get(client, path, **headers):
    async with client.get(path, headers={"Accept-Encoding": "identity", **headers}) as response:
        return response, await response.text()


async def script_of(client):
    """The address by which the page loads its script now."""
    _, page = await get(client, "/")
    return "/" + re.search(r'src="\./([^"]*)"', page)[1]


async def test_a_page_loads_what_may_be_kept_and_links_stay(client):
    page, text = await get(client, "/")
    assert page.headers["Cache-Control"] == "no-cache"
    assert re.findall(r'"(.*?)"', re.sub(r"v/\w{16}/", "V/", text)) == [
        "./V/style.css",
        "./V/ui/main.js",
        "./elsewhere",
    ]
    script, text = await get(client, await script_of(client))
    assert (script.status, text) == (200, MODULE)
    assert script.headers["Cache-Control"] == KEPT
    assert script.headers["Content-Type"] == "text/javascript; charset=utf-8"


async def test_a_changed_file_has_another_address_at_once_and_the_old_one_is_not_kept(client, folder):
    old = await script_of(client)
    (folder / "ui/main.js").write_text("export const answer = 43;\n")
    new = await script_of(client)
    assert new != old
    for address, caching in ((new, KEPT), (old, "no-cache"), ("/ui/main.js", "no-cache")):
        response, text = await get(client, address)
        assert (text, response.headers["Cache-Control"]) == ("export const answer = 43;\n", caching)


async def test_what_was_changed_is_not_kept_under_the_version_of_before(client, folder):
    old = await script_of(client)
    (folder / "ui/main.js").write_text("export const answer = 43;\n")
    response, text = await get(client, old)
    assert (text, response.headers["Cache-Control"]) == ("export const answer = 43;\n", "no-cache")


async def test_files_without_a_change_keep_their_address(client, folder):
    assert await script_of(client) == await script_of(client)
    again = web.Application()
    WebFiles(folder).add_to(again)
    async with TestClient(TestServer(again)) as other:
        assert await script_of(other) == await script_of(client), "also after a restart"


async def test_text_is_packed_for_browsers_that_unpack(client):
    plain, _ = await get(client, "/ui/main.js")
    packed, text = await get(client, "/ui/main.js", **{"Accept-Encoding": "br, gzip"})
    assert text == MODULE
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert int(packed.headers["Content-Length"]) < len(MODULE) / 10
    assert packed.headers["Vary"] == plain.headers["Vary"] == "Accept-Encoding"
    small, _ = await get(client, "/style.css", **{"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in small.headers, "packed it would be larger"


async def test_what_is_known_is_not_sent_again(client):
    for address in ("/ui/main.js", await script_of(client), "/"):
        first, _ = await get(client, address)
        again, text = await get(client, address, **{"If-None-Match": first.headers["ETag"]})
        assert (again.status, text) == (304, "")
        assert again.headers["Cache-Control"] == first.headers["Cache-Control"]


@pytest.mark.parametrize("name", ["ui", "ui/", "nothing.js", "../outside.js", "%2e%2e/outside.js", "ui/main.js%00"])
async def test_no_other_file_has_an_address_with_a_version(client, folder, name):
    (folder.parent / "outside.js").write_text("outside")
    response, _ = await get(client, f"/v/0123456789abcdef/{name}")
    assert response.status == 404


async def test_a_file_that_was_taken_away_is_not_found_and_the_others_are(client, folder):
    (folder / "style.css").unlink()
    assert (await get(client, "/style.css"))[0].status == 404
    assert (await get(client, await script_of(client)))[0].status == 200


async def test_all_that_the_pages_of_greenroom_load_may_be_kept():
    files = WebFiles(web_dir())
    app = web.Application()
    files.add_to(app)
    async with TestClient(TestServer(app)) as client:
        for page in ("/", "/docs"):
            _, text = await get(client, page)
            loaded = re.findall(r'(?:<script[^>]* src|<link[^>]* href)="([^"]*)"', text)
            assert len(loaded) > 3
            assert all(address.startswith(f"./v/{files.version()}/") for address in loaded)
