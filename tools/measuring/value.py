"""What measuring gives: a number with its unit, its range and the convention behind it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from parser_model.errors import ToolError
from tools.units import Unit, display_unit, format_value
from tools.units import convert as convert_number

Point = tuple[float, ...]
"""(row, column[, slice]) in pixel-edge coordinates: pixel (r, c) covers [r, r + 1) × [c, c + 1).
The middle of slice k is at k + ½."""
_ROUNDING = 1e-12
_WIDE: Final = 3.0
_SMALLEST_PRESENCE: Final = 0.001  # below it more digits tell a reader nothing


@dataclass(frozen=True)
class Value:
    """One measurement, not yet filed in a case.

    Attributes
    ----------
    name : str
        As in the list of measurement names, e.g. ``"area"``.
    value : float or tuple of float
        A tuple only for positions (centroid, bounding_box); `components` then names its entries.
    unit : Unit
        px and px2 where the spacing is unknown.
    low, high : float or None
        Range, in `unit`; both or neither.
    part : int or None
        The connected part measured, from 1 (the largest); None for the whole mask.
    convention : str
        How it was measured, in one line.
    components : tuple of str
        Names of the entries of a tuple, e.g. ``("row", "column")``.
    endpoints : tuple of two Points or None
        The line measured, for the overlay, in pixel-edge coordinates of the image; in a stack
        with the slice, which is the same for both ends of an in-plane diameter.
    """

    name: str
    value: float | tuple[float, ...]
    unit: Unit
    low: float | None = None
    high: float | None = None
    part: int | None = None
    convention: str = ""
    components: tuple[str, ...] = ()
    endpoints: tuple[Point, Point] | None = None

    def __post_init__(self) -> None:
        # NumPy's floats are Python floats to a reader, but not to JSON and the agent's memory.
        plain = (
            tuple(map(float, self.value)) if isinstance(self.value, tuple) else float(self.value)
        )
        object.__setattr__(self, "value", plain)
        for end in ("low", "high"):
            if (given := getattr(self, end)) is not None:
                object.__setattr__(self, end, float(given))
        numbers = self.value if isinstance(self.value, tuple) else (self.value,)
        if not all(math.isfinite(number) for number in numbers):
            raise ValueError(f"{self.name} must be finite, got {self.value}")
        if isinstance(self.value, tuple) and len(self.components) != len(self.value):
            raise ValueError(f"{self.name} has {len(numbers)} numbers, each needs a component name")
        if (self.low is None) != (self.high is None):
            raise ValueError(f"{self.name} needs both ends of its range, or neither")
        if self.low is not None and self.high is not None:
            number, slack = self.number, _ROUNDING * abs(self.number)
            if not self.low - slack <= number <= self.high + slack:
                raise ValueError(f"{self.name} {self.value} lies outside {self.low}-{self.high}")
            # Ends that were calculated may miss the value by a rounding error.
            object.__setattr__(self, "low", min(self.low, number))
            object.__setattr__(self, "high", max(self.high, number))

    @property
    def number(self) -> float:
        """The value as one number; ToolError for a position, which is several."""
        if isinstance(self.value, tuple):
            raise ToolError(f"{self.name} is {len(self.value)} numbers, not one.")
        return self.value

    def to(self, unit: Unit) -> Value:
        """The same measurement in another unit; ToolError where that is impossible."""
        if unit == self.unit:
            return self
        value: float | tuple[float, ...]
        if isinstance(self.value, tuple):
            value = tuple(convert_number(number, self.unit, unit) for number in self.value)
        else:
            value = convert_number(self.value, self.unit, unit)
        low, high = (
            None if end is None else convert_number(end, self.unit, unit)
            for end in (self.low, self.high)
        )
        return replace(self, value=value, unit=unit, low=low, high=high)

    @property
    def very_uncertain(self) -> bool:
        """Whether the upper end of the range is more than three times the lower one."""
        return self.low is not None and self.high is not None and self.high > _WIDE * self.low >= 0

    def with_range(self, low: float, high: float) -> Value:
        """The same measurement with a range, in its own unit."""
        return replace(self, low=low, high=high)

    def text(self, unit: Unit | None = None) -> str:
        """As a person reads it, in `unit` or in the one a radiologist would choose.

        A slice is counted from 1.
        """
        if self.name == "slice":
            return format_value(self.number + 1, self.unit)  # people count slices from 1
        if self.name == "presence" and self.number < _SMALLEST_PRESENCE:
            return f"below {_SMALLEST_PRESENCE}"
        largest = max(map(abs, self.value)) if isinstance(self.value, tuple) else self.value
        shown = self.to(unit or display_unit(largest, self.unit))
        written = format_value(shown.value, shown.unit, shown.low, shown.high)
        return f"{written[:-1]}, very uncertain)" if self.very_uncertain else written

    def as_dict(self) -> dict[str, Any]:
        """For JSON; `components` and `endpoints` are there only where they say something."""
        entry: dict[str, Any] = {
            "part": self.part,
            "name": self.name,
            "value": list(self.value) if isinstance(self.value, tuple) else self.value,
            "unit": self.unit,
            "low": self.low,
            "high": self.high,
            "convention": self.convention,
        }
        if self.components:
            entry["components"] = list(self.components)
        if self.endpoints is not None:
            entry["endpoints"] = [list(point) for point in self.endpoints]
        return entry


def joined(values: Sequence[Value] | Value) -> tuple[Value, ...]:
    """One or several values as a tuple."""
    return (values,) if isinstance(values, Value) else tuple(values)
