"""Routes for the operator of the server."""

import uuid

import pytest

from control_api.tokens.operator_tokens import OperatorTokens
from tests.api.conftest import SECRET
from tests.support.api import refused


@pytest.fixture
def operator():
    return OperatorTokens(SECRET).issue()


async def test_the_operator_lists_and_ends_sessions(api, operator):
    host, viewer = await api.user("Hana"), await api.user("Vera")
    session = await host.start()
    listed = await api.call("GET", "/operator/sessions", token=operator)
    assert [each["id"] for each in listed["sessions"]] == [session["id"]]
    answer = await api.call("POST", "/operator/end-session", {"session_id": session["id"]}, token=operator)
    assert answer["session"]["end_reason"] == "ended_by_operator"
    assert (await viewer.session(session["id"]))["end_reason"] == "ended_by_operator"
    with refused(410, "session_ended"):
        await viewer.join(session["id"])
    with refused(410, "session_ended"):
        await api.call("POST", "/operator/end-session", {"session_id": session["id"]}, token=operator)
    with refused(404, "session_not_found"):
        await api.call("POST", "/operator/end-session", {"session_id": str(uuid.uuid4())}, token=operator)


async def test_a_host_is_no_operator_and_the_operator_no_user(api, operator):
    host = await api.user("Hana")
    session = await host.start()
    with refused(401, "token_invalid"):
        await host.call("GET", "/operator/sessions")
    with refused(401, "token_invalid"):
        await host.call("POST", "/operator/end-session", {"session_id": session["id"]})
    with refused(401, "token_invalid"):
        await api.call("GET", "/live/active", token=operator)
