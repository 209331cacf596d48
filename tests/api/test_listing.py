"""GET /live/active: search, orders, pages, and what costs nothing when nothing changed."""

from __future__ import annotations

import aiohttp
import pytest

from tests.support.api import ApiError


async def titles(user, query=""):
    return [session["title"] for session in (await user.call("GET", f"/live/active{query}"))["sessions"]]


async def test_search(host, viewer):
    await host.start("Jazz 100%")
    await viewer.start("Cooking")
    assert await titles(viewer, "?q=jazz") == ["Jazz 100%"]
    assert await titles(viewer, "?q=%25") == ["Jazz 100%"]
    assert await titles(viewer, "?q=%20vera%20") == ["Cooking"]
    assert await titles(viewer, "?q=nothing") == []
    with pytest.raises(ApiError, match=r"^422 invalid_request"):
        await titles(viewer, "?q=%00")


async def test_most_viewers_first(api, host, viewer):
    full = await host.start("full")
    await viewer.start("empty")
    await (await api.user("Otto")).join(full["id"])
    assert await titles(host) == ["empty", "full"]
    assert await titles(host, "?order=viewers") == ["full", "empty"]
    page = await host.call("GET", "/live/active?order=viewers&limit=1")
    assert await titles(host, f"?order=viewers&limit=1&cursor={page['next_cursor']}") == ["empty"]


@pytest.mark.parametrize("cursor", ["x", "", "%00", "W10", "a" * 401])
async def test_a_cursor_that_is_none(host, cursor):
    with pytest.raises(ApiError, match=r"^422 invalid_request") as failure:
        await titles(host, f"?cursor={cursor}")
    assert failure.value.details[0]["field"] == "cursor"


async def test_a_cursor_goes_with_its_order(host, viewer):
    await host.start()
    await viewer.start()
    cursor = (await host.call("GET", "/live/active?limit=1"))["next_cursor"]
    with pytest.raises(ApiError, match=r"^422 invalid_request"):
        await titles(host, f"?order=viewers&cursor={cursor}")


async def test_who_has_the_list_already_is_told_so(served, host, viewer):
    await host.start()
    headers = {"Authorization": f"Bearer {host.token}"}
    async with aiohttp.ClientSession(served.url) as http:
        async with http.get("/live/active", headers=headers) as response:
            etag = response.headers["ETag"]
        async with http.get("/live/active", headers=headers | {"If-None-Match": etag}) as response:
            assert response.status == 304
            assert await response.read() == b""
        await viewer.start()
        async with http.get("/live/active", headers=headers | {"If-None-Match": etag}) as response:
            assert response.status == 200
            assert response.headers["ETag"] != etag
            assert len((await response.json())["sessions"]) == 2
