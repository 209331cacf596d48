"""Where the server of these settings is on this machine."""

from __future__ import annotations

import ssl

from control_api.settings import Settings

PROBE_TIMEOUT_S = 3.0


def own_url(settings: Settings) -> str:
    """Its address, as far as the settings tell: `port` 0 is whatever was free."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    scheme = "http" if settings.tls_cert is None else "https"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{settings.port}"


def own_tls(settings: Settings) -> ssl.SSLContext | bool:
    """Trust the very certificate that the server has: it is made for its public name, and maybe signed by nobody."""
    if settings.tls_cert is None:
        return True
    context = ssl.create_default_context(cafile=str(settings.tls_cert))
    context.check_hostname = False
    context.verify_flags = ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


async def is_running(settings: Settings) -> bool:
    """Whether a Greenroom answers there."""
    import aiohttp

    try:
        timeout = aiohttp.ClientTimeout(total=PROBE_TIMEOUT_S)
        async with (
            aiohttp.ClientSession(timeout=timeout) as http,
            http.get(f"{own_url(settings)}/openapi.json", ssl=own_tls(settings), allow_redirects=False) as response,
        ):
            document = await response.json()
            return bool(document["info"]["title"] == "Greenroom")
    except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError, OSError):
        return False
