"""Take over a scale that the user states."""

from __future__ import annotations

from parser_model.errors import ToolError
from tools.actions.result import ActionResult, Bench

SMALLEST_MM, LARGEST_MM = 1e-5, 50.0
"""Bounds of a pixel: below light can resolve, above what any scanner has."""


def set_scale(bench: Bench, mm_per_pixel: float, scan: str | None = None) -> ActionResult:
    """Record that a pixel is this many millimetres wide and high; the source is "user".

    Parameters
    ----------
    mm_per_pixel : float
        As the user said, from 0.00001 to 50.

    Raises
    ------
    ToolError
        For a scale that no scanner has.
    """
    if not SMALLEST_MM <= mm_per_pixel <= LARGEST_MM:
        raise ToolError(
            f"A pixel of {mm_per_pixel:g} mm cannot be; give the millimetres of one pixel."
        )
    name, before = bench.case.scan(scan)
    stated = before.geometry.spacing_source
    bench.case.set_scale(name, mm_per_pixel)
    warnings: tuple[str, ...] = ()
    if stated not in ("none", "user"):
        warnings = (f"The scale of the file ({stated}) was replaced by the one you gave.",)
    return ActionResult(
        content={"scan": name, "spacing_source": "user", "note": "measure objects again"},
        summary=f"{name}: the scale you gave is used",
        warnings=warnings,
    )
