"""The outline of a mask as exact geometry: corners of pixels, straight edges, filled holes.

A pixel is a rectangle with extent, so the outline runs along pixel edges, and everything here is
in pixel-edge coordinates (pixel (r, c) covers [r, r + 1) × [c, c + 1)).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import ConvexHull

from tools.measuring.checks import Mask, box_around

Points = NDArray[np.float64]


def without_holes(mask: Mask) -> Mask:
    """(H, W) bool: the mask and all it encloses. Labelling is far faster than binary_fill_holes."""
    padded = np.pad(mask, 1)
    # 4-connected background is the complement of 8-connected foreground.
    background, _ = ndimage.label(~padded)
    filled: Mask = (background != background[0, 0])[1:-1, 1:-1]
    return filled


def edges(mask: Mask) -> tuple[Points, Points]:
    """Straight edges of the outline, holes included, each as long as it can be.

    Returns
    -------
    starts, ends : (N, 2) float64 ndarray
        (row, column); `ends` lies below or to the right of `starts`.
    """
    inside = np.pad(mask.astype(np.int8), 1)
    horizontal = _runs((inside[1:] - inside[:-1])[:, 1:-1])
    vertical = _runs((inside[:, 1:] - inside[:, :-1])[1:-1].T)
    starts = [horizontal[:, [0, 1]], vertical[:, [1, 0]]]
    ends = [horizontal[:, [0, 2]], vertical[:, [2, 0]]]
    return np.concatenate(starts).astype(float), np.concatenate(ends).astype(float)


def _runs(steps: NDArray[np.int8]) -> NDArray[np.int64]:
    """(N, 3): line, start and end of each run of equal, non-zero steps along the lines."""
    change = np.diff(np.pad(steps, ((0, 0), (1, 1))), axis=1)
    lines, places = np.nonzero(change)
    values = np.pad(steps, ((0, 0), (0, 1)))[lines, places]
    # Each change starts what the next change on the line ends; starts of zeros are dropped.
    begins = np.flatnonzero(values)
    return np.stack([lines[begins], places[begins], places[begins + 1]], axis=1)


def boundary_points(mask: Mask) -> Points:
    """(N, axes) every corner of a pixel or voxel on the surface of a mask that is not empty."""
    box = box_around(mask)
    some = every = np.pad(mask[box], 1)
    # A corner is on the surface unless the pixels around it are all inside or all outside.
    for axis in range(mask.ndim):
        before, after = [slice(None)] * mask.ndim, [slice(None)] * mask.ndim
        before[axis], after[axis] = slice(None, -1), slice(1, None)
        some = some[tuple(before)] | some[tuple(after)]
        every = every[tuple(before)] & every[tuple(after)]
    points: Points = np.argwhere(some & ~every) + np.array([float(side.start) for side in box])
    return points


def hull(mask: Mask) -> Points:
    """(N, 2) corners of the convex hull of the pixels, at least four: a pixel has extent."""
    rows = np.flatnonzero(mask.any(axis=1))
    first = mask[rows].argmax(axis=1)
    last = mask.shape[1] - mask[rows, ::-1].argmax(axis=1)
    columns = np.concatenate([first, first, last, last])
    points = np.stack([np.concatenate([rows, rows + 1, rows, rows + 1]), columns], axis=1)
    vertices: Points = points[ConvexHull(points).vertices].astype(float)
    return vertices
