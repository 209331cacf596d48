import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.rtp.ntp import (
    abs_send_time,
    abs_send_time_diff_seconds,
    dlsr_from_seconds,
    ntp_from_unix,
    ntp_middle,
    round_trip_seconds,
    seconds_from_dlsr,
    unix_from_ntp,
)


def test_unix_epoch_is_seventy_years_after_ntps():
    assert ntp_from_unix(0) == 2_208_988_800 << 32
    assert ntp_from_unix(0.5) & 0xFFFFFFFF == 0x80000000


@given(st.floats(0, 2_085_000_000))
def test_round_trip_is_microsecond_exact(unix_seconds):
    assert unix_from_ntp(ntp_from_unix(unix_seconds)) == pytest.approx(unix_seconds, abs=1e-6)


def test_time_past_2036_still_fits_into_64_bits():
    assert 0 <= ntp_from_unix(2_200_000_000) < 1 << 64


def test_middle_bits():
    assert ntp_middle(0x1122334455667788) == 0x33445566


@pytest.mark.parametrize(("seconds", "dlsr"), [(0, 0), (1, 65536), (0.5, 32768), (-1, 0), (1e9, 0xFFFFFFFF)])
def test_delay_is_clamped_to_its_field(seconds, dlsr):
    assert dlsr_from_seconds(seconds) == dlsr


def test_delay_reads_back():
    assert seconds_from_dlsr(dlsr_from_seconds(5.25)) == 5.25


def test_round_trip_time_of_the_rfcs_example():
    # RFC 3550 section 6.4.1, figure 2.
    assert round_trip_seconds(0xB44DB710_80000000, 0xB7052000, 0x00054000) == pytest.approx(6.125, abs=1e-4)


def test_round_trip_survives_the_wrap_of_the_middle_bits():
    assert round_trip_seconds(0x0000_0001_0000_0000, 0xFFFF8000, 0x4000) == pytest.approx(1.25)


def test_no_round_trip_without_a_report_or_with_a_negative_answer():
    assert round_trip_seconds(123 << 32, 0, 0) is None
    assert round_trip_seconds(0x0005_0000_0000, 0x0005_0000, 0x8000) is None


@pytest.mark.parametrize(
    ("seconds", "value"), [(0, 0), (1, 1 << 18), (63.5, 127 << 17), (64, 0), (65, 1 << 18), (1e6 * 64 + 0.25, 1 << 16)]
)
def test_abs_send_time_wraps_every_64_seconds(seconds, value):
    assert abs_send_time(seconds) == value


@given(st.floats(0, 1e6), st.floats(-31.9, 31.9))
def test_abs_send_time_differences_cross_the_wrap(start, distance):
    later = start + distance
    if later < 0:
        return
    assert abs_send_time_diff_seconds(abs_send_time(later), abs_send_time(start)) == pytest.approx(distance, abs=1e-5)
