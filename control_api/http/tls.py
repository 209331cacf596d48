"""TLS from certificate files that are looked at again and again: a renewed certificate needs no restart."""

from __future__ import annotations

import asyncio
import logging
import ssl
from pathlib import Path
from typing import Final, NoReturn

logger = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 5.0
"""How old a new certificate may get before it is used."""

_State = tuple[tuple[int, int, int], ...]
"""Of each file: inode, size and time of change. Equal as long as nothing was written."""


class TlsError(Exception):
    """The certificate or its key can't be used; the text is for the operator."""


class TlsFiles:
    """A certificate chain and its key, both PEM. Raises `TlsError` where they can't be used."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._certificate = certificate
        self._key = key
        self._told = ""
        """The last complaint, which is not repeated at every look."""
        self._seen = self._state()
        self.context = self._load()
        """For the next handshake. Connections that are open keep the one that they began with."""

    async def watch(self) -> None:
        """Load the files anew whenever they change, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await asyncio.to_thread(self.look)

    def look(self) -> None:
        """Load the files if they have changed. What can't be used is logged, and the old certificate stays."""
        try:
            state = self._state()
            if state == self._seen:
                return
            # Before loading: if the files change meanwhile, the next look loads them once more.
            self._seen = state
            self.context = self._load()
        except TlsError as error:
            if str(error) != self._told:
                self._told = str(error)
                logger.error("%s; the old certificate stays in use", error)
        else:
            self._told = ""
            logger.info("a new certificate is in use")

    def _state(self) -> _State:
        try:
            stats = [path.stat() for path in (self._certificate, self._key)]
        except OSError as error:
            # Forget the last state: files that come back as they were are loaded again, and that is said.
            self._seen = ()
            raise TlsError(f"{error.filename} can't be read: {error.strerror}") from None
        return tuple((stat.st_ino, stat.st_size, stat.st_mtime_ns) for stat in stats)

    def _load(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        try:
            context.load_cert_chain(self._certificate, self._key, password=_no_password)
        except OSError as error:
            # ssl.SSLError among them. Its text names the reason and nothing of the files' content.
            reason = error.reason if isinstance(error, ssl.SSLError) and error.reason else error.strerror
            raise TlsError(
                f"the certificate {self._certificate} with the key {self._key} can't be used: {reason or error}"
            ) from None
        return context


def _no_password() -> NoReturn:
    # Without this OpenSSL would ask on the terminal, and the server would hang.
    raise TlsError("the TLS key is encrypted; the server has nobody to ask for its password")
