"""Masks drawn over images: colours anyone can tell apart, outlines seen on dark and light.

Nothing here changes a mask: `write_mask_png` stores exactly the pixels that were measured.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from tools.measuring.checks import Mask, box_of, checked
from tools.measuring.value import Point

Colour = str
"""#RRGGBB, as in CSS and JSON."""
Picture = NDArray[np.uint8]

# Okabe & Ito (2008), "Color Universal Design": told apart with every common colour blindness.
# Black is left out (invisible on scans); the order puts the most different colours first.
PALETTE: Final[tuple[Colour, ...]] = (
    "#E69F00",  # orange
    "#56B4E9",  # sky blue
    "#009E73",  # bluish green
    "#F0E442",  # yellow
    "#CC79A7",  # reddish purple
    "#D55E00",  # vermilion
    "#0072B2",  # blue
)
_BLACK, _WHITE = "#000000", "#FFFFFF"
_LUMA = np.array([0.299, 0.587, 0.114])
_COMPRESSION = 2  # of PNG: a fifth of the time that 6 takes, the files a seventh larger


def colour_of(index: int) -> Colour:
    """The colour of the mask at `index`; after seven they repeat."""
    return PALETTE[index % len(PALETTE)]


def rgb(colour: Colour) -> tuple[int, int, int]:
    """``"#E69F00"`` as (230, 159, 0); ValueError for anything else."""
    if not re.fullmatch("#[0-9A-Fa-f]{6}", colour):
        raise ValueError(f"a colour is written #RRGGBB, got {colour!r}")
    red, green, blue = bytes.fromhex(colour[1:])
    return red, green, blue


def line_width(shape: Sequence[int]) -> int:
    """Pixels an outline needs to be seen when an image of this (H, W) is fitted to a screen."""
    return max(1, round(max(shape[:2]) / 300))


def draw_overlay(
    image: Picture,
    masks: Sequence[Mask],
    *,
    colours: Sequence[Colour] | None = None,
    labels: Sequence[str] | None = None,
    opacity: float = 0.45,
    lines: Sequence[tuple[Point, Point]] = (),
) -> Picture:
    """Draw masks, and measured lines, on a copy of an image.

    Each mask is tinted and outlined: a line in its colour inside its edge, so no pixel outside is
    claimed, and a thin line outside that is black where the image is light and white where it is
    dark. Later masks lie over earlier ones.

    Parameters
    ----------
    image : (H, W, 3) uint8 ndarray
    masks : sequence of (H, W) bool ndarray
        Empty ones draw nothing.
    colours : sequence of str, optional
        #RRGGBB, one a mask; `PALETTE` in order when left out.
    labels : sequence of str, optional
        One a mask, for a small legend in the upper left; no text without it.
    opacity : float
        Of the tint, from 0 (outline only) to 1.
    lines : sequence of (start, end), optional
        Diameters to draw with ticks at their ends: `Value.endpoints`, (row, column) in pixel-edge
        coordinates.

    Returns
    -------
    (H, W, 3) uint8 ndarray

    Raises
    ------
    ValueError
        If shapes or types do not fit, or the opacity is not in [0, 1].
    """
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"an image is (H, W, 3) uint8, got {image.shape} {image.dtype}")
    if not 0 <= opacity <= 1:
        raise ValueError(f"opacity lies between 0 and 1, got {opacity}")
    chosen = [colour_of(n) for n in range(len(masks))] if colours is None else list(colours)
    for given in (chosen, labels):
        if given is not None and len(given) != len(masks):
            raise ValueError(f"{len(masks)} masks need as many colours and labels")
    drawn = image.copy()
    width = line_width(image.shape)
    for mask, colour in zip(masks, chosen, strict=True):
        if checked(mask, empty_ok=True).shape != image.shape[:2]:
            raise ValueError(f"mask {mask.shape} and image {image.shape[:2]} must have one shape")
        if mask.any():
            _draw_mask(drawn, image, mask, colour, opacity, width)
    if lines or labels:
        canvas = Image.fromarray(drawn)
        pen = ImageDraw.Draw(canvas)
        for start, end in lines:
            _draw_line(pen, start, end, width)
        if labels:
            _draw_legend(pen, labels, chosen, image.shape)
        drawn = np.array(canvas)
    return drawn


def write_png(path: Path | str, array: NDArray[Any]) -> None:
    """Write (H, W) grey, (H, W, 3) RGB or (H, W, 4) RGBA uint8 as PNG, without metadata."""
    if array.dtype != np.uint8:
        raise ValueError(f"a PNG is written from uint8, got {array.dtype}")
    picture = Image.fromarray(np.ascontiguousarray(array))
    picture.save(path, format="PNG", compress_level=_COMPRESSION)


def write_mask_png(path: Path | str, mask: Mask) -> None:
    """Write a mask as 8-bit PNG, 255 inside and 0 outside: any reader gets these pixels back."""
    write_png(path, checked(mask, empty_ok=True).astype(np.uint8) * 255)


def _draw_mask(
    drawn: Picture, image: Picture, mask: Mask, colour: Colour, opacity: float, width: int
) -> None:
    """Tint and outline one mask in place; the work stays near the mask."""
    top, left, bottom, right = box_of(mask)
    near = np.s_[max(0, top - width) : bottom + width, max(0, left - width) : right + width]
    inside, target = mask[near], drawn[near]
    square = np.ones((3, 3), dtype=bool)
    # Beyond the image counts as inside, so no false outline runs along the image's border.
    core = ndimage.binary_erosion(inside, square, iterations=width, border_value=1)
    halo = ndimage.binary_dilation(inside, square, iterations=max(1, width // 2)) & ~inside
    tinted = (1 - opacity) * target[inside] + opacity * np.array(rgb(colour))
    target[inside] = np.round(tinted).astype(np.uint8)
    target[inside & ~core] = rgb(colour)
    light = image[near][halo] @ _LUMA > 127
    target[halo] = np.where(light[:, None], rgb(_BLACK), rgb(_WHITE))


def _draw_line(pen: ImageDraw.ImageDraw, start: Point, end: Point, width: int) -> None:
    """A white line with end ticks on a black one, a little wider."""
    a, b = np.array(start), np.array(end)
    length = float(np.hypot(*(b - a)))
    along = (b - a) / length if length else np.array([0.0, 1.0])
    tick = np.array([-along[1], along[0]]) * 4 * width
    strokes = [(a, b), (a - tick, a + tick), (b - tick, b + tick)]
    for colour, thickness in ((_BLACK, width + 2), (_WHITE, width)):
        for first, second in strokes:
            # Pixel-edge (row, column) to Pillow's (x, y), whose whole numbers are pixel centres.
            places = [(float(c) - 0.5, float(r) - 0.5) for r, c in (first, second)]
            pen.line(places, fill=colour, width=thickness)


def _draw_legend(
    pen: ImageDraw.ImageDraw, labels: Sequence[str], colours: Sequence[Colour], shape: Sequence[int]
) -> None:
    """A swatch and a label for each mask, on black, in the upper left."""
    size = max(10, round(max(shape[:2]) / 40))
    font = ImageFont.load_default(size)
    gap = size // 2
    right = max(pen.textlength(label, font=font) for label in labels)
    pen.rectangle((0, 0, right + size + 3 * gap, len(labels) * (size + gap) + gap), fill=_BLACK)
    for row, (label, colour) in enumerate(zip(labels, colours, strict=True)):
        y = gap + row * (size + gap)
        pen.rectangle((gap, y, gap + size, y + size), fill=colour)
        pen.text((2 * gap + size, y + size / 2), label, fill=_WHITE, font=font, anchor="lm")
