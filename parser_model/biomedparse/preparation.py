"""Intensities and pictures to the square 8-bit image of the public readers, and back.

They lose a pixel of padding when the difference of the sides is odd, and leave masks in the padded
frame. Here the padding is kept in a `Frame`, which brings masks back.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from parser_model.errors import RequestError
from parser_model.intensities import scale_intensities

SIZE = 1024
CT_WINDOWS: dict[str, tuple[float, float]] = {
    "abdomen": (-150, 250),
    "lung": (-1000, 1000),
    "pelvis": (-55, 200),
    "liver": (-25, 230),
    "colon": (-68, 187),
    "pancreas": (-100, 200),
}


@dataclass(frozen=True)
class Frame:
    """Where an image lies in the square it was padded to.

    Attributes
    ----------
    height, width : int
        Of the image.
    top, left : int
        Padding before it, in its own pixels.
    padded_height, padded_width : int
        Of image and padding together; unequal by one where the public readers lose a pixel.
    """

    height: int
    width: int
    top: int
    left: int
    padded_height: int
    padded_width: int

    @classmethod
    def of(cls, height: int, width: int) -> Frame:
        """The frame the public readers make for an image of a size."""
        # Half of the difference on both sides: an odd one leaves the frame a pixel short.
        top, left = max(width - height, 0) // 2, max(height - width, 0) // 2
        return cls(height, width, top, left, height + 2 * top, width + 2 * left)

    def pad(self, image: NDArray) -> NDArray:  # type: ignore[type-arg]
        """Put (H, W) or (H, W, C) in the frame, with zeros around."""
        rows = (self.top, self.padded_height - self.height - self.top)
        columns = (self.left, self.padded_width - self.width - self.left)
        return np.pad(image, (rows, columns, *((0, 0),) * (image.ndim - 2)))

    def crop(self, padded: NDArray) -> NDArray:  # type: ignore[type-arg]
        """Take (H, W, ...) out of an array of the frame's size."""
        rows = slice(self.top, self.top + self.height)
        columns = slice(self.left, self.left + self.width)
        return padded[rows, columns]

    @property
    def padded(self) -> tuple[int, int]:
        """Rows and columns with padding."""
        return self.padded_height, self.padded_width


@dataclass(frozen=True, eq=False)
class Prepared:
    """A square image for the network, and the way back.

    Attributes
    ----------
    pixels : (1024, 1024, 3) ndarray of uint8
    frame : Frame
    """

    pixels: NDArray[np.uint8]
    frame: Frame


def ct_window(site: str | None) -> tuple[float, float]:
    """Lowest and highest value in HU that the public readers show of a site.

    Raises
    ------
    RequestError
        If there is none for the site.
    """
    if site is None or site.lower() not in CT_WINDOWS:
        known = ", ".join(CT_WINDOWS)
        raise RequestError(f"There is no CT window for '{site}'; there is one for {known}.")
    return CT_WINDOWS[site.lower()]


def prepare_intensities(
    values: NDArray[np.floating],
    window: tuple[float, float] | None = None,
    *,
    by_window: bool = False,
) -> Prepared:
    """A slice of intensities as the public readers prepare it; see `scale_intensities`."""
    _check_sides(values, 2)
    frame = Frame.of(*values.shape)
    grey = _resample(frame.pad(scale_intensities(values, window, by_window=by_window)))
    return Prepared(np.repeat(grey[..., None], 3, axis=2), frame)


def prepare_picture(pixels: NDArray[np.uint8]) -> Prepared:
    """A colour picture (H, W, 3) as the public readers prepare it."""
    _check_sides(pixels, 3)
    frame = Frame.of(*pixels.shape[:2])
    padded = frame.pad(pixels)
    return Prepared(np.stack([_resample(padded[..., c]) for c in range(3)], axis=2), frame)


def _check_sides(values: NDArray, ndim: int) -> None:  # type: ignore[type-arg]
    if values.ndim != ndim or 0 in values.shape:
        raise RequestError(f"An image to prepare has {ndim} axes and pixels, not {values.shape}.")


def _resample(plane: NDArray) -> NDArray[np.uint8]:  # type: ignore[type-arg]
    """One padded plane to the network's size, by cubic splines, truncated to 8 bits."""
    from skimage.transform import resize

    resized = resize(
        plane, (SIZE, SIZE), order=3, mode="constant", preserve_range=True, anti_aliasing=True
    )
    return resized.astype(np.uint8)
