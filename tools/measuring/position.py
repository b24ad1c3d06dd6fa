"""Where a mask lies in the image: centroid and bounding box.

Both are places in the picture, so they are given in pixels even where the spacing is known.
"""

from __future__ import annotations

import numpy as np

from tools.measuring.checks import Mask, Spacing, box_of, checked, length_unit, pixel_size
from tools.measuring.value import Value


def centroid(mask: Mask, spacing_mm: Spacing = None) -> Value:
    """Mean (row, column) of the pixel centres, in px; the centre of the first pixel is (0, 0).

    The frame is that of array indices (and of scikit-image): add ½ for pixel-edge coordinates.
    """
    rows, columns = np.nonzero(checked(mask))
    return Value(
        "centroid",
        (float(rows.mean()), float(columns.mean())),
        "px",
        convention="mean of the pixel centres; the centre of the first pixel is (0, 0)",
        components=("row", "column"),
    )


def bounding_box(mask: Mask, spacing_mm: Spacing = None) -> tuple[Value, Value]:
    """The smallest upright box around the mask: where it lies, and how high and wide it is.

    Returns
    -------
    tuple of two Values, both named bounding_box
        (top, left, bottom, right) in px: pixel edges, so `mask[top:bottom, left:right]` is the
        box; then (height, width) in mm, or px without spacing.
    """
    top, left, bottom, right = box_of(checked(mask))
    height, width = pixel_size(spacing_mm)
    return (
        Value(
            "bounding_box",
            (float(top), float(left), float(bottom), float(right)),
            "px",
            convention="pixel edges of the upright box; the corner of the image is (0, 0)",
            components=("top", "left", "bottom", "right"),
        ),
        Value(
            "bounding_box",
            ((bottom - top) * height, (right - left) * width),
            length_unit(spacing_mm),
            convention="extent of the upright box, edge to edge",
            components=("height", "width"),
        ),
    )
