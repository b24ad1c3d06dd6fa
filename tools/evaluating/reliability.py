"""Is presence to be believed? How often an object was there, drawn against what was said."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from parser_model.calibrating import Bin
from tools.evaluating.paper import FAINT, INK, PAPER, font, write_page

_SIDE, _LEFT, _TOP, _RIGHT, _BELOW = 480, 72, 84, 28, 64
_POINT, _GRID = "#0072B2", "#D8D8D8"
_SMALLEST, _LARGEST = 4, 14  # radii in pixels, of one object and of all


def write_reliability(path: Path, name: str, tenths: Sequence[Bin]) -> None:
    """Draw a reliability diagram and write it as PNG.

    A point for each tenth of presence that holds objects: to the right the mean that was said,
    upwards the share that was there; its size and the number beside it say how many objects. On
    the diagonal presence is a probability.

    Raises
    ------
    FileError
        If the file cannot be written.
    """
    page = Image.new("RGB", (_LEFT + _SIDE + _RIGHT, _TOP + _SIDE + _BELOW), PAPER)
    pen = ImageDraw.Draw(page)
    pen.text((_LEFT, 12), f"{name}: presence, each patient judged by others", INK, font(18))
    told = "the number of objects beside each point; present and absent ones count the same"
    pen.text((_LEFT, 38), told, FAINT, font(13))
    pen.text((_LEFT, 56), "parsechat: research use only, not for diagnosis", FAINT, font(13))
    _axes(pen)
    points = [
        (_place(one.said, one.there), one.objects)
        for one in tenths
        if one.said is not None and one.there is not None
    ]
    pen.line([place for place, _ in points], fill=_POINT, width=2)
    most = max((objects for _, objects in points), default=1)
    for (x, y), objects in points:
        radius = _SMALLEST + (_LARGEST - _SMALLEST) * math.sqrt(objects / most)
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=_POINT)
        _number(pen, x, y, radius, f"{objects:,}")
    write_page(path, page, "reliability diagram")


def _place(said: float, there: float) -> tuple[float, float]:
    """Pixels (x, y) of a point of the diagram."""
    return _LEFT + _SIDE * said, _TOP + _SIDE * (1 - there)


def _axes(pen: ImageDraw.ImageDraw) -> None:
    for fifth in range(6):
        value = fifth / 5
        x, y = _place(value, value)
        pen.line((x, _TOP, x, _TOP + _SIDE), fill=_GRID)
        pen.line((_LEFT, y, _LEFT + _SIDE, y), fill=_GRID)
        pen.text((x, _TOP + _SIDE + 8), f"{value:.1f}", INK, font(13), anchor="ma")
        pen.text((_LEFT - 10, y), f"{value:.1f}", INK, font(13), anchor="rm")
    pen.line((*_place(0, 0), *_place(1, 1)), fill=FAINT)
    pen.text((_LEFT + _SIDE / 2, _TOP + _SIDE + 32), "presence said", INK, font(14), anchor="ma")
    pen.text((_LEFT + 6, _TOP + 4), "was there", INK, font(14))


def _number(pen: ImageDraw.ImageDraw, x: float, y: float, radius: float, text: str) -> None:
    """Beside a point, on the side where the page has room."""
    right = x < _LEFT + 0.85 * _SIDE
    pen.text(
        (x + radius + 4 if right else x - radius - 4, y),
        text,
        INK,
        font(13),
        anchor="lm" if right else "rm",
    )
