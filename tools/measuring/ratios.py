"""Ratios that clinicians know by name, each from two masks or two sizes."""

from __future__ import annotations

from dataclasses import replace

from parser_model.errors import ToolError
from tools.measuring.checks import Mask, Spacing, box_of, checked_pair
from tools.measuring.compare import quotients, ratio
from tools.measuring.value import Value


def cup_to_disc_vertical(cup: Mask, disc: Mask, spacing_mm: Spacing = None) -> Value:
    """Vertical cup-to-disc ratio: height of the optic cup over height of the optic disc.

    Vertical is up and down in the photograph, which must be upright. A cup that reaches beyond
    the disc is taken as it was outlined.

    Raises
    ------
    ToolError
        If a mask is empty or the two are of different images.
    """
    cup, disc = _pictures(cup, disc, "cup-to-disc ratio")
    heights = [bottom - top for top, _, bottom, _ in map(box_of, (cup, disc))]
    return Value(
        "ratio",
        heights[0] / heights[1],
        "1",
        convention="vertical cup-to-disc ratio: height of the cup / height of the disc, "
        "edge to edge, along the rows of an upright photograph",
    )


def cup_to_disc_area(cup: Value, disc: Value) -> Value:
    """Area of the optic cup over area of the optic disc, from both areas; see `compare.ratio`."""
    return replace(
        ratio(cup, disc), convention="cup-to-disc area ratio: area of the cup / area of the disc"
    )


def cardiothoracic(heart: Mask, lungs: Mask, spacing_mm: Spacing = None) -> Value:
    """Cardiothoracic ratio of a frontal chest radiograph.

    Largest width of the heart (its leftmost to its rightmost pixel, not necessarily on one row)
    over the largest inner width of the chest, taken between the outer edges of the lungs on the
    row where they are farthest apart.

    Parameters
    ----------
    heart, lungs : (H, W) bool ndarray
        Of an upright picture; `lungs` holds both.

    Raises
    ------
    ToolError
        If a mask is empty or the two are of different images.
    """
    heart, lungs = _pictures(heart, lungs, "cardiothoracic ratio")
    _, left, _, right = box_of(heart)
    rows = lungs[lungs.any(axis=1)]
    widths = lungs.shape[1] - rows[:, ::-1].argmax(axis=1) - rows.argmax(axis=1)
    return Value(
        "ratio",
        (right - left) / int(widths.max()),
        "1",
        convention="cardiothoracic ratio: largest width of the heart / largest width between the "
        "outer edges of the lungs on one row",
    )


def ejection_fraction(one: Value, other: Value) -> Value:
    """Share of the larger of two sizes of a chamber that is gone in the smaller one, in per cent.

    (end-diastolic - end-systolic) / end-diastolic. Of volumes it is the ejection fraction; of
    areas, on one slice, the fractional area change, and named so.

    Raises
    ------
    ToolError
        If these are not two areas or two volumes, or the larger one is zero.
    """
    if one.name != other.name or one.name not in ("area", "volume"):
        raise ToolError("An ejection fraction needs two volumes, or two areas, of one chamber.")
    other = other.to(one.unit)
    diastole, systole = (one, other) if one.number >= other.number else (other, one)
    left = ratio(systole, diastole)
    of_volumes = one.name == "volume"
    return Value(
        "ejection_fraction" if of_volumes else "fractional_area_change",
        100.0 * (1 - left.number),
        "percent",
        low=None if left.high is None else 100.0 * (1 - left.high),
        high=None if left.low is None else 100.0 * (1 - left.low),
        convention="(larger - smaller) / larger, the larger taken as end-diastolic"
        + ("" if of_volumes else "; of areas on one slice, so not the ejection fraction itself"),
    )


def asymmetry(left: Value, right: Value) -> Value:
    """How much larger the left side is than the right, in per cent of their mean.

    100 (left - right) / ((left + right) / 2): 0 for equal sides, negative where the right side is
    larger, at most 200 either way.

    Raises
    ------
    ToolError
        If both are zero, or the units measure different things.
    """
    right = right.to(left.unit)
    if left.number + right.number <= 0:
        raise ToolError("Both sides are empty, so there is nothing to compare.")

    low, high = quotients(left, right)
    larger = left.number / right.number if right.number else float("inf")
    return Value(
        "asymmetry",
        _percent_of_mean(larger),
        "percent",
        low=None if low is None else _percent_of_mean(low),
        high=None if high is None else _percent_of_mean(high),
        convention="(left - right) / mean of both, so 0 where they are equal",
    )


def _percent_of_mean(times: float) -> float:
    """The asymmetry of two sizes of which one is so many times the other."""
    return 200.0 if times == float("inf") else 200.0 * (times - 1) / (times + 1)


def _pictures(first: Mask, second: Mask, wanted: str) -> tuple[Mask, Mask]:
    first, second = checked_pair(first, second)
    if first.ndim != 2:
        raise ToolError(f"The {wanted} is measured in a single picture, not in a stack of slices.")
    return first, second
