"""Errors in the page: what went wrong in somebody's browser, for the server's log and its metrics."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import StringConstraints

from control_api.http.route_table import AnyRoute, Call, Route
from control_api.http.routes_bodies import Body
from control_api.observe.client_errors import CLIENT_ERRORS, ErrorKind

Text = Annotated[str, StringConstraints(max_length=500)]
Stack = Annotated[str, StringConstraints(max_length=4000)]


class ClientErrorBody(Body):
    kind: ErrorKind
    message: Text
    source: Text = ""
    """The script and line, without the address's query and fragment."""
    stack: Stack = ""


async def report_client_error(call: Call[ClientErrorBody, None]) -> None:
    body = call.body
    call.request.app[CLIENT_ERRORS].take(body.kind, body.message, body.source, body.stack)


ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route(
        "POST",
        "/client-errors",
        report_client_error,
        "Report an error of a page",
        description="For errors that nobody handled. Without a token, because signing in can fail, too.",
        body=ClientErrorBody,
        rate="report",
        answer=type(None),
        status=204,
        token=False,
    ),
)
