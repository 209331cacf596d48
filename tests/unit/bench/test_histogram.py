"""Percentiles from buckets agree with those of the times themselves."""

import json
import random

import pytest

from bench.histogram import Histogram


def filled(times):
    histogram = Histogram()
    for time in times:
        histogram.add(time)
    return histogram


@pytest.mark.parametrize("percent", [1, 50, 90, 99, 99.9, 100])
def test_percentiles_are_right_within_a_per_cent(percent):
    chance = random.Random(5)
    times = sorted(chance.lognormvariate(-6, 2) for _ in range(5000))
    rank = max(1, -(-int(percent * 5000) // 100))
    assert filled(times).percentile(percent) == pytest.approx(times[rank - 1], rel=0.01)


def test_the_largest_is_exact_and_bounds_every_percentile():
    histogram = filled([0.001, 0.0123456])
    assert histogram.max_s == 0.0123456
    assert histogram.percentile(100) == pytest.approx(0.0123456, rel=0.01)
    assert histogram.percentile(100) <= histogram.max_s


def test_one_outlier_in_a_thousand_is_not_the_99th_percentile():
    histogram = filled([0.001] * 999 + [5.0])
    assert histogram.percentile(99) == pytest.approx(0.001, rel=0.01)
    assert histogram.percentile(100) == pytest.approx(5.0, rel=0.01)


def test_nothing_has_no_percentile():
    assert Histogram().percentile(50) is None


@pytest.mark.parametrize("time", [-1.0, 0.0, 1e-9, 1e9])
def test_times_out_of_range_are_kept_at_its_ends(time):
    assert filled([time]).count == 1


def test_merged_is_as_if_counted_together():
    first, second = [0.001 * n for n in range(1, 100)], [0.01 * n for n in range(1, 100)]
    merged = filled(first)
    merged.merge(Histogram.from_json(json.loads(json.dumps(filled(second).to_json()))))
    together = filled(first + second)
    assert (merged.counts == together.counts).all()
    assert merged.max_s == together.max_s
