"""Take over a scale that the user states."""

from __future__ import annotations

from parser_model.errors import ToolError
from tools.actions.result import ActionResult, Bench
from tools.geometry import LARGEST_MM, NO_SCALE, SMALLEST_MM


def set_scale(
    bench: Bench,
    mm_per_pixel: float | None = None,
    scan: str | None = None,
    pixel_height_mm: float | None = None,
    bar_mm: float | None = None,
    bar_pixels: float | None = None,
) -> ActionResult:
    """Record how large a pixel is, as the user says; the source is then "user".

    Parameters
    ----------
    mm_per_pixel : float, optional
        Width of a pixel, and its height unless that is given, from 0.00001 to 50 mm.
    scan : str, optional
        Id of the scan; all current ones (those added together last) when left out.
    pixel_height_mm : float, optional
        Only where pixels are not square.
    bar_mm, bar_pixels : float, optional
        Instead of `mm_per_pixel`: a known length in the picture, in millimetres and in pixels.

    Raises
    ------
    ToolError
        For a scale that no scanner has, or when there is no such scan.
    """
    width = _size(mm_per_pixel, bar_mm, bar_pixels)
    for side in (width, pixel_height_mm):
        if side is not None and not SMALLEST_MM <= side <= LARGEST_MM:
            raise ToolError(NO_SCALE)
    named = [bench.case.scan(scan)[0]]
    names = named if scan else list(bench.case.current) or named
    warnings: dict[str, None] = {}
    for name in names:
        before = bench.case.scans[name].notes
        after = bench.case.set_scale(name, width, pixel_height_mm).notes
        warnings |= dict.fromkeys(note for note in after if note not in before)
    return ActionResult(
        content={"scans": names, "spacing_source": "user", "note": "measure objects again"},
        summary=f"{' and '.join(names)}: the scale you gave is used",
        warnings=tuple(warnings),
    )


def _size(mm_per_pixel: float | None, bar_mm: float | None, bar_pixels: float | None) -> float:
    """Width of a pixel in millimetres."""
    if mm_per_pixel is not None and bar_mm is None and bar_pixels is None:
        return mm_per_pixel
    if mm_per_pixel is not None or bar_mm is None or bar_pixels is None:
        raise ToolError(
            "Give either the millimetres of one pixel, or a length both in millimetres and in "
            "pixels."
        )
    return bar_mm / bar_pixels if bar_pixels > 0 else -1.0
