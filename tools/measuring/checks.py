"""What every measurement asks of its inputs, said once."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from parser_model.errors import ToolError
from tools.units import Unit

Mask = NDArray[np.bool_]
"""(H, W) of a picture or a slice, (H, W, S) of a stack: rows, columns, slices."""
Spacing = tuple[float, ...] | None
"""Size of a pixel in millimetres, (row, column): height first; of a stack's voxel (row, column,
slice), or (row, column) where the distance between slices is unknown. None where unknown."""


def checked(mask: NDArray[np.bool_], *, empty_ok: bool = False) -> Mask:
    """`mask` as (H, W) or (H, W, S) bool.

    Raises
    ------
    ValueError
        If it is another array: a probability map must be thresholded first.
    ToolError
        If it has no pixel and `empty_ok` is false.
    """
    mask = np.asarray(mask)
    if mask.ndim not in (2, 3) or mask.dtype != np.bool_:
        raise ValueError(f"a mask is (H, W) or (H, W, S) bool, got {mask.shape} {mask.dtype}")
    if not empty_ok and not mask.any():
        raise ToolError("The mask is empty, so there is nothing to measure.")
    return mask


def checked_stack(mask: NDArray[np.bool_], wanted: str) -> Mask:
    """A mask of a stack that is not empty; ToolError for a picture, naming what was wanted."""
    mask = checked(mask)
    if mask.ndim != 3:
        raise ToolError(f"The {wanted} needs a stack of slices; this is a single picture.")
    return mask


def checked_pair(first: Mask, second: Mask, *, empty_ok: bool = False) -> tuple[Mask, Mask]:
    """Two masks of the same image; ToolError if their shapes differ."""
    first, second = checked(first, empty_ok=empty_ok), checked(second, empty_ok=empty_ok)
    if first.shape != second.shape:
        sizes = (" × ".join(map(str, mask.shape)) for mask in (first, second))
        raise ToolError(
            f"The two masks belong to images of different size ({' and '.join(sizes)} pixels)."
        )
    return first, second


def pixel_size(spacing_mm: Sequence[float] | None) -> tuple[float, float]:
    """Height and width of a pixel in the unit measured in: 1 × 1 px where unknown.

    Of the spacing of a stack, the two numbers in the plane of a slice.

    Raises
    ------
    ValueError
        If the spacing is not two or three positive, finite numbers.
    """
    if spacing_mm is None:
        return 1.0, 1.0
    _check_spacing(spacing_mm)
    return float(spacing_mm[0]), float(spacing_mm[1])


def voxel_size(spacing_mm: Sequence[float] | None, wanted: str) -> tuple[float, float, float]:
    """Height, width and depth of a voxel in millimetres, (row, column, slice).

    Raises
    ------
    ToolError
        If the distance between slices is not known, naming what was wanted: a shape in space has
        no size then, not even in pixels, because voxels are seldom cubes.
    ValueError
        If the spacing is not two or three positive, finite numbers.
    """
    if spacing_mm is None:
        raise ToolError(f"The {wanted} needs the size of a voxel; the scan does not state it.")
    _check_spacing(spacing_mm)
    if len(spacing_mm) == 2:
        raise ToolError(
            f"The {wanted} needs the distance between slices; the scan does not state it."
        )
    return float(spacing_mm[0]), float(spacing_mm[1]), float(spacing_mm[2])


def _check_spacing(spacing_mm: Sequence[float]) -> None:
    if len(spacing_mm) not in (2, 3) or not all(math.isfinite(s) and s > 0 for s in spacing_mm):
        raise ValueError(
            f"spacing is two or three positive numbers (row, column[, slice]), got {spacing_mm}"
        )


def in_plane(spacing_mm: Spacing) -> tuple[float, float] | None:
    """The (row, column) spacing of a slice of a stack."""
    return None if spacing_mm is None else pixel_size(spacing_mm)


def length_unit(spacing_mm: Sequence[float] | None) -> Unit:
    """mm, or px where the spacing is unknown."""
    return "px" if spacing_mm is None else "mm"


def area_unit(spacing_mm: Sequence[float] | None) -> Unit:
    """mm2, or px2 where the spacing is unknown."""
    return "px2" if spacing_mm is None else "mm2"


def box_of(mask: Mask) -> tuple[int, int, int, int]:
    """(top, left, bottom, right) of a picture's mask that is not empty: pixel edges, half open."""
    rows = np.flatnonzero(mask.any(axis=1))
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    columns = np.flatnonzero(mask[top:bottom].any(axis=0))
    return top, int(columns[0]), bottom, int(columns[-1]) + 1


def box_around(mask: Mask) -> tuple[slice, ...]:
    """The smallest upright box around a mask of any dimension, as an index; empty for no pixel."""
    box: list[slice] = []
    for axis in range(mask.ndim):
        # Narrowing as it goes keeps the later axes cheap on a large stack.
        rest = mask[(*box,)]
        inside = np.flatnonzero(rest.any(axis=tuple(a for a in range(mask.ndim) if a != axis)))
        if not len(inside):
            return (slice(0, 0),) * mask.ndim
        box.append(slice(int(inside[0]), int(inside[-1]) + 1))
    return tuple(box)
