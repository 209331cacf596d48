import pytest

from tests.sim.harness import Sfu


@pytest.fixture
def sfu() -> Sfu:
    return Sfu()
