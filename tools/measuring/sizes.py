"""How much of the image a mask covers."""

from __future__ import annotations

import numpy as np

from tools.measuring.checks import Mask, Spacing, area_unit, checked, pixel_size
from tools.measuring.parts import find_parts
from tools.measuring.value import Value


def area(mask: Mask, spacing_mm: Spacing = None) -> Value:
    """Number of pixels times the area of one (mm2, or px2 without spacing). Holes do not count."""
    height, width = pixel_size(spacing_mm)
    return Value(
        "area",
        float(np.count_nonzero(checked(mask)) * height * width),
        area_unit(spacing_mm),
        convention="pixels in the mask × area of a pixel",
    )


def fraction_of_image(mask: Mask, spacing_mm: Spacing = None) -> Value:
    """Per cent of the pixels of the image that lie in the mask (the spacing cancels)."""
    mask = checked(mask)
    return Value(
        "fraction_of_image",
        100.0 * np.count_nonzero(mask) / mask.size,
        "percent",
        convention="pixels in the mask / pixels of the image",
    )


def count(mask: Mask, spacing_mm: Spacing = None) -> Value:
    """Number of connected parts that are large enough to count; 0 for an empty mask."""
    return Value(
        "count",
        float(len(find_parts(mask))),
        "1",
        convention="8-connected parts, too small ones ignored",
    )
