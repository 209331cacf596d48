import json

import pytest

from control_api.http.errors import STATUS, error_response
from signaling import messages
from signaling.errors import LiveError


@pytest.mark.parametrize(("after", "header"), [(None, "1"), (0.02, "1"), (1.0, "1"), (1.2, "2"), (59.5, "60")])
def test_a_rate_limit_says_when_it_passes(after, header):
    response = error_response(LiveError("rate_limited", retry_after_s=after))
    assert response.status == 429
    assert response.headers["Retry-After"] == header


@pytest.mark.parametrize("code", sorted(STATUS))
def test_only_what_passes_by_itself_says_when_to_try_again(code):
    passes = STATUS[code] in (429, 503)
    assert ("Retry-After" in error_response(LiveError(code)).headers) == passes
    assert ("retry_after_s" in messages.error(LiveError(code), None)) == passes


def test_the_websocket_says_it_in_seconds():
    message = messages.error(LiveError("rate_limited", retry_after_s=0.25), "7")
    assert json.loads(messages.encode(message)) == {
        "type": "error",
        "id": "7",
        "code": "rate_limited",
        "message": "Too much at once; wait a little.",
        "retry_after_s": 0.25,
    }
