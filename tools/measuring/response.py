"""How a tumour changed between two scans, in the terms of RECIST 1.1.

Eisenhauer et al., Eur J Cancer 45 (2009) 228-247. With two scans the first is baseline and the
smallest sum so far in one. Only target lesions are judged: a new lesion, or one elsewhere, would
be progression whatever the sum says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from parser_model.errors import ToolError
from tools.measuring.checks import Mask, Spacing, checked
from tools.measuring.compare import change, relative_change
from tools.measuring.diameters import longest_diameter
from tools.measuring.parts import find_parts
from tools.measuring.value import Value

Category = Literal["complete response", "partial response", "stable disease", "progressive disease"]
MEASURABLE_MM: Final = 10.0
"""A lesion counts at baseline from this longest diameter on (CT with slices up to 5 mm)."""
MOST_LESIONS: Final = 2
"""At most so many target lesions in one organ."""
_PARTIAL = -30.0  # per cent of the baseline sum
_PROGRESS = 20.0
_PROGRESS_MM = 5.0  # and at least so much in absolute terms


@dataclass(frozen=True)
class Response:
    """The response of target lesions between two scans.

    Attributes
    ----------
    before, after : Value
        The sums of diameters, in mm.
    difference, percent : Value
        Of the sums; both are named "change".
    category : Category
    possible : tuple of Category
        Those that the ranges of the two sums allow, the one found among them; only that one
        where the sums have no ranges, which says nothing about how sure it is.
    """

    before: Value
    after: Value
    difference: Value
    percent: Value
    category: Category
    possible: tuple[Category, ...]


def sum_of_diameters(diameters: Sequence[Value]) -> Value:
    """Sum of diameters of several parts; the range is from the sum of lows to that of highs.

    Raises
    ------
    ToolError
        If there are none.
    """
    if not diameters:
        raise ToolError("There is no diameter to sum up.")
    unit = diameters[0].unit
    lines = [one.to(unit) for one in diameters]
    lows = [one.low for one in lines if one.low is not None]
    highs = [one.high for one in lines if one.high is not None]
    ranged = len(lows) == len(highs) == len(lines)
    return Value(
        "sum_of_diameters",
        sum(one.number for one in lines),
        unit,
        low=sum(lows) if ranged else None,
        high=sum(highs) if ranged else None,
        convention=f"sum of the {lines[0].name.replace('_', ' ')}s of {len(lines)} part(s)",
    )


def diameters_summed(mask: Mask, spacing_mm: Spacing = None) -> Value:
    """Sum of the longest diameters of all parts of a mask, without range.

    Raises
    ------
    ToolError
        If the mask is empty.
    """
    parts = find_parts(checked(mask))
    lines = [longest_diameter(parts.part(n), spacing_mm) for n in range(1, len(parts) + 1)]
    return sum_of_diameters(lines)


def response(before: Sequence[Value], after: Sequence[Value]) -> Response | None:
    """The RECIST 1.1 category of a change, from the longest diameters of the lesions, in mm.

    Parameters
    ----------
    before, after : sequence of Values
        Longest diameters of the parts of a lesion in one organ, on the first and the later scan.
        The two largest count, at baseline from 10 mm on. They are matched by size, since nothing
        tells which part became which.

    Returns
    -------
    Response or None
        None where the first scan has no lesion that is large enough to be followed.

    Raises
    ------
    ToolError
        If a diameter is in pixels.
    """
    first = [one for one in _largest(before) if one.number >= MEASURABLE_MM]
    if not first:
        return None
    later = _largest(after)[: len(first)]
    start = sum_of_diameters(first)
    end = sum_of_diameters(later) if later else _gone(start)
    difference, percent = change(start, end), relative_change(start, end)
    if not later:
        category: Category = "complete response"
        return Response(start, end, difference, percent, category, (category,))
    category = _category(percent.number, difference.number)
    return Response(start, end, difference, percent, category, _possible(start, end, category))


def _largest(diameters: Sequence[Value]) -> list[Value]:
    lines = [one.to("mm") for one in diameters]
    return sorted(lines, key=lambda one: -one.number)[:MOST_LESIONS]


def _gone(before: Value) -> Value:
    return Value("sum_of_diameters", 0.0, before.unit, convention="no lesion was found")


def _category(percent: float, millimetres: float) -> Category:
    if percent >= _PROGRESS and millimetres >= _PROGRESS_MM:
        return "progressive disease"
    return "partial response" if percent <= _PARTIAL else "stable disease"


def _possible(before: Value, after: Value, found: Category) -> tuple[Category, ...]:
    """Categories that occur for sums anywhere in their ranges.

    Both limits move one way with each sum, so the extremes lie at two corners: the least change
    from the largest first to the smallest later sum, and the other way round. What lies between
    the two corners occurs as well.
    """
    if before.low is None or before.high is None or after.low is None or after.high is None:
        return (found,)
    order: tuple[Category, ...] = ("partial response", "stable disease", "progressive disease")
    corners = []
    for start, end in ((before.high, after.low), (before.low, after.high)):
        percent = 100.0 * (end - start) / start if start > 0 else float("inf")
        corners.append(order.index(_category(percent, end - start)))
    return order[min(corners) : max(corners) + 1]
