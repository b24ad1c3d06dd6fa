"""Measure a mask by the names of what is wanted: parts, totals and ranges put together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from parser_model.errors import ToolError
from tools.measuring.checks import Mask, Spacing, checked
from tools.measuring.intensity import Image
from tools.measuring.parts import find_parts
from tools.measuring.ranges import Probability, RangeRule
from tools.measuring.registry import ALL_SHAPES, INTENSITIES, SPLIT
from tools.measuring.response import sum_of_diameters
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
    split_touching: bool = False,
) -> tuple[Value, ...]:
    """Measure one thing on exactly the pixels of `mask`.

    Parameters
    ----------
    name : str
        A key of `ALL_SHAPES` or `INTENSITIES`.
    mask : (H, W) or (H, W, S) bool ndarray
        The whole object, or one part of it (for diameters, always one part).
    spacing_mm : (row, column[, slice]) or None
        Size of a pixel; None gives px, px2 and px3. Of a stack (row, column) where the distance
        between slices is unknown: what lies in a plane is measured in millimetres all the same.
    values : ndarray of the same shape, optional
        What intensities are measured on, in `value_unit` (HU for CT, else 1).
    probability : floating ndarray of the same shape, optional
    ranges : RangeRule, optional
        Both together give sizes their low-high; see `tools.measuring.ranges`.
    part : int, optional
        The number of the part that `mask` is, to be noted in the result.
    split_touching : bool
        Whether touching objects are told apart when they are counted: for many small alike ones
        such as nuclei, in pictures. Lesions and organs are counted by connected parts.

    Returns
    -------
    tuple of Values
        One, except for bounding_box, which gives two.

    Raises
    ------
    ToolError
        If the mask is empty (a count is then 0), the name is unknown, an intensity is asked for
        without `values`, a picture is asked for what only a stack has, or the third axis is
        needed and the distance between slices unknown.
    """
    if name in INTENSITIES:
        if values is None:
            raise ToolError(f"The {name.replace('_', ' ')} needs the pixel values of the scan.")
        found = joined(INTENSITIES[name](mask, values, value_unit))
    elif name == "sum_of_diameters" and ranges is not None:
        # Each part has a range of its own, so the sum is made of parts that were measured.
        parts = find_parts(checked(mask))
        lines = [
            measure(
                "longest_diameter",
                parts.part(number),
                spacing_mm,
                probability=probability,
                ranges=ranges,
            )[0]
            for number in range(1, len(parts) + 1)
        ]
        found = joined(sum_of_diameters(lines))
    elif name in SPLIT and split_touching and np.ndim(mask) == 2:
        found = joined(SPLIT[name](mask, spacing_mm))
    elif name in ALL_SHAPES:
        found = joined(ALL_SHAPES[name].function(mask, spacing_mm))
        if probability is not None and ranges is not None:
            found = tuple(ranges.ranged(v, probability, mask, spacing_mm) for v in found)
    else:
        known = ", ".join((*ALL_SHAPES, *INTENSITIES))
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
    split_touching: bool = False,
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
        of_part = name in ALL_SHAPES and ALL_SHAPES[name].of == "part"
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
            split_touching=split_touching,
        )
    return measured
