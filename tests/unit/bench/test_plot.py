"""Plots that a browser can show, with every point inside them."""

import xml.etree.ElementTree as ET

import pytest

from bench.plot import Chart, Series, nice_step, svg

SVG = "{http://www.w3.org/2000/svg}"


def chart(points, *, log_y=False):
    return Chart("Load <&> CPU", "packets/s", "%", [Series("a", points), Series("b", points[:1])], log_y=log_y)


@pytest.mark.parametrize("log_y", [False, True])
@pytest.mark.parametrize("points", [[(0, 0)], [(1e5, 30.0), (3e5, 99.0)], [(10, 0.0001), (20, 5000)], [(5, 0.0)]])
def test_points_lie_inside_the_picture(points, log_y):
    root = ET.fromstring(svg([chart(points, log_y=log_y), chart(points)]))
    width, height = float(root.get("width")), float(root.get("height"))
    circles = list(root.iter(f"{SVG}circle"))
    assert len(circles) == 2 * (len(points) + 1)
    for circle in circles:
        assert 0 < float(circle.get("cx")) < width
        assert 0 < float(circle.get("cy")) < height
    assert "Load <&> CPU" in [text.text for text in root.iter(f"{SVG}text")]


def test_more_is_further_up_and_to_the_right():
    root = ET.fromstring(svg([chart([(1, 1), (2, 3)])]))
    first, second = list(root.iter(f"{SVG}circle"))[:2]
    assert float(second.get("cx")) > float(first.get("cx"))
    assert float(second.get("cy")) < float(first.get("cy"))


@pytest.mark.parametrize(("span", "step"), [(100, 20), (5, 1), (7, 2), (300_000, 100_000), (0.9, 0.2), (0, 1)])
def test_ticks_are_round(span, step):
    assert nice_step(span) == pytest.approx(step)
