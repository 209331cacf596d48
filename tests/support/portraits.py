"""People for the pictures of README and docs: drawn, moving a little, no two alike."""

from __future__ import annotations

import colorsys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import av
import numpy as np
from numpy.typing import NDArray

FRAMES: Final = 20
"""Of a film, which begins anew where it ends."""
FPS: Final = 20

Colour = NDArray[np.float64]

_SKINS: Final = ((236, 188, 156), (168, 112, 78), (206, 150, 116), (120, 78, 54), (244, 206, 178), (190, 136, 98))
_HAIRS: Final = ((48, 30, 28), (24, 20, 20), (96, 52, 34), (168, 124, 66), (70, 66, 68))
_GOLDEN: Final = 0.618
"""Hues that far apart, as a share of the circle, never come close to one of the last few."""


class Portrait:
    """Person number `number` in a room of their own."""

    def __init__(self, number: int, width: int, height: int) -> None:
        self._width, self._height = width, height
        hue = (0.53 + number * _GOLDEN) % 1
        self._wall = _colour(hue, 0.42, 0.46), _colour(hue, 0.5, 0.2)
        self._clothes = _colour((hue + 0.45) % 1, 0.6, 0.8)
        self._skin = np.array(_SKINS[number % len(_SKINS)], dtype=float)
        self._hair = np.array(_HAIRS[number % len(_HAIRS)], dtype=float)
        self._long_hair = number % 3 == 0
        self._glasses = number % 4 == 2
        self._lamp_x = 0.82 if number % 2 else 0.17
        self._offset = number * _GOLDEN

    def frames(self) -> Iterator[NDArray[np.uint8]]:
        """The film, as arrays of shape (height, width, 3)."""
        for index in range(FRAMES):
            yield self._frame(index / FRAMES)

    def _frame(self, phase: float) -> NDArray[np.uint8]:
        turn = 2 * np.pi * (phase + self._offset)
        x, y = 640 + 14 * np.sin(turn), 6 * np.cos(turn)
        top, bottom = self._wall
        fade = np.linspace(0, 1, self._height)[:, None, None]
        picture = np.broadcast_to(top * (1 - fade) + bottom * fade, (self._height, self._width, 3)).copy()
        self._paint(picture, top * 1.3, 1280 * self._lamp_x, 216, 120, 120)
        if self._long_hair:
            self._paint(picture, self._hair, x, 400 + y, 168, 230)
        self._paint(picture, self._clothes, x, 806, 330, 330)
        self._paint(picture, self._hair, x, 268 + y, 152, 176)
        self._paint(picture, self._skin * 0.9, x, 470, 58, 100)
        self._paint(picture, self._skin, x, 310 + y, 118, 150)
        self._paint(picture, self._hair, x - 20, 196 + y, 128, 62)
        for side in (-46, 46):
            if self._glasses:
                self._paint(picture, self._hair * 0.6, x + side, 306 + y, 36, 30)
                self._paint(picture, self._skin * 1.04, x + side, 306 + y, 30, 24)
            self._paint(picture, np.array([34.0, 28, 28]), x + side, 306 + y, 11, 13)
        self._paint(picture, self._skin * 0.62, x, 384 + y, 34, 9 + 5 * abs(np.sin(2 * turn)))
        return np.clip(picture, 0, 255).astype(np.uint8)

    def _paint(
        self, picture: NDArray[np.float64], colour: Colour, x: float, y: float, width: float, height: float
    ) -> None:
        """An ellipse with a soft edge, given as it would be in 1280 by 720."""
        scale = self._width / 1280
        columns, rows = np.meshgrid(np.arange(self._width), np.arange(self._height))
        distance = ((columns - x * scale) / (width * scale)) ** 2 + ((rows - y * scale) / (height * scale)) ** 2
        mask = np.clip((1 - distance) * min(width, height) * scale / 3, 0, 1)[:, :, None]
        picture[:] = picture * (1 - mask) + colour * mask


def _colour(hue: float, saturation: float, value: float) -> Colour:
    return 255 * np.array(colorsys.hsv_to_rgb(hue, saturation, value))


def record(number: int, path: Path) -> None:
    """Write the film of a person as Chromium takes it for a camera."""
    portrait = Portrait(number, 1280, 720)
    with av.open(str(path), "w", format="mjpeg") as container:
        stream = container.add_stream("mjpeg", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuvj420p"
        for picture in portrait.frames():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
