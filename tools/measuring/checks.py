"""What every measurement asks of its inputs, said once."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from parser_model.errors import ToolError
from tools.units import Unit

Mask = NDArray[np.bool_]
Spacing = tuple[float, float] | None
"""Size of a pixel in millimetres, (row, column): height first. None where unknown."""


def checked(mask: NDArray[np.bool_], *, empty_ok: bool = False) -> Mask:
    """`mask` as (H, W) bool.

    Raises
    ------
    ValueError
        If it is not a two-dimensional array of bool: a probability map must be thresholded first.
    ToolError
        If it has no pixel and `empty_ok` is false.
    """
    mask = np.asarray(mask)
    if mask.ndim != 2 or mask.dtype != np.bool_:
        raise ValueError(f"a mask is (H, W) bool, got {mask.shape} {mask.dtype}")
    if not empty_ok and not mask.any():
        raise ToolError("The mask is empty, so there is nothing to measure.")
    return mask


def checked_pair(first: Mask, second: Mask, *, empty_ok: bool = False) -> tuple[Mask, Mask]:
    """Two masks of the same image; ToolError if their shapes differ."""
    first, second = checked(first, empty_ok=empty_ok), checked(second, empty_ok=empty_ok)
    if first.shape != second.shape:
        raise ToolError(
            f"The two masks belong to images of different size ({first.shape[0]} × "
            f"{first.shape[1]} and {second.shape[0]} × {second.shape[1]} pixels)."
        )
    return first, second


def pixel_size(spacing_mm: Sequence[float] | None) -> tuple[float, float]:
    """Height and width of a pixel in the unit measured in: 1 × 1 px where unknown.

    Raises
    ------
    ValueError
        If the spacing is not two positive, finite numbers.
    """
    if spacing_mm is None:
        return 1.0, 1.0
    if len(spacing_mm) != 2 or not all(math.isfinite(s) and s > 0 for s in spacing_mm):
        raise ValueError(f"spacing is two positive numbers (row, column), got {spacing_mm}")
    return float(spacing_mm[0]), float(spacing_mm[1])


def length_unit(spacing_mm: Sequence[float] | None) -> Unit:
    """mm, or px where the spacing is unknown."""
    return "px" if spacing_mm is None else "mm"


def area_unit(spacing_mm: Sequence[float] | None) -> Unit:
    """mm2, or px2 where the spacing is unknown."""
    return "px2" if spacing_mm is None else "mm2"


def box_of(mask: Mask) -> tuple[int, int, int, int]:
    """(top, left, bottom, right) of a mask that is not empty, as pixel edges: half open."""
    rows = np.flatnonzero(mask.any(axis=1))
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    columns = np.flatnonzero(mask[top:bottom].any(axis=0))
    return top, int(columns[0]), bottom, int(columns[-1]) + 1
