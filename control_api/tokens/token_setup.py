"""From the settings to an `Authenticator`: whose tokens are taken, and what signs the server's own."""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack

from control_api.settings import Settings

from .auth import Authenticator, TokenRules, load_or_create_secret
from .jwks import JwksSource
from .token_keys import KeySource, OneKey, load_public_key

logger = logging.getLogger(__name__)


async def open_authenticator(settings: Settings, stack: AsyncExitStack) -> Authenticator:
    """What verifies tokens as configured; `stack` lets go of what it needs.

    Raises `KeySetupError` for keys that can't be used, or an address where there are none. An issuer that is only away
    is no reason not to start.
    """
    keys = await open_keys(settings, stack)
    secret = settings.jwt_secret
    if keys is not None and settings.jwt_audience is None:
        logger.warning(
            "tokens that their issuer made for other services are taken, too: set GREENROOM_JWT_AUDIENCE to take only "
            "those for this one"
        )
    return Authenticator(
        secret.get_secret_value().encode() if secret is not None else load_or_create_secret(settings.data_dir),
        keys,
        TokenRules(settings.jwt_audience, settings.jwt_issuer, settings.jwt_leeway_s),
        settings.join_token_ttl_s,
    )


async def open_keys(settings: Settings, stack: AsyncExitStack) -> KeySource | None:
    """Those of another issuer; None where the tokens of accounts are signed with the secret.

    Raises and lets go as `open_authenticator` does, but makes no secret.
    """
    if settings.jwt_public_key_file is not None:
        return OneKey(load_public_key(settings.jwt_public_key_file))
    if settings.jwt_jwks_url is not None:
        source = JwksSource(settings.jwt_jwks_url)
        stack.push_async_callback(source.close)
        await source.open()
        return source
    return None
