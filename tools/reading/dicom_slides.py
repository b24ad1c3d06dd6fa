"""Whole slides in DICOM: one level, put together from its tiles."""

from __future__ import annotations

from itertools import islice, product
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from parser_model.errors import FileError
from tools.reading.dicom_pixels import check_size, colour_frames, grey_frames, is_grey
from tools.reading.dicom_tags import code, codes, first_number, frame_group, items, whole_number
from tools.reading.limits import MOST_SLIDE_PIXELS, Limits

_NO_TISSUE: Final = ("LABEL", "OVERVIEW")
_SPARSE: Final = "The slide was not scanned everywhere; the rest of the picture is empty."
_WHITE: Final = 255  # stained slides are bright where there is no tissue


def is_tiled(dataset: Dataset) -> bool:
    """Whether the file is a slide level whose frames are tiles."""
    return code(dataset, "Modality") == "SM" and min(level_size(dataset)) > 0


def is_label_photo(dataset: Dataset) -> bool:
    """Whether this is a photo of, or with, the slide's label, where names are written."""
    return code(dataset, "Modality") == "SM" and any(
        word in _NO_TISSUE for word in codes(dataset, "ImageType")
    )


def level_size(dataset: Dataset) -> tuple[int, int]:
    """Rows and columns of the level that the tiles make."""
    return (
        whole_number(dataset, "TotalPixelMatrixRows", 0),
        whole_number(dataset, "TotalPixelMatrixColumns", 0),
    )


def fits(dataset: Dataset, limits: Limits) -> bool:
    """Whether the level is small enough to work with."""
    rows, columns = level_size(dataset)
    return rows * columns <= min(limits.pixels, MOST_SLIDE_PIXELS)


def read_tiles(dataset: Dataset, limits: Limits) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Put the tiles of a level together; of several focal planes or stains the first is read.

    Returns
    -------
    pixels : (H, W, 3) ndarray of uint8, or (H, W) ndarray
    notes : tuple of str

    Raises
    ------
    FileError
        If the level is too large, or has no tiles.
    """
    rows, columns = level_size(dataset)
    if not fits(dataset, limits):
        raise FileError(
            f"This file is a slide level of {columns:,} x {rows:,} pixels; the limit is "
            f"{min(limits.pixels, MOST_SLIDE_PIXELS):,} pixels, so give the file of a smaller "
            "level or the folder with all levels."
        )
    corners = _corners(dataset, check_size(dataset, limits))
    frames = list(corners.values())
    tiles = grey_frames(dataset, frames) if is_grey(dataset) else colour_frames(dataset, frames)
    level: NDArray[Any] | None = None
    covered = 0
    for (top, left), tile in zip(corners, tiles, strict=True):
        if level is None:
            shape = (rows, columns, *tile.shape[2:])
            level = np.full(shape, _WHITE if tile.ndim == 3 else 0, tile.dtype)
        part = level[top : top + tile.shape[0], left : left + tile.shape[1]]
        part[...] = tile[: part.shape[0], : part.shape[1]]
        covered += part.shape[0] * part.shape[1]
    if level is None:
        raise FileError("This file is a slide without tiles; it is damaged.")
    told = f"This is a slide level of {columns:,} x {rows:,} pixels, put together from tiles."
    if covered < rows * columns:
        return level, (told, _SPARSE)
    return level, (told,)


def _corners(dataset: Dataset, frames: int) -> dict[tuple[int, int], int]:
    """First row and column, from 0, of each place in the level, and the frame that shows it.

    Where files do not state places, tiles come row by row, then focal planes, then optical
    paths (DICOM PS3.3 C.7.6.17.3).
    """
    found: dict[tuple[int, int], int] = {}
    if items(dataset, "PerFrameFunctionalGroupsSequence") and _stated(dataset, 0) is not None:
        for frame in range(frames):
            corner = _stated(dataset, frame)
            if corner is not None and min(corner) >= 0:
                found.setdefault(corner, frame)
        return found
    rows, columns = level_size(dataset)
    height, width = whole_number(dataset, "Rows", 1), whole_number(dataset, "Columns", 1)
    grid = product(range(0, rows, height), range(0, columns, width))
    return {corner: frame for frame, corner in enumerate(islice(grid, frames))}


def _stated(dataset: Dataset, frame: int) -> tuple[int, int] | None:
    keyword = "RowPositionInTotalImagePixelMatrix"
    group = frame_group(dataset, "PlanePositionSlideSequence", keyword, frame)
    row = first_number(group, keyword)
    column = first_number(group, "ColumnPositionInTotalImagePixelMatrix")
    return None if row is None or column is None else (int(row) - 1, int(column) - 1)
