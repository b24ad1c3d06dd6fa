"""Arithmetic between two measurements: ratio, change, change in per cent.

Ranges follow interval arithmetic: the widest the result can be when both sizes are anywhere in
their ranges. Where one of the two has no range, the result has none: taking it as exact would
claim too much.
"""

from __future__ import annotations

from parser_model.errors import ToolError
from tools.measuring.value import Value


def ratio(numerator: Value, denominator: Value) -> Value:
    """Numerator / denominator, unit 1; they may differ in unit but not in kind.

    Without a range where the denominator may be zero.

    Raises
    ------
    ToolError
        If the denominator is zero, or the units measure different things.
    """
    top = numerator.to(denominator.unit)
    if denominator.number == 0:
        raise ToolError(f"There is no ratio to a {_words(denominator)} of zero.")
    low, high = quotients(top, denominator)
    return Value(
        "ratio",
        top.number / denominator.number,
        "1",
        low=low,
        high=high,
        convention=f"{_words(numerator)} / {_words(denominator)}",
    )


def change(before: Value, after: Value) -> Value:
    """After - before in the unit of `before`, positive where it grew.

    `relative_change` gives per cent.
    """
    _same_name(before, after)
    later = after.to(before.unit)
    low = high = None
    if (
        before.low is not None
        and before.high is not None
        and later.low is not None
        and later.high is not None
    ):
        low, high = later.low - before.high, later.high - before.low
    return Value(
        "change",
        later.number - before.number,
        before.unit,
        low=low,
        high=high,
        convention=f"{_words(after)} after - before",
    )


def relative_change(before: Value, after: Value) -> Value:
    """(after - before) / before in percent, positive where it grew; also named ``change``.

    Raises
    ------
    ToolError
        If `before` is not positive (a relative change of Hounsfield units has no meaning: use
        `change`), or the two are different measurements.
    """
    _same_name(before, after)
    if before.unit == "HU":
        raise ToolError("Hounsfield units have no true zero; ask for the difference instead.")
    if before.number <= 0:
        raise ToolError(f"There is no relative change from a {_words(before)} of zero or below.")
    later = after.to(before.unit)
    low, high = quotients(later, before)
    return Value(
        "change",
        100.0 * (later.number - before.number) / before.number,
        "percent",
        low=None if low is None else 100.0 * (low - 1),
        high=None if high is None else 100.0 * (high - 1),
        convention=f"({_words(after)} after - before) / before",
    )


def quotients(top: Value, bottom: Value) -> tuple[float | None, float | None]:
    """Smallest and largest quotient over both ranges; None where unknown or without limit."""
    if top.low is None or top.high is None or bottom.low is None or bottom.high is None:
        return None, None
    if bottom.low <= 0 <= bottom.high:
        return None, None
    corners = [a / b for a in (top.low, top.high) for b in (bottom.low, bottom.high)]
    return min(corners), max(corners)


def _same_name(before: Value, after: Value) -> None:
    if before.name != after.name:
        raise ToolError(
            f"A change needs the same measurement twice, not {_words(before)} and {_words(after)}."
        )


def _words(value: Value) -> str:
    return value.name.replace("_", " ")
