from sfu.cc.trendline import TrendlineDetector


def run(variations: list[float]) -> list[str]:
    detector = TrendlineDetector()
    return [detector.note(variation, index * 0.02) for index, variation in enumerate(variations)]


def test_an_even_stream_is_normal():
    assert set(run([0.0] * 200)) == {"normal"}


def test_a_growing_queue_is_overuse_and_soon():
    usages = run([0.0] * 50 + [0.003] * 50)
    assert set(usages[:50]) == {"normal"}
    assert "overuse" in usages[50:75]


def test_a_draining_queue_is_underuse():
    assert "underuse" in run([0.0] * 50 + [0.003] * 30 + [-0.003] * 40)[80:]


def test_jitter_without_a_trend_is_normal():
    usages = run([0.002 if index % 2 else -0.002 for index in range(300)])
    assert "overuse" not in usages
