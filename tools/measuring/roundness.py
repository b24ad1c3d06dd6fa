"""Length of the outline, and how round it is."""

from __future__ import annotations

import math

import numpy as np

from tools.measuring.checks import Mask, Spacing, box_of, checked, length_unit, pixel_size
from tools.measuring.sizes import area
from tools.measuring.slices import largest_section, on_slice
from tools.measuring.value import Value


def outline_length(mask: Mask, spacing_mm: Spacing = None) -> float:
    """Length of the outline of an (H, W) mask, holes included, in mm or px.

    Cauchy–Crofton estimate with four directions:
    L = ½ Σ_k Δθ_k d_k N_k, where N_k counts how often the lines through the pixel centres in
    direction k cross the outline, d_k is the distance between those lines and Δθ_k the angle the
    direction stands for. Both follow from the pixel size, so pixels need not be square.
    """
    top, left, bottom, right = box_of(checked(mask))
    height, width = pixel_size(spacing_mm)
    inside = np.pad(mask[top:bottom, left:right], 1).astype(bool)
    diagonal = math.atan2(height, width)
    between_diagonals = height * width / math.hypot(height, width)

    def crossings(first: Mask, second: Mask) -> int:
        return int(np.count_nonzero(first != second))

    along_rows = crossings(inside[:, 1:], inside[:, :-1])
    along_columns = crossings(inside[1:], inside[:-1])
    falling = crossings(inside[1:, 1:], inside[:-1, :-1])
    rising = crossings(inside[1:, :-1], inside[:-1, 1:])
    return 0.5 * (
        diagonal * height * along_rows
        + (math.pi / 2 - diagonal) * width * along_columns
        + math.pi / 4 * between_diagonals * (falling + rising)
    )


def perimeter(mask: Mask, spacing_mm: Spacing = None) -> Value:
    """Length of the outline, inner outlines of holes included; see `outline_length`.

    In a stack, on the slice where the mask covers most.
    """
    section, at = largest_section(checked(mask))
    return Value(
        "perimeter",
        outline_length(section, spacing_mm),
        length_unit(spacing_mm),
        convention="Cauchy-Crofton estimate with four directions, holes included" + on_slice(at),
    )


def circularity(mask: Mask, spacing_mm: Spacing = None) -> Value:
    """4π · area / perimeter², at most 1: a disc has 1, a long or ragged shape less.

    Tiny shapes would exceed 1 by pixel error alone, so 1 is the limit. In a stack, on the slice
    where the mask covers most.
    """
    section, at = largest_section(checked(mask))
    length = outline_length(section, spacing_mm)
    return Value(
        "circularity",
        min(1.0, 4 * math.pi * area(section, spacing_mm).number / length**2),
        "1",
        convention="4 pi area / perimeter², at most 1" + on_slice(at),
    )
