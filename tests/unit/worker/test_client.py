"""What a worker process is started with."""

import pytest

from sfu.worker.client import _environment


@pytest.mark.parametrize(
    ("operators", "expected"),
    [
        (None, "glibc.malloc.hugetlb=1"),
        ("glibc.malloc.arena_max=1", "glibc.malloc.hugetlb=1:glibc.malloc.arena_max=1"),
        ("glibc.malloc.hugetlb=0", "glibc.malloc.hugetlb=1:glibc.malloc.hugetlb=0"),
    ],
)
def test_huge_pages_are_asked_for_unless_the_operator_says_otherwise(monkeypatch, operators, expected):
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    if operators is not None:
        monkeypatch.setenv("GLIBC_TUNABLES", operators)
    assert _environment()["GLIBC_TUNABLES"] == expected
