"""How far a size could be off: low-high from the probability map and the pixel limit.

UNCALIBRATED. The limits 0.3 and 0.7 are a choice, not a confidence level: how often the true size
lies within is not known until coverage is checked against reference outlines.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tools.measuring.callipers import Diameters, Segment, diameters
from tools.measuring.checks import Mask, Spacing, checked, pixel_size
from tools.measuring.parts import find_parts
from tools.measuring.roundness import outline_length

SURE, POSSIBLE = 0.7, 0.3
MASK_AT = 0.5
Probability = NDArray[Any]
"""(H, W) floating, in [0, 1], in the frame of the mask."""


class Range(NamedTuple):
    """Low and high, in the unit of the measurement."""

    low: float
    high: float


def tight_and_wide(probability: Probability, part_mask: Mask) -> tuple[Mask, Mask]:
    """The part as it would be at a strict and at a lenient threshold.

    Returns
    -------
    tight : (H, W) bool ndarray
        Pixels of the part with probability of at least 0.7; may be empty.
    wide : (H, W) bool ndarray
        The part and what is connected to it at a probability of at least 0.3, without pixels
        that already belong to other parts (0.5 or more).
    """
    mask, probability = checked(part_mask), np.asarray(probability)
    if probability.shape != mask.shape or not np.issubdtype(probability.dtype, np.floating):
        raise ValueError(f"a probability map is floating {mask.shape}, got {probability.shape}")
    allowed = mask | ((probability >= POSSIBLE) & (probability < MASK_AT))
    found, count = ndimage.label(allowed, structure=np.ones((3, 3), dtype=bool))
    reached = np.zeros(count + 1, dtype=bool)
    reached[found[mask]] = True
    wide: Mask = reached[found]
    return mask & (probability >= SURE), wide


def area_range(probability: Probability, part_mask: Mask, spacing_mm: Spacing = None) -> Range:
    """Low-high of an area, in mm2 (or px2).

    Low: the area at probability 0.7, or the area less half a pixel along the outline, whichever
    is smaller. High: the area at 0.3, or half a pixel more, whichever is larger. The measured
    area always lies within; more than the image is never claimed.
    """
    tight, wide = tight_and_wide(probability, part_mask)
    height, width = pixel_size(spacing_mm)
    pixels = np.count_nonzero(part_mask)
    rim = 0.5 * outline_length(part_mask)  # in pixels: a strip half a pixel wide
    low = max(0.0, min(float(np.count_nonzero(tight)), pixels - rim))
    high = min(float(part_mask.size), max(float(np.count_nonzero(wide)), pixels + rim))
    return Range(float(low * height * width), float(high * height * width))


def diameter_ranges(
    probability: Probability, part_mask: Mask, spacing_mm: Spacing = None
) -> tuple[Range, Range]:
    """Low-high of the longest and the perpendicular diameter of one part, in mm (or px).

    As for the area: the diameters at 0.7 (of the largest part left) and at 0.3, or half the room
    that a pixel takes in that direction less or more at each end, whichever is wider.
    """
    tight, wide = tight_and_wide(probability, part_mask)
    measured = diameters(part_mask, spacing_mm)
    left = find_parts(tight)
    smaller = diameters(left.part(1), spacing_mm) if len(left) else None
    larger = diameters(wide, spacing_mm)
    longest, across = (
        _range(which, measured, smaller, larger, pixel_size(spacing_mm)) for which in (0, 1)
    )
    return longest, across


def _range(
    which: int,
    measured: Diameters,
    smaller: Diameters | None,
    larger: Diameters,
    size: tuple[float, float],
) -> Range:
    segment = measured[which]
    pixel = _pixel_along(segment, size)
    tight = 0.0 if smaller is None else smaller[which].length
    return Range(
        max(0.0, min(tight, segment.length - pixel)),
        max(larger[which].length, segment.length + pixel),
    )


def _pixel_along(segment: Segment, size: tuple[float, float]) -> float:
    """How much room a pixel takes in the direction of a line, in mm (or px).

    Between the side of a pixel and its diagonal. The line less this is the distance between the
    centres of its end pixels, the least that pixels whose centres are inside can mean.
    """
    steps = [abs(b - a) * mm for a, b, mm in zip(segment.start, segment.end, size, strict=True)]
    return (steps[0] * size[0] + steps[1] * size[1]) / math.hypot(*steps)
