"""Close-ups: squares of an image with an object, or beside it, so that absence can be learnt.

Where every image of a kind has a lesion, a network learns from whole images that the question
for one is always answered with yes.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SMALLEST: Final = 0.35
LARGEST: Final = 0.75
"""Sides of the squares, as shares of the image's."""
_MARGIN: Final = 0.02  # kept between a square and the object it is beside
_CELLS: Final = 64  # places are sought on a grid of so many


class Square(NamedTuple):
    """A part of an image, in shares of its height and width: upper left corner and side."""

    top: float
    left: float
    side: float

    def cut(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """That part of an image (H, W, 3), at least one pixel."""
        (top, bottom), (left, right) = (
            (int(start * size), max(int((start + self.side) * size), int(start * size) + 1))
            for start, size in zip((self.top, self.left), image.shape[:2], strict=True)
        )
        return np.ascontiguousarray(image[top:bottom, left:right])


def square(mask: NDArray[np.bool_], rng: np.random.Generator, *, beside: bool) -> Square | None:
    """A square beside all of an object, or one that holds some place of it.

    Parameters
    ----------
    mask : (H, W) ndarray of bool
        Not empty.
    rng : numpy.random.Generator
    beside : bool

    Returns
    -------
    Square or None
        None where no square of that size lies beside the object.
    """
    side = float(rng.uniform(SMALLEST, LARGEST))
    if not beside:
        places = np.argwhere(mask)
        row, column = (places[rng.integers(len(places))] + 0.5) / mask.shape
        top, left = (
            float(rng.uniform(max(0.0, at - side), min(at, 1 - side))) for at in (row, column)
        )
        return Square(top, left, side)
    free = _free_corners(mask, side)
    if len(free) == 0:
        return None
    top, left = free[rng.integers(len(free))] / _CELLS
    return Square(float(top), float(left), side)


def affine(part: Square) -> Tensor:
    """The map (2, 3) for `torch.nn.functional.affine_grid` that shows a square alone."""
    top, left, side = part
    return torch.tensor([[side, 0.0, 2 * left + side - 1], [0.0, side, 2 * top + side - 1]])


def _free_corners(mask: NDArray[np.bool_], side: float) -> NDArray[np.int64]:
    """Upper left cells (K, 2) of squares that hold nothing of a mask, nor come near it."""
    cells = np.floor(np.argwhere(mask) * _CELLS / mask.shape).astype(int)
    taken = np.zeros((_CELLS + 1, _CELLS + 1), int)
    taken[cells[:, 0] + 1, cells[:, 1] + 1] = 1
    sums = taken.cumsum(0).cumsum(1)
    margin, length = int(np.ceil(_MARGIN * _CELLS)), int(np.ceil(side * _CELLS))
    corners = np.arange(_CELLS - length + 1)
    first, last = (corners - margin).clip(0), (corners + length + margin).clip(max=_CELLS)
    inside = sums[np.ix_(last, last)] - sums[np.ix_(first, last)]
    inside = inside - sums[np.ix_(last, first)] + sums[np.ix_(first, first)]
    return np.argwhere(inside == 0)
