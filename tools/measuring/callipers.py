"""The geometry of callipers in a plane: the longest diameter and the one perpendicular to it.

Callipers go edge to edge: a row of ten pixels is ten pixels long, not nine. What is measured with
them, in pictures and in stacks, is in `tools.measuring.diameters`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import pdist, squareform

from tools.measuring.checks import Mask, Spacing, box_of, checked, pixel_size
from tools.measuring.outline import edges, hull, without_holes
from tools.measuring.value import Point

_MOST_CROSSINGS = 1_000_000
_SAME_LENGTH = 1e-9


class Segment(NamedTuple):
    """A measured line: its ends in pixel-edge coordinates, its length in mm (or px)."""

    start: Point
    end: Point
    length: float


class Diameters(NamedTuple):
    """The longest diameter of a part and the one perpendicular to it."""

    longest: Segment
    perpendicular: Segment


def reach(mask: Mask, spacing_mm: Spacing = None) -> tuple[float, float]:
    """The longest diameter of a part, and how long the perpendicular one can be at most.

    Quicker than `in_plane_diameters`: of the hull alone.
    """
    top, left, bottom, right = box_of(mask)
    points = hull(mask[top:bottom, left:right]) * np.array(pixel_size(spacing_mm))
    lengths = squareform(pdist(points))
    longest = float(lengths.max())
    pairs = np.argwhere(np.triu(lengths) >= longest * (1 - _SAME_LENGTH))
    along = (points[pairs[:, 1]] - points[pairs[:, 0]]) / longest
    across = points @ np.stack([-along[:, 1], along[:, 0]])
    return longest, float(np.ptp(across, axis=0).max())


def in_plane_diameters(mask: Mask, spacing_mm: Spacing = None) -> Diameters:
    """Both diameters of one part in a picture or a slice.

    The longest is the largest distance between two corners of pixels (maximal Feret diameter); in
    a crescent it leaves the part. The perpendicular is the longest straight line at right angles
    to it, in millimetres, that stays inside the outline; a hole, such as a necrotic centre, does
    not interrupt it. Where several lines are equally long, the one with the longest perpendicular
    is taken, so that turning the image changes nothing.

    Parameters
    ----------
    mask : (H, W) bool ndarray
        One connected part (`find_parts`); of several, the longest would span the gap between.
    spacing_mm : (row, column) or None
        Size of a pixel; None gives pixels.

    Raises
    ------
    ToolError
        If the mask is empty.
    """
    top, left, bottom, right = box_of(checked(mask))
    crop = mask[top:bottom, left:right]
    packed = np.packbits(crop).tobytes()
    return Diameters(
        *(
            Segment((start[0] + top, start[1] + left), (end[0] + top, end[1] + left), length)
            for start, end, length in _diameters(packed, crop.shape, pixel_size(spacing_mm))
        )
    )


@lru_cache(maxsize=16)
def _diameters(packed: bytes, shape: tuple[int, int], size: tuple[float, float]) -> Diameters:
    """`in_plane_diameters` of a mask without margins, kept: the second one comes for free."""
    bits = np.unpackbits(np.frombuffer(packed, np.uint8), count=shape[0] * shape[1])
    crop: Mask = bits.reshape(shape).astype(bool)
    scale = np.array(size)
    points = hull(crop)
    lengths = squareform(pdist(points * scale))
    longest = float(lengths.max())
    starts, ends = (ends * scale for ends in edges(without_holes(crop)))
    best: Diameters | None = None
    for first, second in np.argwhere(np.triu(lengths) >= longest * (1 - _SAME_LENGTH)):
        axis = (points[second] - points[first]) * scale / longest
        start, end, length = _longest_chord(starts, ends, axis)
        if best is None or length > best.perpendicular.length * (1 + _SAME_LENGTH):
            best = Diameters(
                Segment(_point(points[first]), _point(points[second]), longest),
                Segment(_point(start / scale), _point(end / scale), length),
            )
    assert best is not None  # a pixel has extent, so the hull has a longest side
    return best


def _longest_chord(
    starts: NDArray[np.float64], ends: NDArray[np.float64], axis: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """The longest line inside an outline at right angles to `axis`: its two ends and length.

    Between two corners, going along the axis, the length of a chord changes linearly, so the
    longest lies beside a corner. One line is drawn just before and one just after each corner;
    each crosses the outline at an even number of places, and successive pairs lie inside.
    """
    across = np.array([-axis[1], axis[0]])
    along_start, along_end = starts @ axis, ends @ axis
    side_start, side_end = starts @ across, ends @ across
    flip = along_start > along_end
    t0, t1 = np.where(flip, along_end, along_start), np.where(flip, along_start, along_end)
    s0, s1 = np.where(flip, side_end, side_start), np.where(flip, side_start, side_end)

    turns = np.unique(np.concatenate([t0, t1]))
    nudge = 1e-9 * (turns[-1] - turns[0])
    apart = np.diff(turns) > 4 * nudge  # corners on one line, but for rounding, stay one
    lines = np.sort(np.concatenate([turns[:-1][apart] + nudge, turns[1:][apart] - nudge]))
    begin, stop = np.searchsorted(lines, t0), np.searchsorted(lines, t1)
    total = int((stop - begin).sum())
    if total > _MOST_CROSSINGS:
        # A very ragged outline: fewer lines, evenly thinned, change the length by far less than
        # a pixel, since each bump spans many lines.
        lines = lines[:: -(-total // _MOST_CROSSINGS)]
        begin, stop = np.searchsorted(lines, t0), np.searchsorted(lines, t1)

    crossed = stop - begin
    edge = np.repeat(np.arange(len(t0)), crossed)
    offset = np.arange(len(edge)) - np.repeat(np.cumsum(crossed) - crossed, crossed)
    line = begin[edge] + offset
    t = lines[line]
    s = s0[edge] + (s1[edge] - s0[edge]) * (t - t0[edge]) / (t1[edge] - t0[edge])
    order = np.lexsort((s, line))
    inside = s[order].reshape(-1, 2)
    widths = inside[:, 1] - inside[:, 0]
    best = int(widths.argmax())
    middle = t[order[2 * best]] * axis
    return middle + inside[best, 0] * across, middle + inside[best, 1] * across, float(widths[best])


def _point(place: NDArray[np.float64]) -> Point:
    return float(place[0]), float(place[1])
