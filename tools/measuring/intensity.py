"""Statistics of the pixel values inside a mask (IBSI definitions)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from parser_model.errors import ToolError
from tools.measuring.checks import Mask, checked
from tools.measuring.value import Value
from tools.units import Unit

Image = NDArray[Any]
"""(H, W) or (H, W, S) numbers: Hounsfield units of a CT, or the stored values of the image."""


def _inside(mask: Mask, values: Image) -> NDArray[np.float64]:
    """The values in the mask as float64, whatever their type: sums of float16 would overflow."""
    mask, values = checked(mask), np.asarray(values)
    if values.shape != mask.shape:
        raise ValueError(f"values {values.shape} and mask {mask.shape} must have one shape")
    inside = values[mask].astype(np.float64)
    if not np.isfinite(inside).all():
        raise ToolError("Some pixels in the mask have no value, so their brightness is unknown.")
    return inside


def mean_intensity(mask: Mask, values: Image, unit: Unit = "1") -> Value:
    """Mean (IBSI Q4LE)."""
    return _value("mean_intensity", float(_inside(mask, values).mean()), unit, "mean, IBSI Q4LE")


def sd_intensity(mask: Mask, values: Image, unit: Unit = "1") -> Value:
    """Standard deviation: the root of the IBSI variance (ECT3), which divides by n, not n - 1."""
    number = float(_inside(mask, values).std())
    return _value("sd_intensity", number, unit, "root of the variance over n, IBSI ECT3")


def min_intensity(mask: Mask, values: Image, unit: Unit = "1") -> Value:
    """Smallest value (IBSI 1GSF)."""
    return _value("min_intensity", float(_inside(mask, values).min()), unit, "minimum, IBSI 1GSF")


def max_intensity(mask: Mask, values: Image, unit: Unit = "1") -> Value:
    """Largest value (IBSI 84IY)."""
    return _value("max_intensity", float(_inside(mask, values).max()), unit, "maximum, IBSI 84IY")


def median_intensity(mask: Mask, values: Image, unit: Unit = "1") -> Value:
    """Median (IBSI Y12H)."""
    number = float(np.median(_inside(mask, values)))
    return _value("median_intensity", number, unit, "median, IBSI Y12H")


def p10_intensity(mask: Mask, values: Image, unit: Unit = "1") -> Value:
    """10th percentile (IBSI QG58), interpolated linearly between values."""
    number = float(np.percentile(_inside(mask, values), 10))
    return _value("p10_intensity", number, unit, "10th percentile, IBSI QG58")


def p90_intensity(mask: Mask, values: Image, unit: Unit = "1") -> Value:
    """90th percentile (IBSI 8DWT), interpolated linearly between values."""
    number = float(np.percentile(_inside(mask, values), 90))
    return _value("p90_intensity", number, unit, "90th percentile, IBSI 8DWT")


def _value(name: str, number: float, unit: Unit, convention: str) -> Value:
    return Value(name, number, unit, convention=f"{convention}, of the pixels in the mask")
