import pytest

from signaling import h264


@pytest.mark.parametrize(
    ("profile_level_id", "expected"),
    [
        ("42e01f", "constrained-baseline"),
        ("42E034", "constrained-baseline"),
        ("42c00d", "constrained-baseline"),
        ("4d801f", "constrained-baseline"),
        ("58c01f", "constrained-baseline"),
        ("42001f", "baseline"),
        ("58801f", "baseline"),
        ("4d001f", "main"),
        ("4d401f", "main"),
        ("64001f", "high"),
        ("640c1f", "constrained-high"),
        ("f4001f", None),
        ("42e01", None),
        ("42e01fx", None),
        ("4２e01f", None),
        ("", None),
    ],
)
def test_profiles_are_told_apart_and_levels_are_not(profile_level_id, expected):
    assert h264.profile(profile_level_id) == expected


def test_the_default_is_baseline():
    assert h264.profile(h264.DEFAULT_PROFILE_LEVEL_ID) == "baseline"
