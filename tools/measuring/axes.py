"""Axes of the ellipse or ellipsoid that a part resembles (principal components, IBSI)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from parser_model.errors import ToolError
from tools.measuring.checks import (
    Mask,
    Spacing,
    box_around,
    checked,
    checked_stack,
    length_unit,
    pixel_size,
    voxel_size,
)
from tools.measuring.value import Value


def axis_lengths(mask: Mask, spacing_mm: Spacing = None) -> NDArray[np.float64]:
    """Lengths of the principal axes, 4 √λ, longest first: (2,) in a picture, (3,) in a stack.

    λ are the eigenvalues of the covariance of the pixel centres in millimetres (or px), divided
    by n - 1, as the reference values of IBSI have it. A measure of spread, not of extent: for
    a filled ellipse 4 √λ is its axis, for a solid ellipsoid 2/√5 = 0.894 of it.

    Raises
    ------
    ToolError
        Empty mask, a single pixel, or a stack whose voxel size is unknown.
    """
    mask = checked(mask)
    size = pixel_size(spacing_mm) if mask.ndim == 2 else voxel_size(spacing_mm, "axis of a shape")
    places = np.stack(np.nonzero(mask[box_around(mask)])) * np.array(size)[:, None]
    if places.shape[1] < 2:
        raise ToolError("A single pixel has no axes.")
    spread = np.linalg.eigvalsh(np.cov(places))[::-1]
    lengths: NDArray[np.float64] = 4.0 * np.sqrt(np.clip(spread, 0.0, None))
    return lengths


def major_axis(mask: Mask, spacing_mm: Spacing = None) -> Value:
    """Length of the longest principal axis (IBSI TDIC)."""
    return _length("major_axis", mask, spacing_mm, 0, "longest", "TDIC")


def minor_axis(mask: Mask, spacing_mm: Spacing = None) -> Value:
    """Length of the second principal axis (IBSI P9VJ)."""
    return _length("minor_axis", mask, spacing_mm, 1, "second", "P9VJ")


def least_axis(mask: Mask, spacing_mm: Spacing = None) -> Value:
    """Length of the shortest principal axis of a part in a stack (IBSI 7J51)."""
    checked_stack(mask, "least axis")
    return _length("least_axis", mask, spacing_mm, 2, "third", "7J51")


def elongation(mask: Mask, spacing_mm: Spacing = None) -> Value:
    """Second over longest principal axis (IBSI Q3CK): 1 is round, near 0 a line."""
    return _quotient(
        "elongation", mask, spacing_mm, 1, "second / longest principal axis, IBSI Q3CK"
    )


def flatness(mask: Mask, spacing_mm: Spacing = None) -> Value:
    """Third over longest principal axis (IBSI N17B): 1 is a ball, near 0 a sheet or a line."""
    checked_stack(mask, "flatness")
    return _quotient("flatness", mask, spacing_mm, 2, "third / longest principal axis, IBSI N17B")


def _length(name: str, mask: Mask, spacing_mm: Spacing, axis: int, which: str, code: str) -> Value:
    return Value(
        name,
        float(axis_lengths(mask, spacing_mm)[axis]),
        length_unit(spacing_mm),
        convention=f"{which} principal axis, 4 √λ of the pixel centres, IBSI {code}",
    )


def _quotient(name: str, mask: Mask, spacing_mm: Spacing, axis: int, convention: str) -> Value:
    lengths = axis_lengths(mask, spacing_mm)
    return Value(name, float(lengths[axis] / lengths[0]), "1", convention=convention)
