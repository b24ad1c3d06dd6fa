"""Whole slides in TIFF: the level of a pyramid that is small enough to work with.

A slide has gigapixels; it is stored at several sizes. The largest one that fits is taken.
"""

from __future__ import annotations

from dataclasses import dataclass

from tifffile import TiffFile, TiffPage

from parser_model.errors import FileError
from tools.reading.limits import MOST_SLIDE_PIXELS, Limits


@dataclass(frozen=True)
class Level:
    """The page of a TIFF file to read.

    Attributes
    ----------
    page : TiffPage
    scale : (float, float)
        How many rows and columns of the first page one of this page covers.
    notes : tuple of str
    """

    page: TiffPage
    scale: tuple[float, float]
    notes: tuple[str, ...]


def choose_level(tiff: TiffFile, limits: Limits) -> Level:
    """The largest level of a pyramid that fits; of other files the first page.

    Raises
    ------
    FileError
        If no level fits.
    """
    first = tiff.pages.first
    levels = [level.keyframe for level in tiff.series[0].levels] if _is_pyramid(tiff) else [first]
    if len(levels) == 1:
        limits.check_size(first.imagelength, first.imagewidth)
        pages = len(tiff.pages)
        notes = (f"The file holds {pages} pictures; the first one is read.",) if pages > 1 else ()
        return Level(first, (1.0, 1.0), notes)
    most = min(limits.pixels, MOST_SLIDE_PIXELS)
    for number, page in enumerate(levels, 1):
        if page.imagelength * page.imagewidth <= most:
            size = f"{page.imagewidth:,} x {page.imagelength:,} pixels"
            whole = f"{first.imagewidth:,} x {first.imagelength:,}"
            note = f"This slide has {len(levels)} levels; level {number} ({size}) was read" + (
                ", the finest one." if number == 1 else f", not the finest one of {whole}."
            )
            scale = (first.imagelength / page.imagelength, first.imagewidth / page.imagewidth)
            return Level(page, scale, (note,))
    raise FileError(
        f"The smallest level of this slide has more than {most:,} pixels; export a region of it."
    )


def _is_pyramid(tiff: TiffFile) -> bool:
    # Only these: finding the series of a damaged TIFF file can fail where its page can be read.
    return bool(tiff.is_svs or tiff.is_ome or tiff.pages.first.subifds)
