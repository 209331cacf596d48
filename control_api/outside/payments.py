"""Who decides whether a gift is paid for: a function of the operator's, a service of theirs, or nobody.

Each is asked about a payment, a JSON object (docs/OPERATIONS.md, Payments). It may be asked about the same one again,
after a crash or an answer that was lost, and knows it by its `id`.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import threading
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from typing import Any, Final

from control_api.settings import Settings, names_function
from signaling.gift_model import GiftRecord, Pay, PaymentUnknown, for_free

Payment = dict[str, Any]
Hook = Callable[[Payment], bool | Awaitable[bool]]

THREADS: Final = 32
"""For hooks that are not async: twice what is asked at once, because one that hangs keeps its thread."""
_PAYMENT: Final = (
    *("id", "session_id", "host_user_id", "user_id", "name"),
    *("gift_id", "gift_name", "quantity", "value", "created_at"),
)


class PaymentSetupError(Exception):
    """The configured hook can't be used. The message is for the operator."""


async def open_payments(settings: Settings, stack: AsyncExitStack) -> Pay:
    """What the settings say; `stack` lets go of what it needs. Raises `PaymentSetupError`."""
    hook, timeout_s = settings.payment_hook, settings.payment_timeout_s
    if hook is None:
        return for_free
    if names_function(hook):
        return FunctionPayments(load(hook), timeout_s)
    from .payment_service import ServicePayments  # commands that only know the errors need no HTTP

    assert settings.payment_secret is not None
    service = ServicePayments(hook, settings.payment_secret.get_secret_value().encode(), timeout_s)
    stack.push_async_callback(service.close)
    return service


def load(hook: str) -> Hook:
    """The function that `module:function` names. Raises `PaymentSetupError`."""
    module, _, path = hook.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for name in path.split("."):
            found = getattr(found, name)
    except Exception as error:
        # Whatever the operator's module does when it is imported.
        raise PaymentSetupError(f"GREENROOM_PAYMENT_HOOK can't be loaded: {type(error).__name__}: {error}") from error
    if not callable(found):
        raise PaymentSetupError("GREENROOM_PAYMENT_HOOK names something that is no function")
    hook_function: Hook = found
    return hook_function


def payment_of(gift: GiftRecord) -> Payment:
    """What a hook is told."""
    return gift.model_dump(mode="json", include=set(_PAYMENT))


class FunctionPayments:
    """A `Pay` that calls a Python function, async or not. One that is not async runs in a thread."""

    def __init__(self, function: Hook, timeout_s: float) -> None:
        self._function = function
        self._timeout_s = timeout_s
        self._threads = 0

    async def __call__(self, gift: GiftRecord) -> bool:
        try:
            async with asyncio.timeout(self._timeout_s):
                answer: object = await self._ask(payment_of(gift))
        except TimeoutError:
            raise PaymentUnknown(f"no answer within {self._timeout_s:g} seconds") from None
        if not isinstance(answer, bool):
            raise PaymentUnknown(f"the hook returned {type(answer).__name__} and not bool")
        return answer

    async def _ask(self, payment: Payment) -> object:
        if inspect.iscoroutinefunction(self._function):
            return await self._function(payment)
        answer = await self._in_thread(payment)
        # A callable object may be async without looking like it.
        return await answer if inspect.isawaitable(answer) else answer

    def _in_thread(self, payment: Payment) -> asyncio.Future[Any]:
        """In a thread that does not keep the process from ending, as those of an executor would."""
        if self._threads >= THREADS:
            raise PaymentUnknown("the hook hangs in too many threads")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._threads += 1

        def ended(answer: object, failure: Exception | None) -> None:
            self._threads -= 1
            if not future.done():
                if failure is None:
                    future.set_result(answer)
                else:
                    future.set_exception(failure)

        def call() -> None:
            answer: object = None
            failure: Exception | None = None
            try:
                answer = self._function(payment)
            except Exception as error:
                failure = error
            with suppress(RuntimeError):  # the server has stopped meanwhile
                loop.call_soon_threadsafe(ended, answer, failure)

        threading.Thread(target=call, name="payment", daemon=True).start()
        return future
