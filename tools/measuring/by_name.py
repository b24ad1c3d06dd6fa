"""Measure a mask by the names of what is wanted: parts, totals and ranges put together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from parser_model.errors import ToolError
from tools.measuring.checks import Mask, Spacing, checked
from tools.measuring.intensity import Image
from tools.measuring.parts import find_parts
from tools.measuring.ranges import Probability, RangeRule
from tools.measuring.registry import INTENSITIES, SHAPES
from tools.measuring.value import Value, joined
from tools.units import Unit


def measure(
    name: str,
    mask: Mask,
    spacing_mm: Spacing = None,
    *,
    values: Image | None = None,
    value_unit: Unit = "1",
    probability: Probability | None = None,
    ranges: RangeRule | None = None,
    part: int | None = None,
) -> tuple[Value, ...]:
    """Measure one thing on exactly the pixels of `mask`.

    Parameters
    ----------
    name : str
        A key of `SHAPES` or `INTENSITIES`.
    mask : (H, W) bool ndarray
        The whole object, or one part of it (for diameters, always one part).
    spacing_mm : (row, column) or None
        Size of a pixel; None gives px and px2.
    values : (H, W) ndarray, optional
        What intensities are measured on, in `value_unit` (HU for CT, else 1).
    probability : (H, W) floating ndarray, optional
    ranges : RangeRule, optional
        Both together give sizes their low-high; see `tools.measuring.ranges`.
    part : int, optional
        The number of the part that `mask` is, to be noted in the result.

    Returns
    -------
    tuple of Values
        One, except for bounding_box, which gives two.

    Raises
    ------
    ToolError
        If the mask is empty (a count is then 0), the name is unknown, or an intensity is asked
        for without `values`.
    """
    if name in INTENSITIES:
        if values is None:
            raise ToolError(f"The {name.replace('_', ' ')} needs the pixel values of the scan.")
        found = joined(INTENSITIES[name](mask, values, value_unit))
    elif name in SHAPES:
        found = joined(SHAPES[name].function(mask, spacing_mm))
        if probability is not None and ranges is not None:
            found = tuple(ranges.ranged(v, probability, mask, spacing_mm) for v in found)
    else:
        known = ", ".join((*SHAPES, *INTENSITIES))
        raise ToolError(f"I can't measure {name!r}; I can measure {known}.")
    return tuple(replace(value, part=part) for value in found)


def measure_mask(
    mask: Mask,
    names: Iterable[str],
    spacing_mm: Spacing = None,
    *,
    values: Image | None = None,
    value_unit: Unit = "1",
    probability: Probability | None = None,
    ranges: RangeRule | None = None,
    part: int | None = None,
) -> list[Value]:
    """Measure several things on a mask as it was segmented, part by part where that is needed.

    Parts too small to count are left out of everything. Without `part`, totals are of the whole
    mask (their part is None), and what belongs to one part is measured on the largest (part 1).
    The other parameters are those of `measure`.

    Raises
    ------
    ToolError
        As `measure`, and if there is no such part.
    """
    parts = find_parts(checked(mask, empty_ok=True))
    if part is not None and not 1 <= part <= len(parts):
        raise ToolError(f"There is no part {part}; the mask has {len(parts)}.")
    measured: list[Value] = []
    for name in names:
        of_part = name in SHAPES and SHAPES[name].of == "part"
        number = part or (1 if of_part and len(parts) else None)
        measured += measure(
            name,
            parts.mask if number is None else parts.part(number),
            spacing_mm,
            values=values,
            value_unit=value_unit,
            probability=probability,
            ranges=ranges,
            part=number,
        )
    return measured
