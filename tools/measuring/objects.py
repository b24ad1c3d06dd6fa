"""Small alike objects, such as nuclei, counted one by one where they touch.

Connected parts would count a clump as one. Here a part is cut at its necks: the distance to the
outline rises to the half width of each object in its middle and is lower in the neck between two.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import watershed

from parser_model.errors import ToolError
from tools.measuring.checks import Mask, Spacing, checked, checked_pair, pixel_size
from tools.measuring.outline import without_holes
from tools.measuring.parts import Parts, find_parts, smallest_area
from tools.measuring.value import Value

NECK_SHARE: Final = 0.15
"""Two objects are told apart where their neck is narrower by at least this share than the smaller
of them: equal discs whose centres are 1.05 radii or more apart."""
NECK_PIXELS: Final = 0.75
"""... and narrower by this many pixels on either side: less is the raggedness of a digital outline,
which makes a bar of even width look as if it had waists."""
SMALL_HOLE: Final = 0.01
"""A hole of one pixel or up to this share of its part is a gap in one object; larger ones may lie
between several (that between three touching discs is 1.7 % of them)."""
ROUND_HOLE: Final = 0.4
"""... if it fills this much of the square around it; a thin one is the line between two objects."""

_NEIGHBOURS = np.ones((3, 3), dtype=bool)


def split_touching(mask: Mask) -> NDArray[np.int32]:
    """The objects of a picture's mask, told apart where they touch.

    Watershed of the distance to the outline, joined again where a neck is too shallow
    (`NECK_SHARE`, `NECK_PIXELS`): from the widest neck on, so that the order does not matter.
    Three that overlap so far that no gap is left between them look like one from within.

    Parameters
    ----------
    mask : (H, W) bool ndarray

    Returns
    -------
    (H, W) int32 ndarray
        0 for background and what is too small to count, else the number of the object, from 1.
    """
    parts = find_parts(checked(mask, empty_ok=True))
    if len(parts) == 0:
        return parts.labels
    inside = _without_small_holes(parts)
    # To the edge of the last pixel, which is half a pixel before the centre of the next.
    depth = np.where(inside, ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1] - 0.5, 0)
    peaks = inside & (depth == ndimage.maximum_filter(depth, footprint=_NEIGHBOURS))
    markers, count = ndimage.label(peaks, structure=_NEIGHBOURS)
    basins = watershed(-depth, markers, mask=inside, connectivity=_NEIGHBOURS)
    height = np.zeros(count + 1)
    np.maximum.at(height, basins[inside], depth[inside])
    joined = _joined(basins, depth, height)
    found = np.where(parts.mask, joined[basins], 0)
    areas = np.bincount(found.ravel())
    counts = np.flatnonzero(areas[1:] >= smallest_area(areas[1:])) + 1
    number = np.zeros(len(areas), dtype=np.int32)
    number[counts] = np.arange(1, len(counts) + 1)
    labels: NDArray[np.int32] = number[found]
    return labels


def count_objects(mask: Mask, spacing_mm: Spacing = None) -> Value:
    """Number of objects of a picture, touching ones told apart; see `split_touching`."""
    return Value(
        "count",
        float(split_touching(mask).max(initial=0)),
        "1",
        convention="objects, touching ones told apart where their neck is at least "
        f"{100 * NECK_SHARE:.0f} % narrower than the smaller one; too small ones ignored",
    )


def density(mask: Mask, spacing_mm: Spacing = None, *, within: Mask | None = None) -> Value:
    """Objects per mm2 of the image, or of `within`: those whose centre lies there.

    Raises
    ------
    ToolError
        Stack, unknown pixel size, or an empty `within`.
    """
    labels = split_touching(_picture(mask))
    convention = "objects, touching ones told apart"
    return _per_area(labels, int(labels.max()), spacing_mm, within, convention)


def density_of_parts(
    mask: Mask, spacing_mm: Spacing = None, *, within: Mask | None = None
) -> Value:
    """As `density`, of connected parts: touching objects are one."""
    parts = find_parts(_picture(mask))
    return _per_area(parts.labels, len(parts), spacing_mm, within, "8-connected parts")


def mean_area(mask: Mask, spacing_mm: Spacing = None) -> Value:
    """What one object covers in the mean, touching ones told apart.

    Raises
    ------
    ToolError
        Stack.
    """
    labels = split_touching(_picture(mask, "mean area"))
    return _mean_area(labels, int(labels.max()), spacing_mm, "objects, touching ones told apart")


def mean_area_of_parts(mask: Mask, spacing_mm: Spacing = None) -> Value:
    """As `mean_area`, of connected parts: touching objects are one."""
    parts = find_parts(_picture(mask, "mean area"))
    return _mean_area(parts.labels, len(parts), spacing_mm, "8-connected parts")


def _mean_area(
    labels: NDArray[np.int32], number: int, spacing_mm: Spacing, convention: str
) -> Value:
    height, width = pixel_size(spacing_mm)
    return Value(
        "mean_area",
        np.count_nonzero(labels) * height * width / number,
        "px2" if spacing_mm is None else "mm2",
        convention=f"{convention}, too small ones ignored; their area over their number",
    )


def _per_area(
    labels: NDArray[np.int32],
    number: int,
    spacing_mm: Spacing,
    within: Mask | None,
    convention: str,
) -> Value:
    if spacing_mm is None:
        raise ToolError("A number per mm² needs the size of a pixel; tell me the scale.")
    height, width = pixel_size(spacing_mm)
    pixels, where = labels.size, "the image"
    if within is not None:
        checked_pair(labels > 0, checked(within), empty_ok=True)
        centres = ndimage.center_of_mass(labels > 0, labels, np.arange(1, number + 1))
        number = sum(bool(within[round(row), round(column)]) for row, column in centres)
        pixels, where = int(np.count_nonzero(within)), "the other mask, where their centre lies"
    return Value(
        "density",
        number / (pixels * height * width),
        "1/mm2",
        convention=f"{convention}, per mm² of {where}",
    )


def _picture(mask: Mask, wanted: str = "number per mm²") -> Mask:
    if checked(mask).ndim != 2:
        raise ToolError(f"A {wanted} needs a picture; this is a stack of slices.")
    return mask


def _without_small_holes(parts: Parts) -> Mask:
    """The parts with small, round holes filled."""
    filled = without_holes(parts.mask)
    holes, count = ndimage.label(filled & ~parts.mask)
    if count == 0:
        return parts.mask
    sizes = np.bincount(holes.ravel(), minlength=count + 1)
    around = ndimage.maximum_filter(parts.labels, footprint=_NEIGHBOURS)
    owner = np.zeros(count + 1, dtype=int)
    np.maximum.at(owner, holes[holes > 0], around[holes > 0])
    small = sizes <= np.maximum(1, SMALL_HOLE * np.concatenate([[0], parts.areas])[owner])
    longest = [max(s.stop - s.start for s in box) for box in ndimage.find_objects(holes)]
    round_ = sizes >= ROUND_HOLE * np.square([math.inf, *longest])
    inside: Mask = parts.mask | (small & round_)[holes]
    return inside


def _joined(
    basins: NDArray[np.int32], depth: NDArray[np.float64], height: NDArray[np.float64]
) -> NDArray[np.int32]:
    """New numbers of basins, (N + 1,), equal for those that are one object."""
    root = np.arange(len(height))

    def find(one: int) -> int:
        while root[one] != one:
            root[one] = root[root[one]]
            one = int(root[one])
        return one

    for first, second, neck in _necks(basins, depth):
        a, b = find(first), find(second)
        if a == b:
            continue
        lower = min(height[a], height[b])
        if lower - neck < max(NECK_SHARE * lower, NECK_PIXELS):
            high, low = (a, b) if height[a] >= height[b] else (b, a)
            root[low] = high
    tops = np.array([find(one) for one in range(len(height))])
    numbers: NDArray[np.int32] = np.unique(tops, return_inverse=True)[1].astype(np.int32)
    return numbers


def _necks(basins: NDArray[np.int32], depth: NDArray[np.float64]) -> list[tuple[int, int, float]]:
    """Pairs of basins that touch, with the half width of the neck between them, widest first."""
    found: dict[tuple[int, int], float] = {}
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        here, there = _shifted(down, right)
        one, other = basins[here], basins[there]
        meet = (one != other) & (one > 0) & (other > 0)
        low = np.minimum(one[meet], other[meet])
        high = np.maximum(one[meet], other[meet])
        width = np.minimum(depth[here][meet], depth[there][meet])
        for a, b, w in zip(low.tolist(), high.tolist(), width.tolist(), strict=True):
            if w > found.get((a, b), -1.0):
                found[a, b] = w
    return sorted(((a, b, w) for (a, b), w in found.items()), key=lambda neck: -neck[2])


def _shifted(down: int, right: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Two windows on one picture, the second moved by so many pixels."""

    def ends(step: int) -> tuple[slice, slice]:
        first = slice(max(0, -step), None if step <= 0 else -step)
        return first, slice(max(0, step), None if step >= 0 else step)

    (top, below), (left, beside) = ends(down), ends(right)
    return (top, left), (below, beside)
