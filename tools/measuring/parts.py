"""The connected parts of a mask, and which of them are too small to count.

Pixels that touch along a side or at a corner belong together (8-connectivity, in a stack
26-connectivity): a thin oblique vessel would fall apart otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tools.measuring.checks import Mask, box_around, checked

SMALLEST_SHARE = 0.01
SMALLEST_PIXELS = 9
SMALL_OBJECTS_SHARE = 0.25


@dataclass(frozen=True)
class Parts:
    """The parts of a mask that count, largest first.

    Attributes
    ----------
    labels : (H, W) or (H, W, S) int32 ndarray
        0 for background and ignored parts, else the number of the part, from 1 (the largest).
    areas : (N,) int64 ndarray
        Pixels (voxels) of part 1, part 2, …
    ignored : int
        How many parts were too small to count.
    mask : ndarray of bool, same shape
        The pixels of the parts that count: what is measured.
    """

    labels: NDArray[np.int32]
    areas: NDArray[np.int64]
    ignored: int
    mask: Mask

    def __len__(self) -> int:
        return len(self.areas)

    def part(self, number: int) -> Mask:
        """Mask of one part, counted from 1; IndexError if there is no such part."""
        if not 1 <= number <= len(self):
            raise IndexError(f"there are {len(self)} parts, so no part {number}")
        mask: Mask = self.labels == number
        return mask


def smallest_area(areas: NDArray[np.int64]) -> float:
    """The number of pixels a part needs in order to count.

    The yardstick is the typical part: the size such that half of all pixels lie in parts at least
    that large. Beside one organ that is the organ, so specks do not lower it; among nuclei it is
    a nucleus, so one clump does not raise it. A part counts from 1 % of that area (a tenth of the
    diameter) and 9 pixels (3 × 3: less has no shape), but where all objects are tiny, a quarter
    of the typical one is enough. The largest part always counts.
    """
    ordered = np.sort(areas)[::-1]
    while True:
        typical = float(ordered[np.searchsorted(np.cumsum(ordered), ordered.sum() / 2)])
        limit = max(SMALLEST_SHARE * typical, min(SMALLEST_PIXELS, SMALL_OBJECTS_SHARE * typical))
        if ordered[-1] >= limit:
            return limit
        # Without the specks the typical part may be larger. Going on until nothing changes makes
        # the rule stable: all parts of a cleaned mask count.
        ordered = ordered[ordered >= limit]


def find_parts(mask: Mask, *, keep_all: bool = False) -> Parts:
    """Split a mask into connected parts.

    Parameters
    ----------
    mask : (H, W) or (H, W, S) bool ndarray
        May be empty: then there are no parts.
    keep_all : bool
        Count every part, however small (for a mask drawn or cleaned by a person).

    Returns
    -------
    Parts
        Ordered by area; equal areas in reading order of their first pixel.
    """
    mask = checked(mask, empty_ok=True)
    box = box_around(mask)
    found, count = ndimage.label(mask[box], structure=np.ones((3,) * mask.ndim, dtype=bool))
    labels = np.zeros(mask.shape, dtype=np.int32)
    if count == 0:
        return Parts(labels, np.zeros(0, np.int64), 0, mask.copy())
    areas = np.bincount(found.ravel(), minlength=count + 1)[1:].astype(np.int64)
    kept = np.ones(count, dtype=bool) if keep_all else areas >= smallest_area(areas)
    order = np.argsort(-areas, kind="stable")
    order = order[kept[order]]
    number = np.zeros(count + 1, dtype=np.int32)
    number[order + 1] = np.arange(1, len(order) + 1, dtype=np.int32)
    labels[box] = number[found]
    return Parts(labels, areas[order], int(count - len(order)), labels > 0)
