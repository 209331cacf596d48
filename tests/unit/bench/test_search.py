"""The search finds the highest load that a server carries, with few attempts."""

import pytest

from bench.search import find_max


def carrying(capacity, tried):
    async def attempt(load):
        tried.append(load)
        return load <= capacity, f"result of {load}"

    return attempt


@pytest.mark.parametrize("capacity", [1, 2, 9, 10, 11, 137, 999, 1000])
@pytest.mark.parametrize("first", [1, 10, 700])
async def test_it_ends_within_the_resolution(capacity, first):
    tried = []
    found = await find_max(carrying(capacity, tried), first=first, limit=5000, resolution=0.05)
    assert found.load <= capacity
    assert found.outcome == f"result of {found.load}"
    assert capacity < found.failed_load
    assert found.failed_load - found.load <= max(1, 0.05 * found.load)
    assert len(tried) <= 18
    assert len(set(tried)) == len(tried)


async def test_the_limit_is_tried_and_not_exceeded():
    tried = []
    found = await find_max(carrying(10**9, tried), first=10, limit=100)
    assert tried == [10, 20, 40, 80, 100]
    assert (found.load, found.failed_load, found.failed_outcome) == (100, None, None)


async def test_a_server_that_carries_nothing_is_told():
    tried = []
    found = await find_max(carrying(0, tried), first=8, limit=100)
    assert (found.load, found.outcome) == (0, None)
    assert (found.failed_load, found.failed_outcome) == (1, "result of 1")
    assert tried == [8, 4, 2, 1]


async def test_an_exact_search_finds_the_exact_load():
    found = await find_max(carrying(137, []), first=10, limit=5000, resolution=0)
    assert (found.load, found.failed_load) == (137, 138)


async def test_loads_are_multiples_of_the_step():
    tried = []
    await find_max(carrying(333, tried), first=50, limit=5000, resolution=0.01, step=50)
    assert all(load % 50 == 0 for load in tried)
