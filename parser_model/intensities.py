"""Intensities to grey values, in the ways that parsers want them.

The public BiomedParse readers scale grey values in their own way: after windowing, by the extremes
of the slice and not of the window, so that one bright pixel changes all grey values. Its weights
were presumably trained on such images, so that is what they get; ``by_window=True`` scales by the
window.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Preparation = Literal["window", "slice-extremes"]
"""Grey by the window that people look at, or as the public BiomedParse readers make it."""
_PERCENTILES = (0.5, 99.5)


def scale_intensities(
    values: NDArray[np.floating],
    window: tuple[float, float] | None = None,
    *,
    by_window: bool = False,
) -> NDArray[np.float64]:
    """Intensities to grey values 0 to 255, not rounded.

    Parameters
    ----------
    values : (H, W) ndarray
    window : (float, float), optional
        Values to clip to; by default the 0.5 and 99.5 percentiles of the positive ones.
    by_window : bool
        Scale by the window itself instead of by the extremes after clipping.

    Returns
    -------
    (H, W) ndarray of float64
        Zeros where all values are equal, and for values that are no number.
    """
    values = np.nan_to_num(np.asarray(values, dtype=np.float64), posinf=np.inf, neginf=-np.inf)
    if window is None:
        positive = values[(values > 0) & np.isfinite(values)]
        if positive.size == 0:
            return np.zeros(values.shape)
        bounds = np.percentile(positive, _PERCENTILES)
        window = (float(bounds[0]), float(bounds[1]))
    clipped = values.clip(*window)
    low, high = window if by_window else (clipped.min(), clipped.max())
    if high <= low:
        return np.zeros(values.shape)
    return (clipped - low) / (high - low) * 255.0
