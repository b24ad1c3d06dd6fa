"""Where a mask lies in the image: centroid and bounding box.

Both are places in the picture, so they are given in pixels even where the spacing is known.
"""

from __future__ import annotations

import numpy as np

from tools.measuring.checks import Mask, Spacing, box_around, checked, length_unit
from tools.measuring.value import Value

_AXES = ("row", "column", "slice")
_EXTENTS = ("height", "width", "depth")


def centroid(mask: Mask, spacing_mm: Spacing = None) -> Value:
    """Mean (row, column[, slice]) of the pixel centres, in px; that of the first pixel is (0, 0).

    The frame is that of array indices (and of scikit-image): add ½ for pixel-edge coordinates.
    """
    mask = checked(mask)
    box = box_around(mask)
    places = np.nonzero(mask[box])
    return Value(
        "centroid",
        tuple(side.start + float(p.mean()) for side, p in zip(box, places, strict=True)),
        "px",
        convention=f"mean of the {'pixel' if mask.ndim == 2 else 'voxel'} centres; the centre of "
        f"the first one is ({', '.join('0' * mask.ndim)})",
        components=_AXES[: mask.ndim],
    )


def bounding_box(mask: Mask, spacing_mm: Spacing = None) -> tuple[Value, Value]:
    """The smallest upright box around the mask: where it lies, and how large it is.

    Returns
    -------
    tuple of two Values, both named bounding_box
        (top, left, bottom, right) in px: pixel edges, so `mask[top:bottom, left:right]` is the
        box; in a stack (top, left, first, bottom, right, last), the slices from `first` up to but
        without `last`. Then (height, width) in mm, or px without spacing; in a stack also the
        depth, where the distance between slices is known.
    """
    mask = checked(mask)
    box = box_around(mask)
    sizes = spacing_mm or (1.0, 1.0)
    extent = tuple((side.stop - side.start) * mm for side, mm in zip(box, sizes, strict=False))
    starts, stops = ("top", "left", "first"), ("bottom", "right", "last")
    return (
        Value(
            "bounding_box",
            (*(float(side.start) for side in box), *(float(side.stop) for side in box)),
            "px",
            convention="pixel edges of the upright box; the corner of the image is "
            f"({', '.join('0' * mask.ndim)})",
            components=(*starts[: mask.ndim], *stops[: mask.ndim]),
        ),
        Value(
            "bounding_box",
            extent,
            length_unit(spacing_mm),
            convention="extent of the upright box, edge to edge",
            components=_EXTENTS[: len(extent)],
        ),
    )
