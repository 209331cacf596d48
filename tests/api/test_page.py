"""The page's files over HTTP."""

import pytest
from yarl import URL

from .conftest import ALLOWED


async def get(api, path, **headers):
    async with api.http.get(api.base_url + path, headers=headers) as response:
        return response, await response.text()


@pytest.mark.parametrize("path", ["/", "/index.html"])
async def test_the_page(api, path):
    response, text = await get(api, path)
    assert response.status == 200
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "Greenroom" in text
    assert response.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/ui/main.js", "text/javascript; charset=utf-8"),
        ("/style.css", "text/css; charset=utf-8"),
        ("/icon.svg", "image/svg+xml"),
    ],
)
async def test_files_have_their_type(api, path, content_type):
    response, _ = await get(api, path)
    assert (response.status, response.headers["Content-Type"]) == (200, content_type)


async def test_an_unchanged_file_is_not_sent_again(api):
    response, _ = await get(api, "/ui/main.js")
    again, text = await get(api, "/ui/main.js", **{"If-None-Match": response.headers["ETag"]})
    assert (again.status, text) == (304, "")


async def test_what_is_kept_for_one_origin_or_packed_is_no_answer_for_others(api):
    response, _ = await get(api, "/ui/main.js", Origin=ALLOWED)
    vary = {name for line in response.headers.getall("Vary") for name in line.split(", ")}
    assert vary == {"Accept-Encoding", "Origin"}
    assert response.headers["Access-Control-Allow-Origin"] == ALLOWED


async def test_security_headers(api):
    for path in ("/", "/ui/main.js", "/nothing", "/healthz"):
        response, _ = await get(api, path)
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "style-src 'self';" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize(
    "path",
    [
        "/.secret.js",
        "/notes.unknown",
        "/ui/",
        "/ui",
        "/../outside.js",
        "/%2e%2e/outside.js",
        "/ui/..%2f..%2foutside.js",
        "/ui/%2e%2e/%2e%2e/outside.js",
        "//etc/passwd",
        "/ui/main.js%00",
    ],
)
async def test_nothing_but_the_page_is_served(api, path):

    async with api.http.get(URL(api.base_url + path, encoded=True)) as response:
        assert response.status == 404
        assert (await response.json())["error"]["code"] == "not_found"


async def test_files_are_not_written(api):
    async with api.http.post(api.base_url + "/index.html", data=b"x") as response:
        assert response.status == 405
