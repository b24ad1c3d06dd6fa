"""What a contact sheet shows of a measured scan."""

from __future__ import annotations

from tools.cohort.measuring import MeasuredObject, MeasuredScan
from tools.contact_sheet import Tile
from tools.overlay import colour_of

_MAIN = ("volume", "area")


def tile_of(number: int, measured: MeasuredScan) -> Tile:
    """The picture of a scan with its outlines; the caption gives each object's main size."""
    coloured = [(found, colour_of(index)) for index, found in enumerate(measured.objects)]
    # What was found comes first: not all lines of a long caption are shown.
    ordered = sorted(coloured, key=lambda pair: not pair[0].total)
    lines = [(_line(found), colour) for found, colour in ordered]
    outlines = [(found.outline, colour) for found, colour in coloured]
    return Tile(number, measured.picture, outlines, lines, place=measured.place)


def failure_tile(number: int, reason: str) -> Tile:
    """The place of a file that could not be read, with the reason."""
    return Tile(number, None, reason=reason)


def _line(found: MeasuredObject) -> str:
    if found.target is None:
        return f"{found.phrase}: not a word I know"
    if not found.total:
        return f"{found.phrase}: not seen"
    sizes = {value.name: value for value in found.total}
    text = next(sizes[name].text() for name in _MAIN if name in sizes)
    several = f" ({sizes['count'].text()})" if sizes["count"].number > 1 else ""
    return f"{found.phrase}{several}: {text}"
