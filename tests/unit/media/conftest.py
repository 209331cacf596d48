"""Hypothesis measures each example against a deadline; on a busy machine that fails tests for being slow, not wrong."""

import pytest
from hypothesis import settings

from tests.sim.harness import Sfu

settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")


@pytest.fixture
def sfu() -> Sfu:
    return Sfu()
