"""Any image into the network's square, and mask logits back into the image's own frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

Fit = Literal["pad", "squeeze"]


@dataclass(frozen=True)
class Placement:
    """Where an image lies in the square.

    Attributes
    ----------
    size : int
        Side of the square.
    top, left, height, width : int
        Of the image in it.
    """

    size: int
    top: int
    left: int
    height: int
    width: int

    @classmethod
    def of(cls, height: int, width: int, size: int, fit: Fit) -> Placement:
        """Place an image of height x width: in proportion and centred, or over the whole square."""
        if fit == "squeeze":
            return cls(size, 0, 0, size, size)
        longer = max(height, width)
        rows, columns = (max(1, round(side * size / longer)) for side in (height, width))
        return cls(size, (size - rows) // 2, (size - columns) // 2, rows, columns)

    def fit(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The square with the image (H, W, 3) in it and black around."""
        image = Image.fromarray(np.ascontiguousarray(pixels))
        resized = image.resize((self.width, self.height), Image.Resampling.BICUBIC)
        square = np.zeros((self.size, self.size, 3), np.uint8)
        square[self.top : self.top + self.height, self.left : self.left + self.width] = np.asarray(
            resized
        )
        return square

    def bring_back(self, logits: Tensor, shape: tuple[int, int]) -> Tensor:
        """Logits of the square in the frame of the image.

        Sampling is linear in rows and in columns, so it is a product with a matrix on each side.
        Padding is never made at the image's resolution: it could be vast.

        Parameters
        ----------
        logits : (P, h, w) Tensor
        shape : (int, int)
            Rows and columns of the image.

        Returns
        -------
        (P, H, W) Tensor of float32
        """
        rows = _sampling(shape[0], self.top / self.size, self.height / self.size, logits.shape[1])
        columns = _sampling(
            shape[1], self.left / self.size, self.width / self.size, logits.shape[2]
        )
        return rows.to(logits.device) @ logits.float() @ columns.to(logits.device).T


def _sampling(count: int, start: float, extent: float, cells: int) -> Tensor:
    """Matrix (count, cells) that samples evenly between start and start + extent of all cells."""
    centres = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    at = ((start + centres * extent) * cells - 0.5).clamp(0, cells - 1)
    below = at.floor().long()
    above = (below + 1).clamp(max=cells - 1)
    share = (at - below).float()
    matrix = torch.zeros(count, cells)
    rows = torch.arange(count)
    matrix[rows, below] = 1 - share
    matrix[rows, above] += share
    return matrix
