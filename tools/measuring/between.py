"""Measurements between two masks of one image or stack."""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy.spatial import cKDTree

from parser_model.errors import ToolError
from tools.measuring.checks import (
    Mask,
    Spacing,
    checked_pair,
    length_unit,
    pixel_size,
    voxel_size,
)
from tools.measuring.compare import quotients
from tools.measuring.outline import Points, boundary_points
from tools.measuring.position import centroid
from tools.measuring.value import Value

_SAMPLED = 1000
_ROUNDING = 1e-9


def fraction_of(
    part: Mask,
    whole: Mask,
    spacing_mm: Spacing = None,
    *,
    sizes: tuple[Value, Value] | None = None,
) -> Value:
    """Per cent of `whole` that `part` takes up: |part ∩ whole| / |whole|.

    Pixels of `part` outside `whole` do not count. See `fraction_inside` for the other question.

    Parameters
    ----------
    part, whole : (H, W) or (H, W, S) bool ndarray
    spacing_mm : optional
        Does not matter: it cancels.
    sizes : two Values, optional
        Size of part and whole with their ranges, which give the fraction its own: as much of the
        part stays inside the whole, whatever its true size.
    """
    part, whole = checked_pair(part, whole)
    both = np.count_nonzero(part & whole)
    value = Value(
        "fraction_of",
        100.0 * both / np.count_nonzero(whole),
        "percent",
        convention="pixels in both / pixels of the whole",
    )
    low, high = quotients(*sizes) if sizes else (None, None)
    if low is None or high is None or both == 0:
        return value
    inside = 100.0 * both / np.count_nonzero(part)
    return value.with_range(
        min(inside * low, value.number), min(max(inside * high, value.number), 100.0)
    )


def fraction_inside(part: Mask, whole: Mask, spacing_mm: Spacing = None) -> Value:
    """Per cent of `part` that lies inside `whole`: |part ∩ whole| / |part|."""
    part, whole = checked_pair(part, whole)
    return Value(
        "fraction_inside",
        100.0 * np.count_nonzero(part & whole) / np.count_nonzero(part),
        "percent",
        convention="pixels in both / pixels of the first",
    )


def dice(first: Mask, second: Mask, spacing_mm: Spacing = None) -> Value:
    """Dice overlap 2 |A ∩ B| / (|A| + |B|); 0 if one is empty, ToolError if both are."""
    first, second = checked_pair(first, second, empty_ok=True)
    total = np.count_nonzero(first) + np.count_nonzero(second)
    if total == 0:
        raise ToolError("Both masks are empty, so their overlap has no meaning.")
    return Value(
        "dice",
        2.0 * np.count_nonzero(first & second) / total,
        "1",
        convention="2 × pixels in both / sum of the pixels",
    )


def distance(
    first: Mask,
    second: Mask,
    spacing_mm: Spacing = None,
    *,
    between: Literal["edges", "centroids"] = "edges",
) -> Value:
    """Shortest distance between the edges of two masks, or the one between their centroids.

    Edges: the width of the gap, 0 where the masks touch or overlap. Pixels are rectangles on one
    grid, so the shortest gap joins two of their corners: exact, no distance map needed. In a
    stack the same through the slices, whose distance must be known.
    """
    first, second = checked_pair(first, second)
    scale = np.array(
        pixel_size(spacing_mm) if first.ndim == 2 else voxel_size(spacing_mm, "distance")
    )
    if between == "centroids":
        start, end = (np.array(centroid(mask).value) + 0.5 for mask in (first, second))
        convention = "between the centroids"
    else:
        convention = "shortest, edge to edge; 0 where the masks touch or overlap"
        start, end = _nearest(first, second, scale)
    return Value(
        "distance",
        float(np.linalg.norm((end - start) * scale)),
        length_unit(spacing_mm),
        convention=convention,
        endpoints=(tuple(map(float, start)), tuple(map(float, end))),
    )


def _nearest(first: Mask, second: Mask, scale: Points) -> tuple[Points, Points]:
    """The nearest places of two masks, each (axes,) in pixel-edge coordinates."""
    both = np.flatnonzero(first & second)
    if len(both):
        place = np.array(np.unravel_index(both[0], first.shape)) + 0.5
        return place, place
    here, there = boundary_points(first), boundary_points(second)
    tree = cKDTree(there * scale)
    # Some corners give a bound; few of the others lie near enough to the other mask to beat it.
    some = here[:: -(-len(here) // _SAMPLED)]
    bound = float(tree.query(some * scale)[0].min()) * (1 + _ROUNDING) + _ROUNDING
    low, high = there.min(axis=0), there.max(axis=0)
    apart = (np.maximum(low - here, 0) + np.maximum(here - high, 0)) * scale
    here = here[np.linalg.norm(apart, axis=1) <= bound]
    gaps, nearest = tree.query(here * scale, distance_upper_bound=bound)
    best = int(gaps.argmin())
    return here[best], there[nearest[best]]
