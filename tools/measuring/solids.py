"""Size and shape of a part in space, on the mesh that IBSI lays around its voxels.

The mesh runs halfway between the centres of voxels inside and outside (marching cubes at ½), so a
solid is about half a voxel smaller on every side than its voxels; `sizes.volume` counts those.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull
from scipy.spatial.distance import cdist
from skimage.measure import marching_cubes

from tools.measuring.checks import Mask, Spacing, box_around, checked_stack, voxel_size
from tools.measuring.value import Value

_Size = tuple[float, float, float]
_BLOCK = 512


def volume_mesh(mask: Mask, spacing_mm: Spacing = None) -> Value:
    """Volume enclosed by the mesh, in mm3 (IBSI RNU0)."""
    corners = _triangles(checked_stack(mask, "mesh volume"), voxel_size(spacing_mm, "mesh volume"))
    return Value(
        "volume_mesh", _enclosed(corners), "mm3",
        convention="volume inside the mesh around the voxels (marching cubes), IBSI RNU0",
    )  # fmt: skip


def surface_area(mask: Mask, spacing_mm: Spacing = None) -> Value:
    """Area of the mesh, in mm2 (IBSI C0JK).

    On round bodies too large at any size: 9 % with cubic voxels, more with thick slices.
    """
    corners = _triangles(
        checked_stack(mask, "surface area"), voxel_size(spacing_mm, "surface area")
    )
    return Value(
        "surface_area", _area(corners), "mm2",
        convention="area of the mesh around the voxels (marching cubes), IBSI C0JK; "
        "reads high on round bodies (9 % with cubic voxels)",
    )  # fmt: skip


def sphericity(mask: Mask, spacing_mm: Spacing = None) -> Value:
    """(36 π V²)^⅓ / A of the mesh (IBSI QCFX): about 0.92 for a digitised ball, else less."""
    corners = _triangles(checked_stack(mask, "sphericity"), voxel_size(spacing_mm, "sphericity"))
    volume, area = _enclosed(corners), _area(corners)
    return Value(
        "sphericity", (36 * math.pi * volume**2) ** (1 / 3) / area, "1",
        convention="(36 pi V²)^(1/3) / A of the mesh, IBSI QCFX",
    )  # fmt: skip


def max_3d_diameter(mask: Mask, spacing_mm: Spacing = None) -> Value:
    """Largest distance between two corners of the mesh, in mm (IBSI L0JK), through the slices.

    The corners lie half a voxel beyond the centre of an outermost voxel, along one axis. Only
    the first and last voxel of each line of voxels can matter, and of these corners only those
    on the convex hull: that is what makes it quick on large masks.
    """
    mask = checked_stack(mask, "3D diameter")
    size = voxel_size(spacing_mm, "3D diameter")
    box = box_around(mask)
    points = _extremes(mask[box]) * np.array(size)
    points = points[ConvexHull(points).vertices]
    first, second = _farthest(points)
    shift = np.array([side.start for side in box]) + 0.5
    ends = [points[i] / np.array(size) + shift for i in (first, second)]
    start, end = ((float(p[0]), float(p[1]), float(p[2])) for p in ends)
    return Value(
        "max_3d_diameter",
        float(np.linalg.norm(points[first] - points[second])),
        "mm",
        convention="largest distance between two corners of the mesh, IBSI L0JK",
        endpoints=(start, end),
    )


def _triangles(mask: Mask, size: _Size) -> NDArray[np.float64]:
    """(N, 3, 3) corners of the triangles of the mesh, in mm."""
    padded = np.pad(mask[box_around(mask)], 1).astype(np.float32)
    corners, faces, _, _ = marching_cubes(padded, 0.5, spacing=size)
    triangles: NDArray[np.float64] = corners.astype(np.float64)[faces]
    return triangles


def _enclosed(corners: NDArray[np.float64]) -> float:
    """Volume inside closed triangles: the sum of signed tetrahedra to the origin."""
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    return abs(float(np.einsum("ij,ij->", a, np.cross(b, c)))) / 6


def _area(corners: NDArray[np.float64]) -> float:
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return float(np.linalg.norm(across, axis=1).sum()) / 2


def _extremes(mask: Mask) -> NDArray[np.float64]:
    """(N, 3) corners of the mesh at the ends of lines of voxels; the first centre is (0, 0, 0)."""
    found = []
    for axis in range(3):
        first = mask.argmax(axis=axis)
        last = mask.shape[axis] - 1 - np.flip(mask, axis).argmax(axis=axis)
        hit = np.argwhere(mask.any(axis=axis))
        for ends, step in ((first, -0.5), (last, 0.5)):
            found.append(np.insert(hit.astype(float), axis, ends[tuple(hit.T)] + step, axis=1))
    return np.concatenate(found)


def _farthest(points: NDArray[np.float64]) -> tuple[int, int]:
    """The two points that are farthest apart; in blocks, so that memory stays small."""
    found = (-1.0, 0, 0)
    for start in range(0, len(points), _BLOCK):
        apart = cdist(points[start : start + _BLOCK], points[start:])
        row, column = np.unravel_index(apart.argmax(), apart.shape)
        found = max(found, (float(apart[row, column]), start + int(row), start + int(column)))
    return found[1], found[2]
