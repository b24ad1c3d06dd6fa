"""Labels drawn on one grid of the patient's space, looked up on the grid of a scan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_PARALLEL_MM: Final = 1e-3  # a slice whose pixels all lie this deep is parallel to the planes


@dataclass(frozen=True, eq=False)
class Planes:
    """Parallel planes of pixels in the patient.

    Attributes
    ----------
    origins : (N, 3) ndarray of float64
        Centre of the first pixel of each plane, millimetres, LPS, in any order.
    along_columns, along_rows : (3,) ndarray of float64
        Step to the next column and to the next row, perpendicular to each other.
    reach : float
        Millimetres in front of and behind a plane that belong to it: half the distance of planes.
    """

    origins: NDArray[np.float64]
    along_columns: NDArray[np.float64]
    along_rows: NDArray[np.float64]
    reach: float


def planes_of(affine: NDArray[np.float64], count: int, spacing: float) -> Planes:
    """The planes of a volume with this affine (as in `Geometry`) and distance of slices."""
    origins = affine[:3, 3] + np.arange(count)[:, np.newaxis] * affine[:3, 2]
    return Planes(origins, affine[:3, 0], affine[:3, 1], spacing / 2)


def looked_up(
    labels: NDArray[Any], planes: Planes, affine: NDArray[np.float64], shape: tuple[int, ...]
) -> tuple[NDArray[Any], bool]:
    """Labels at the nearest pixel of each pixel of a scan; 0 outside.

    Where the two grids coincide, this copies and changes nothing.

    Parameters
    ----------
    labels : (L, N, h, w) ndarray of unsigned integers
        L layers of labels on N planes.
    planes : Planes
    affine : (4, 4) ndarray of float64
        Of the scan, as in `Geometry`.
    shape : (H, W) or (H, W, S)
        Of the scan.

    Returns
    -------
    on_scan : (L, H, W, S) ndarray, S = 1 for a picture
    overlap : bool
        Whether any pixel of the scan lies on the planes at all.
    """
    height, width, depth = (*shape, 1)[:3]
    grid = _Grid(planes)
    on_scan = np.zeros((len(labels), height, width, depth), labels.dtype)
    overlap = False
    for index in range(depth):
        first = affine[:3, 3] + index * affine[:3, 2]
        plane, row, column = grid.nearest(first, affine[:3, 0], affine[:3, 1], (height, width))
        inside = (plane >= 0) & (row >= 0) & (column >= 0)
        inside &= (row < labels.shape[2]) & (column < labels.shape[3])
        if inside.any():
            overlap = True
            where = np.broadcast_to(plane, inside.shape)[inside], row[inside], column[inside]
            for layer, target in zip(labels, on_scan, strict=True):
                target[:, :, index][inside] = layer[where]
    return on_scan, overlap


class _Grid:
    """Finds the nearest pixel of planes."""

    def __init__(self, planes: Planes) -> None:
        normal = np.cross(planes.along_columns, planes.along_rows)
        self.normal = normal / np.linalg.norm(normal)
        # Dividing by the squared length turns millimetres along a step into numbers of steps.
        self.columns = planes.along_columns / (planes.along_columns @ planes.along_columns)
        self.rows = planes.along_rows / (planes.along_rows @ planes.along_rows)
        depths = planes.origins @ self.normal
        self.order = np.argsort(depths)
        self.depths = depths[self.order]
        self.first_column = planes.origins[self.order] @ self.columns
        self.first_row = planes.origins[self.order] @ self.rows
        self.reach = planes.reach * (1 + 1e-6)

    def nearest(
        self,
        first: NDArray[np.float64],
        to_column: NDArray[np.float64],
        to_row: NDArray[np.float64],
        size: tuple[int, int],
    ) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
        """Plane (-1: none), row and column nearest to each pixel (H, W) of a slice."""
        rows, columns = np.arange(size[0])[:, np.newaxis], np.arange(size[1])

        def steps(axis: NDArray[np.float64]) -> NDArray[np.float64]:
            found: NDArray[np.float64] = first @ axis + rows * (to_row @ axis)
            return found + columns * (to_column @ axis)

        depth = steps(self.normal)
        if np.ptp(depth) < _PARALLEL_MM:
            depth = depth[:1, :1]  # one plane for the whole slice
        above = np.searchsorted(self.depths, depth).clip(1, max(1, len(self.depths) - 1))
        below = above - 1
        above = np.minimum(above, len(self.depths) - 1)
        nearer = np.abs(self.depths[above] - depth) < np.abs(self.depths[below] - depth)
        place = np.where(nearer, above, below)
        far = np.abs(self.depths[place] - depth) > self.reach
        column = np.floor(steps(self.columns) - self.first_column[place] + 0.5).astype(np.intp)
        row = np.floor(steps(self.rows) - self.first_row[place] + 0.5).astype(np.intp)
        return np.where(far, -1, self.order[place]), row, column
