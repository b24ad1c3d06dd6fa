"""How far a size could be off: low-high from the probability map and the pixel limit.

A range is a share of the measured size. How wide it must be for the true size to lie inside is
learnt on reference outlines and kept with the weights (`parser_model.range_calibration`); without
that there is none. It is never narrower than what the pixels alone leave open.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import EllipsisType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from parser_model.range_calibration import RangeCalibration, family
from tools.measuring.checks import Mask
from tools.measuring.roundness import outline_length
from tools.measuring.slices import key_slice
from tools.measuring.value import Value

QUANTITY_OF: Final = {
    "area": "area",
    "fraction_of_image": "area",
    "volume": "area",
    "longest_diameter": "longest_diameter",
    "max_3d_diameter": "longest_diameter",
    "perpendicular_diameter": "perpendicular_diameter",
    "short_axis": "perpendicular_diameter",
}
"""Measurements that have a range, and the quantity it is learnt on."""
MASK_AT = 0.5
_BANDS = ((0.3, 0.7), (0.1, 0.9))  # lenient and strict thresholds
_MOST_LENIENT = 0.1
_LEAST_BAND = 0.02
_LEAST_DOUBT = 1e-3
Probability = NDArray[Any]
"""(H, W) or (H, W, S) floating, in [0, 1], in the frame of the mask."""


@dataclass(frozen=True, eq=False)
class RangeRule:
    """Gives values of one object their ranges.

    Attributes
    ----------
    calibration : RangeCalibration or None
        None: values stay without range.
    modality, target : str or None
        Of the object; what is unknown is treated as the average of all.
    presence : float or None
        How likely the object is there at all: what hardly is, is measured badly.
    """

    calibration: RangeCalibration | None
    modality: str | None = None
    target: str | None = None
    presence: float | None = None

    def ranged(
        self,
        value: Value,
        probability: Probability,
        mask: Mask,
        spacing_mm: tuple[float, ...] | None = None,
    ) -> Value:
        """A value with its range, or as it was where there is none for it.

        Parameters
        ----------
        value : Value
            Measured on `mask`.
        probability : (H, W) or (H, W, S) floating ndarray
        mask : ndarray of bool, same shape
            The whole object, or the part measured.
        spacing_mm : tuple of float or None
            Size of a pixel along each axis, as it was measured with.

        Raises
        ------
        ValueError
            If the probability map is not floating or of another shape.
        """
        if self.calibration is None or value.name not in QUANTITY_OF:
            return value
        section = _section_of(value, mask)
        probability, mask = np.asarray(probability)[section], mask[section]
        evidence = range_evidence(probability, mask, self.presence)
        quantity = QUANTITY_OF[value.name]
        pixel = pixel_share(mask) if quantity == "area" else _length_share(value, spacing_mm)
        low, high = self.calibration.models[quantity].ends(
            evidence[None], [(family(self.modality), self.target or "")], np.array([pixel])
        )
        # Nothing is larger than the image it lies in.
        most = mask.size / int(np.count_nonzero(mask))
        if quantity != "area":
            sides = zip(mask.shape, spacing_mm or (1.0,) * mask.ndim, strict=False)
            most = max(1.0, math.hypot(*(n * mm for n, mm in sides)) / value.number)
        return value.with_range(value.number * low[0], value.number * min(high[0], most))


def range_evidence(
    probability: Probability, mask: Mask, presence: float | None = None
) -> NDArray[np.float64]:
    """What tells how sure a size is, (E,), as in `RANGE_EVIDENCE`.

    For two pairs of thresholds, how much larger the object is at the lenient one than at the
    strict one; how much of the image it takes; in how many parts; how likely it is there at all,
    where that is known. Lenient includes only what is connected to the mask and belongs to no
    other part (0.5 or more). The image of a volume is its slices with the object.

    Raises
    ------
    ValueError
        If the probability map is not floating or of another shape than the mask.
    """
    probability = np.asarray(probability)
    if probability.shape != mask.shape or not np.issubdtype(probability.dtype, np.floating):
        raise ValueError(f"a probability map is floating {mask.shape}, got {probability.shape}")
    around = _neighbourhood(mask)
    near, p = mask[around], probability[around]
    touching = np.ones((3,) * mask.ndim, dtype=bool)
    found, count = ndimage.label(near | ((p >= _MOST_LENIENT) & (p < MASK_AT)), structure=touching)
    reached = np.zeros(count + 1, dtype=bool)
    reached[found[near]] = True
    reached[0] = False
    possible = reached[found]
    evidence = []
    for lenient, strict in _BANDS:
        wide = np.count_nonzero(near | (possible & (p >= lenient)))
        tight = np.count_nonzero(near & (p >= strict))
        # Half a pixel more on both sides: a logarithm where nothing is sure.
        evidence.append(math.log(math.log((wide + 0.5) / (tight + 0.5)) + _LEAST_BAND))
    slices = np.count_nonzero(near.any(axis=(0, 1))) if mask.ndim == 3 else 1
    image = mask.shape[0] * mask.shape[1] * slices
    evidence.append(math.log(np.count_nonzero(near) / image))
    evidence.append(math.log(ndimage.label(near, structure=touching)[1]))
    likely = min(max(0.5 if presence is None else presence, _LEAST_DOUBT), 1 - _LEAST_DOUBT)
    evidence.append(math.log(likely / (1 - likely)))
    return np.array(evidence)


def pixel_share(mask: Mask) -> float:
    """The pixel limit of an area or a volume: half a pixel along the outline, as a share of it."""
    planes = [mask] if mask.ndim == 2 else [mask[..., k] for k in range(mask.shape[2])]
    rim = sum(0.5 * outline_length(plane) for plane in planes if plane.any())
    return float(rim / np.count_nonzero(mask))


def _length_share(value: Value, spacing_mm: tuple[float, ...] | None) -> float:
    """The pixel limit of a length, as a share of it: half a pixel at each end.

    The room of a pixel in the direction of the line lies between its side and its diagonal; the
    line less this is the distance between the centres of its end pixels.
    """
    if value.endpoints is None:
        return max(spacing_mm or (1.0,)) / value.number
    start, end = value.endpoints
    size = spacing_mm or (1.0,) * len(start)
    # Where the distance between slices is unknown, the line lies in a slice.
    steps = [abs(b - a) * mm for a, b, mm in zip(start, end, size, strict=False)]
    room = sum(step * mm for step, mm in zip(steps, size, strict=False)) / math.hypot(*steps)
    return room / value.number


def _section_of(value: Value, mask: Mask) -> tuple[slice, ...] | tuple[EllipsisType, int]:
    """What of a mask a value was measured on: of a stack one slice, for what lies in a plane.

    Ranges are learnt on pictures, so what is measured on one slice is judged by that slice.
    """
    if mask.ndim == 2:
        return (slice(None),)
    if value.name == "area":
        return (..., key_slice(mask))
    if value.endpoints is not None and value.name != "max_3d_diameter":
        return (..., int(value.endpoints[0][2]))
    return (slice(None),)


def _neighbourhood(mask: Mask) -> tuple[slice, ...]:
    """The box of a mask with half its size more on every side, at least eight pixels."""
    boxes = []
    for axis in range(mask.ndim):
        others = tuple(a for a in range(mask.ndim) if a != axis)
        inside = np.flatnonzero(mask.any(axis=others))
        first, last = int(inside[0]), int(inside[-1]) + 1
        more = max(8, (last - first) // 2)
        boxes.append(slice(max(0, first - more), last + more))
    return tuple(boxes)
