"""web/ui/stage_layout.js: where tiles go, at every count and size."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.async_api import Page

from tests.web.fake_server import FakeServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

GAP = 10
COUNTS = range(1, 26)
WIDE = [(864, 560), (1504, 850), (2100, 1150), (700, 480), (1240, 340), (600, 900)]
PHONE = [(370, 285), (300, 200), (370, 520), (340, 620)]
BOXES = [*WIDE, *PHONE]
ASPECTS = [16 / 9, 4 / 3, 9 / 19.5, 21 / 9]
SMALLEST = 108
GOOD_ENOUGH = 0.9
"""Of the largest possible area: people are rather beside than above each other."""

ARRANGE = """
async (cases) => {
  const { arrange } = await import("/ui/stage_layout.js");
  return cases.map(([width, height, count, aspect]) => arrange({ width, height }, count, aspect));
}
"""


@dataclass(frozen=True)
class Laid:
    width: float
    height: float
    count: int
    aspect: float | None
    found: dict[str, Any]

    @property
    def others(self) -> int:
        return self.count - (1 if self.found["large"] else 0)

    @property
    def tile(self) -> tuple[int, int]:
        return self.found["tile"]["width"], self.found["tile"]["height"]

    @property
    def across(self) -> float:
        """What a row of tiles takes."""
        return self.found["columns"] * (self.tile[0] + GAP) - GAP

    @property
    def down(self) -> float:
        return self.found["rows"] * (self.tile[1] + GAP) - GAP

    @property
    def covered(self) -> float:
        large = self.found["large"]
        area = self.others * self.tile[0] * self.tile[1] + (large["width"] * large["height"] if large else 0)
        return area / (self.width * self.height)


async def lay(page: Page, server: FakeServer, cases: list[tuple[float, float, int, float | None]]) -> list[Laid]:
    if page.url == "about:blank":
        await page.goto(f"{server.url}/icon.svg")
    found = await page.evaluate(ARRANGE, [list(case) for case in cases])
    return [Laid(*case, arrangement) for case, arrangement in zip(cases, found, strict=True)]


async def grids(page: Page, server: FakeServer, boxes: list[tuple[int, int]]) -> list[Laid]:
    return await lay(page, server, [(*box, count, None) for box in boxes for count in COUNTS])


async def focused(page: Page, server: FakeServer, boxes: list[tuple[int, int]]) -> list[Laid]:
    cases = itertools.product(boxes, COUNTS, ASPECTS)
    return await lay(page, server, [(*box, count, aspect) for box, count, aspect in cases])


def narrowest_of(laid: Laid) -> float:
    """The least width to height of a tile."""
    if laid.count == 1:
        return 4 / 3
    return 0.9 if laid.width < 560 else 1.1 if laid.count == 2 else 4 / 3


async def test_everybody_has_a_place_and_nobody_is_cut_off(page: Page, server: FakeServer) -> None:
    for laid in [*await grids(page, server, BOXES), *await focused(page, server, BOXES)]:
        assert laid.found["rows"] == math.ceil(laid.others / laid.found["columns"]), laid
        taken = {"beside": laid.across + GAP, "below": 0, "grid": 0}[laid.found["mode"]]
        large = laid.found["large"]
        if large:
            assert large["width"] <= laid.width - taken, laid
            assert 0 < large["height"] <= laid.height, laid
        assert laid.across <= laid.width, laid
        if not laid.found["scrolls"]:
            assert laid.found["height"] <= laid.height, laid


async def test_tiles_have_the_shape_of_a_camera(page: Page, server: FakeServer) -> None:
    """At most a quarter of a picture is cut off; of two side by side, and on a phone, which is narrow, up to half."""
    for laid in await grids(page, server, BOXES):
        narrowest = narrowest_of(laid)
        assert narrowest - 0.02 < laid.tile[0] / laid.tile[1] < 16 / 9 + 0.02, laid


async def test_no_other_number_of_columns_makes_tiles_much_larger(page: Page, server: FakeServer) -> None:
    for laid in await grids(page, server, BOXES):
        if laid.found["scrolls"]:
            continue
        narrowest = narrowest_of(laid)
        area = laid.tile[0] * laid.tile[1]
        for columns in range(1, laid.count + 1):
            width = (laid.width - GAP * (columns - 1)) / columns
            rows = math.ceil(laid.count / columns)
            height = (laid.height - GAP * (rows - 1)) / rows
            if width > 0 and height > 0:
                other = math.floor(min(width, height * 16 / 9)) * math.floor(min(height, width / narrowest))
                assert other <= area / GOOD_ENOUGH, (columns, laid)


async def test_one_more_person_never_makes_tiles_larger(page: Page, server: FakeServer) -> None:
    for box in BOXES:
        # Somebody alone on a phone is shown as their camera does.
        still = [laid for laid in await grids(page, server, [box]) if not laid.found["scrolls"] and laid.count > 1]
        areas = [laid.tile[0] * laid.tile[1] for laid in still]
        assert all(later <= area / GOOD_ENOUGH for area, later in itertools.pairwise(areas)), box
        assert areas[-1] < areas[0]


async def test_more_space_never_makes_tiles_smaller(page: Page, server: FakeServer) -> None:
    for count in COUNTS:
        laid = await lay(page, server, [(width, width * 0.6, count, None) for width in range(600, 2400, 40)])
        areas = [one.tile[0] * one.tile[1] for one in laid if not one.found["scrolls"]]
        assert all(area * GOOD_ENOUGH <= later for area, later in itertools.pairwise(areas)), count


async def test_a_laptop_s_stage_is_used_well(page: Page, server: FakeServer) -> None:
    shares = {1: 0.85, 2: 0.5, 3: 0.65, 4: 0.85, 5: 0.6, 9: 0.85, 16: 0.85, 21: 0.65}
    for laid in await grids(page, server, [(864, 560), (1504, 850)]):
        assert not laid.found["scrolls"], laid
        assert laid.covered > shares.get(laid.count, 0.5), laid


async def test_two_are_beside_each_other(page: Page, server: FakeServer) -> None:
    for laid in await lay(page, server, [(864, 560, 2, None), (864, 590, 2, None), (370, 285, 2, None)]):
        assert laid.found["columns"] == 2


async def test_a_phone_fills_its_width_and_scrolls_when_there_are_many(page: Page, server: FakeServer) -> None:
    laid = {one.count: one for one in await grids(page, server, [(370, 285)])}
    assert all(laid[count].across > 345 for count in (1, 2, 3, 4, 16, 21))
    assert [laid[count].found["columns"] for count in (1, 2, 3, 4, 16, 21)] == [1, 2, 2, 2, 2, 2]
    assert not laid[9].found["scrolls"]
    assert laid[21].found["scrolls"]
    assert laid[21].found["height"] > 285


async def test_nobody_is_too_small_to_be_recognised(page: Page, server: FakeServer) -> None:
    for laid in [*await grids(page, server, BOXES), *await focused(page, server, BOXES)]:
        assert laid.tile[0] >= SMALLEST or laid.others == 0 or laid.count == 1, laid


async def test_the_large_tile_is_the_largest_and_keeps_its_shape(page: Page, server: FakeServer) -> None:
    for laid in await focused(page, server, BOXES):
        large = laid.found["large"]
        if laid.count == 1:
            assert large is None
            width, height = laid.tile
        else:
            width, height = large["width"], large["height"]
            # An upright picture in a flat stage is narrow whatever is done.
            assert width >= laid.tile[0] or height >= laid.tile[1], laid
        assert laid.aspect
        assert abs(width - height * laid.aspect) <= max(1, laid.aspect), laid


async def test_others_are_beside_a_shared_screen_and_below_it_on_a_phone(page: Page, server: FakeServer) -> None:
    modes = {(864, 560): "beside", (1504, 850): "beside", (370, 285): "below", (370, 520): "below"}
    for laid in await focused(page, server, list(modes)):
        if laid.count == 1 or laid.aspect != 16 / 9:
            continue
        if laid.count <= 9:
            assert laid.found["mode"] == modes[(int(laid.width), int(laid.height))]
        large = laid.found["large"]
        assert large["width"] * large["height"] > 0.3 * laid.width * laid.height, laid


async def test_many_are_below_a_screen_rather_than_scrolled_off_beside_it(page: Page, server: FakeServer) -> None:
    (laid,) = await lay(page, server, [(864, 588, 22, 16 / 9)])
    assert laid.found["mode"] == "below"
    assert not laid.found["scrolls"]


async def test_two_are_side_by_side_on_a_laptop(page: Page, server: FakeServer) -> None:
    boxes = [(1024, 745), (880, 640), (1320, 700)]
    for laid in await lay(page, server, [(*box, 2, None) for box in boxes]):
        assert laid.found["columns"] == 2, laid
