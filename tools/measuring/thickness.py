"""How thick a layer or a wall is."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from scipy import ndimage
from skimage.measure import euler_number, find_contours

from parser_model.errors import ToolError
from tools.measuring.checks import Mask, Spacing, box_of, checked, length_unit, pixel_size
from tools.measuring.roundness import outline_length
from tools.measuring.slices import largest_section, on_slice
from tools.measuring.value import Value

_SMOOTHING: Final = 1.5
"""In pixels, at most: steps of a digital outline are evened out before it is followed, ..."""
_OF_THICKNESS: Final = 1 / 6
"""... but by no more of the thickness than this, so that both sides stay where they are."""

_CUT_ACROSS: Final = 3.0
"""Thicknesses of frame that one cut across may take; more is a side along the frame, not an end."""


def thickness(mask: Mask, spacing_mm: Spacing = None) -> Value:
    """Mean thickness of a layer or a wall: its area over half the length of its outline.

    Of a ring (the wall of a ventricle) that is the outer less the inner radius, of a layer that
    runs through the whole image (the retina) its height at right angles to its course. The frame
    of the image is not outline. An end of a strip adds its own width to the outline, which is
    taken off: with e ends, thickness t solves e t² - outline t + 2 area = 0. In a stack, on the
    slice where the mask covers most.

    Raises
    ------
    ToolError
        If the object is no layer or wall: too round, or cut by the image on all sides; or if the
        image cuts it lengthwise.
    """
    section, at = largest_section(checked(mask))
    height, width = pixel_size(spacing_mm)
    area = height * width * int(np.count_nonzero(section))
    outline = _outline_in_view(section, height, width)
    ends = _free_ends(section)
    root = outline**2 - 8 * ends * area
    if outline == 0 or root < 0:
        raise ToolError(
            "It is neither a layer nor a wall, so it has no thickness; ask for its diameters."
        )
    found = (outline - math.sqrt(root)) / (2 * ends) if ends else 2 * area / outline
    on_frame = width * np.count_nonzero(section[[0, -1]])
    on_frame += height * np.count_nonzero(section[:, [0, -1]])
    if on_frame > _CUT_ACROSS * max(1, _cuts(section)) * found:
        raise ToolError(
            "The edge of the image cuts it lengthwise, so its thickness is not in view."
        )
    return Value(
        "thickness",
        found,
        length_unit(spacing_mm),
        convention="area over half the length of the outline, ends of a strip taken off"
        + on_slice(at),
    )


def _outline_in_view(mask: Mask, height: float, width: float) -> float:
    """Length of the outline inside the frame of the image, steps of pixels evened out."""
    pixels = int(np.count_nonzero(mask))
    rough = 2 * pixels / outline_length(mask)
    smooth = min(_SMOOTHING, _OF_THICKNESS * rough)
    top, left, bottom, right = box_of(mask)
    margin = math.ceil(4 * _SMOOTHING) + 1
    around = mask[max(0, top - margin) : bottom + margin, max(0, left - margin) : right + margin]
    soft = ndimage.gaussian_filter(around.astype(np.float64), smooth, mode="nearest")
    length = 0.0
    for line in find_contours(soft, 0.5):
        steps = np.diff(line, axis=0) * (height, width)
        length += float(np.hypot(*steps.T).sum())
        if not np.array_equal(line[0], line[-1]):
            # Lines end at the centres of the last pixels, half a pixel before the frame.
            length += _to_frame(steps[0], height, width) + _to_frame(steps[-1], height, width)
    return length


def _to_frame(step: np.ndarray, height: float, width: float) -> float:
    """Half a pixel, along the direction in which a line leaves the image."""
    return 0.5 * float(np.hypot(*step)) / max(abs(step[0]) / height, abs(step[1]) / width, 1e-9)


def _free_ends(mask: Mask) -> int:
    """How many ends of a strip lie in view: none of a ring, two less where the frame cuts it."""
    if euler_number(mask, connectivity=2) < int(ndimage.label(mask, np.ones((3, 3)))[1]):
        return 0
    return max(0, 2 - _cuts(mask))


def _cuts(mask: Mask) -> int:
    """How many times an object runs into the frame of the image."""
    frame = np.concatenate([mask[0], mask[1:, -1], mask[-1, -2::-1], mask[-2:0:-1, 0]])
    return int(np.count_nonzero(frame & ~np.roll(frame, 1)))
