"""The browser's files.

Each has an address of its own, where browsers ask every time whether it has changed. A page is about a hundred modules,
and to ask about each takes seconds far away from the server; so pages name what they load by an address that has the
version of all files in it, `/v/<version>/ui/main.js`: what is found there may be kept for good. The imports of a module
are relative and stay below it.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiohttp import ETag, web

# Not left to the platform's tables: some of them call JavaScript text/plain, which browsers refuse as a module.
CONTENT_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
PAGES: Final = {"index.html": "/", "docs.html": "/docs"}
"""Files that have an address for people."""

_ASK_EACH_TIME: Final = "no-cache"
"""An upgraded server never meets an old page."""
_KEEP: Final = "public, max-age=31536000, immutable"
_LOADED: Final = re.compile(r'\b(src|href)="\./([^"]+)"')
_WORTH_PACKING: Final = 0.9

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class _Content:
    """A file as it was when it had this time and size."""

    stamp: tuple[int, int]
    body: bytes
    packed: bytes | None
    """The same with gzip, where that is smaller."""
    digest: str


class WebFiles:
    """The files below a folder that browsers know how to show: those there are now, as they are at each request."""

    def __init__(self, folder: Path) -> None:
        self._paths: dict[str, Path] = {}
        for path in sorted(folder.rglob("*")):
            relative = path.relative_to(folder)
            hidden = any(part.startswith(".") for part in relative.parts)
            if path.suffix in CONTENT_TYPES and path.is_file() and not hidden:
                self._paths[relative.as_posix()] = path
        self._contents: dict[str, _Content] = {}
        self._digests: dict[str, str] = {}
        """What the files of the last version were, by name."""
        self._version = self.version()

    def add_to(self, app: web.Application) -> None:
        """No path that comes from outside is ever looked up on the disk."""
        for name in self._paths:
            handler = self._page(name) if name in PAGES else self._file(name)
            app.router.add_get(f"/{name}", handler)
            if (address := PAGES.get(name)) is not None:
                app.router.add_get(address, handler)
        app.router.add_get("/v/{version}/{name:.+}", self._kept)

    def version(self) -> str:
        """Of all files together: another one as soon as one of them is another. Looks at each of them."""
        contents = ((name, self._content(name)) for name in self._paths)
        self._digests = {name: content.digest for name, content in contents if content}
        lines = "".join(f"{name} {digest}\n" for name, digest in self._digests.items())
        self._version = hashlib.sha256(lines.encode()).hexdigest()[:16]
        return self._version

    def _page(self, name: str) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            start = f"./v/{self.version()}/"

            def address(match: re.Match[str]) -> str:
                return f'{match[1]}="{start if match[2] in self._paths else "./"}{match[2]}"'

            if (content := self._content(name)) is None:
                raise web.HTTPNotFound
            body = _LOADED.sub(address, content.body.decode()).encode()
            return _answer(request, name, _content(body, content.stamp), _ASK_EACH_TIME)

        return handle

    def _file(self, name: str) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            return _answer(request, name, self._content(name), _ASK_EACH_TIME)

        return handle

    async def _kept(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        content = self._content(name)
        # A page of before an upgrade that is still loading gets what there is, and does not keep it.
        named = request.match_info["version"] == self._version
        as_named = named and content is not None and content.digest == self._digests.get(name)
        return _answer(request, name, content, _KEEP if as_named else _ASK_EACH_TIME)

    def _content(self, name: str) -> _Content | None:
        """None for a file that has been taken away, and one that has never been."""
        if (path := self._paths.get(name)) is None:
            return None
        try:
            status = path.stat()
            stamp = (status.st_mtime_ns, status.st_size)
            known = self._contents.get(name)
            if known is None or known.stamp != stamp:
                known = self._contents[name] = _content(path.read_bytes(), stamp)
        except OSError:
            return None
        return known


def _content(body: bytes, stamp: tuple[int, int]) -> _Content:
    packed = gzip.compress(body, mtime=0)
    smaller = len(packed) < _WORTH_PACKING * len(body)
    return _Content(stamp, body, packed if smaller else None, hashlib.sha256(body).hexdigest()[:32])


def _answer(request: web.Request, name: str, content: _Content | None, caching: str) -> web.Response:
    if content is None:
        raise web.HTTPNotFound
    headers = {"Cache-Control": caching, "Vary": "Accept-Encoding"}
    # Weak: packed or not, it is the same file.
    etag = ETag(content.digest, is_weak=True)
    if {tag.value for tag in request.if_none_match or ()} & {etag.value, "*"}:
        response = web.Response(status=304, headers=headers)
    else:
        headers["Content-Type"] = CONTENT_TYPES[Path(name).suffix]
        packs = content.packed is not None and "gzip" in request.headers.get("Accept-Encoding", "").lower()
        if packs:
            headers["Content-Encoding"] = "gzip"
        response = web.Response(body=content.packed if packs else content.body, headers=headers)
    response.etag = etag
    return response
