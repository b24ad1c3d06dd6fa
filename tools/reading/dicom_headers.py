"""What tells DICOM files of a folder apart, read without their pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO, Final

import numpy as np
from pydicom.dataset import Dataset

from tools.reading.containers import Entry
from tools.reading.dicom import is_directory, is_localizer
from tools.reading.dicom_file import read_dataset
from tools.reading.dicom_frames import valid_cosines
from tools.reading.dicom_pixels import is_grey
from tools.reading.dicom_slides import fits, is_label_photo, is_tiled, level_size
from tools.reading.dicom_tags import code, first_number, numbers, whole_number
from tools.reading.dicom_words import NO_IMAGES, body_part, modality
from tools.reading.limits import Limits

# Read alone: the rest of a header costs time in hundreds of files.
_TAGS: Final = (
    "SOPClassUID", "Modality", "ImageType", "SeriesInstanceUID", "SeriesNumber", "InstanceNumber",
    "AcquisitionNumber", "TemporalPositionIdentifier", "EchoTime", "BodyPartExamined", "Rows",
    "Columns", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated",
    "PixelRepresentation", "NumberOfFrames", "ImagePositionPatient", "ImageOrientationPatient",
    "PixelSpacing", "DirectoryRecordSequence", "TotalPixelMatrixRows", "TotalPixelMatrixColumns",
)  # fmt: skip

# Slices of these make a stack even without places; pictures of other kinds are no slices then.
_SLICED: Final = frozenset({"CT", "MR", "PT"})
_PLANES: Final = ("sagittal", "coronal", "axial")  # by the axis that the normal is closest to
_SAME_TURN: Final = 0.01  # of direction cosines, half a degree
_LAST: Final = float("inf")


@dataclass(frozen=True)
class Header:
    """One DICOM image file of several.

    Attributes
    ----------
    entry : Entry
    number : int
        Of the file among all; tells it from others and keeps their order.
    group : tuple
        Equal for slices of one stack, orientation aside. Never shown: it holds identifiers.
    rows, columns, frames : int
        As announced; 0 rows for a directory of files.
    series_number : float
    rank : tuple of float
        Of slices at one place the lowest is the first.
    position, row_cosines : tuple of float or None
    last_resort : bool
        A projection by which a CT was planned, or a slide level that is too large.
    modality, body_part, plane : str or None
    """

    entry: Entry
    number: int
    group: tuple[object, ...]
    rows: int
    columns: int
    frames: int
    series_number: float
    rank: tuple[float, ...]
    position: tuple[float, ...] | None
    row_cosines: tuple[float, ...] | None
    last_resort: bool
    modality: str | None
    body_part: str | None
    plane: str | None


def read_header(file: BinaryIO, entry: Entry, number: int, limits: Limits) -> Header | None:
    """The header of a DICOM file; None when it holds no image.

    Raises
    ------
    Exception
        Any, for a damaged file.
    """
    dataset = read_dataset(file, pixels=False, tags=_TAGS)
    rows, columns = whole_number(dataset, "Rows", 0), whole_number(dataset, "Columns", 0)
    if is_directory(dataset):
        rows = 0
    elif code(dataset, "Modality") in NO_IMAGES or min(rows, columns) <= 0:
        return None
    frames = max(1, whole_number(dataset, "NumberOfFrames", 1))
    cosines = valid_cosines(numbers(dataset, "ImageOrientationPatient", 6))
    localizer = is_localizer(dataset)
    last_resort = localizer
    if is_label_photo(dataset):
        return None
    if is_tiled(dataset):
        (rows, columns), frames = level_size(dataset), 1
        last_resort = not fits(dataset, limits)
    return Header(
        entry=entry,
        number=number,
        group=(number,) if is_tiled(dataset) else _group(dataset, frames, cosines, number),
        rows=rows,
        columns=columns,
        frames=frames,
        series_number=_number(dataset, "SeriesNumber"),
        rank=(
            *(_number(dataset, tag) for tag in ("TemporalPositionIdentifier", "EchoTime")),
            *(_number(dataset, tag) for tag in ("AcquisitionNumber", "InstanceNumber")),
            float(number),
        ),
        position=numbers(dataset, "ImagePositionPatient", 3),
        row_cosines=cosines,
        last_resort=last_resort,
        modality="X-Ray" if localizer else modality(code(dataset, "Modality")),
        body_part=body_part(code(dataset, "BodyPartExamined")),
        plane=_plane(cosines),
    )


def _group(
    dataset: Dataset, frames: int, cosines: tuple[float, ...] | None, number: int
) -> tuple[object, ...]:
    kind = code(dataset, "Modality")
    placed = cosines is not None and numbers(dataset, "ImagePositionPatient", 3) is not None
    if frames > 1 or not is_grey(dataset) or not (placed or kind in _SLICED):
        return (number,)  # a stack, film or picture of its own
    names = ("SamplesPerPixel", "BitsAllocated", "PixelRepresentation", "Rows", "Columns")
    return (
        code(dataset, "SeriesInstanceUID"),
        kind,
        code(dataset, "PhotometricInterpretation"),
        is_localizer(dataset),
        *(whole_number(dataset, name, 0) for name in names),
        *(np.round(numbers(dataset, "PixelSpacing", 2) or (0.0, 0.0), 4)),
        placed,
    )


def share_stack(first: Header, second: Header) -> bool:
    """Whether two slices are of one stack: alike, and turned alike within rounding."""
    if first.group != second.group or (first.row_cosines is None) != (second.row_cosines is None):
        return False
    return np.allclose(first.row_cosines or (), second.row_cosines or (), atol=_SAME_TURN)


def _number(dataset: Dataset, keyword: str) -> float:
    found = first_number(dataset, keyword)
    return _LAST if found is None else found


def _plane(cosines: tuple[float, ...] | None) -> str | None:
    """The anatomical plane that the picture is closest to."""
    if cosines is None:
        return None
    return _PLANES[int(np.abs(np.cross(cosines[:3], cosines[3:])).argmax())]
