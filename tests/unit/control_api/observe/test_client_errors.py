import pytest
from prometheus_client import CollectorRegistry, Counter
from structlog.testing import capture_logs

from control_api.observe.client_errors import BURST, RATE, ClientErrors
from signaling.errors import LiveError


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def errors(clock, registry):
    return ClientErrors(Counter("errors", "", ("kind",), registry=registry), clock)


def test_kinds_that_were_never_reported_are_there_as_zero(errors, registry):
    assert registry.get_sample_value("errors_total", {"kind": "media"}) == 0


def test_a_report_is_counted_and_logged_on_one_line(errors, registry):
    with capture_logs() as written:
        errors.take("rejection", "oh\nno \x1b[2J", "/ui/main.js:3", "a\nb?token=hunter2")
    (entry,) = written
    assert entry["said"] == "oh\\nno \\x1b[2J"
    assert entry["stack"] == "a\\nb?[query]"
    assert registry.get_sample_value("errors_total", {"kind": "rejection"}) == 1


def test_a_flood_is_refused_and_neither_counted_nor_logged(errors, clock, registry):
    with capture_logs() as written:
        for _ in range(int(BURST)):
            errors.take("error", "x", "", "")
        with pytest.raises(LiveError) as refused:
            errors.take("error", "x", "", "")
    assert refused.value.code == "rate_limited"
    assert 0 < refused.value.retry_after_s <= 1 / RATE
    assert len(written) == BURST
    assert registry.get_sample_value("errors_total", {"kind": "error"}) == BURST
    clock.now += 1 / RATE
    errors.take("error", "x", "", "")
