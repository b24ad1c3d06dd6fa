"""Which slice of a stack is measured, where a measure belongs to a plane."""

from __future__ import annotations

import numpy as np

from tools.measuring.checks import Mask, Spacing, box_around, checked_stack
from tools.measuring.value import Value


def key_slice(mask: Mask) -> int:
    """The slice (from 0) on which a mask covers most; of equals, the middle one of them."""
    box = box_around(mask)
    covered = np.count_nonzero(mask[box], axis=(0, 1))
    largest = np.flatnonzero(covered == covered.max())
    return int(box[2].start) + int(largest[(len(largest) - 1) // 2])


def largest_section(mask: Mask) -> tuple[Mask, int | None]:
    """A picture's mask as it is, a stack's on its `key_slice` (with its number)."""
    if mask.ndim == 2:
        return mask, None
    at = key_slice(mask)
    section: Mask = mask[..., at]
    return section, at


def on_slice(at: int | None) -> str:
    """For a convention: on which slice something was measured, counted from 1."""
    return "" if at is None else f", on slice {at + 1} where it covers most (slices count from 1)"


def slice_of_largest_extent(mask: Mask, spacing_mm: Spacing = None) -> Value:
    """Number of the slice on which a mask covers most, from 0; shown counting from 1."""
    return Value(
        "slice",
        float(key_slice(checked_stack(mask, "slice of largest extent"))),
        "1",
        convention="slice with most pixels in the mask; people read it counted from 1, "
        "the value counts from 0",
    )
