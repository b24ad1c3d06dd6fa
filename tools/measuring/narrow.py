"""Objects too narrow, at the size that the parser works at, for their outlines to be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from PIL import Image
from scipy import ndimage

from tools.measuring.checks import Mask
from tools.measuring.slices import largest_section

LEAST_WIDTH: Final = 6.0
"""In pixels of the working size: below it one pixel of error is a third of the width."""


def working_width(mask: Mask, size: Sequence[int]) -> float:
    """How wide an object is where it is widest, in pixels of the parser's working size.

    That is the diameter of the largest disc inside it, of a stack on the slice where it covers
    most: 5 for a vessel that is 5 pixels across, however long it is; 0 for what vanishes.

    Parameters
    ----------
    mask : (H, W) or (H, W, S) ndarray of bool
    size : (rows, columns)
        That every image is resampled to, as `ParserInfo.input_size`.
    """
    section, _ = largest_section(mask)
    grey = Image.fromarray(section.astype(np.uint8) * 255)
    if section.shape != tuple(size):
        grey = grey.resize((size[1], size[0]), Image.Resampling.BOX)
    seen = np.asarray(grey) >= 128
    around = ndimage.find_objects(seen.astype(np.uint8))  # the rest of the image changes nothing
    if not around:
        return 0.0
    # Each pixel as 2 x 2, so that the middle of an even and of an odd width are both a pixel's
    # edge: twice the distance to what is outside is then the width, in halves of a pixel.
    fine = np.pad(seen[around[0]].repeat(2, axis=0).repeat(2, axis=1), 1)
    return float(ndimage.distance_transform_edt(fine).max())


def narrow_warning(name: str, mask: Mask, size: Sequence[int]) -> str | None:
    """What to tell of an object that is narrower than `LEAST_WIDTH`; None if it is not."""
    if not mask.any() or (width := working_width(mask, size)) >= LEAST_WIDTH:
        return None
    return (
        f"{name}: it is under {np.floor(width) + 1:.0f} pixels wide where the parser sees it, at "
        f"{size[0]} × {size[1]}; its outline and sizes are rough."
    )
