"""DICOM images: one picture, a stack of slices, or a film, from one file."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import MediaStorageDirectoryStorage

from parser_model.errors import FileError
from tools.reading.dicom_file import read_dataset
from tools.reading.dicom_frames import frame_stack
from tools.reading.dicom_geometry import read_geometry
from tools.reading.dicom_pixels import (
    check_size,
    colour_frames,
    grey_frames,
    is_grey,
    stacked,
)
from tools.reading.dicom_slides import is_label_photo, is_tiled, read_tiles
from tools.reading.dicom_tags import code, codes, first_number, frame_group, items, numbers
from tools.reading.dicom_words import NO_IMAGES, body_part, modality
from tools.reading.limits import Limits
from tools.reading.pictures import without_equal_channels
from tools.reading.stacks import Stack
from tools.scan import Scan

_INVERTED: Final = (
    "The file stores low values as bright (MONOCHROME1); it is shown inverted, as radiographs are "
    "read, and intensities are those of the file."
)
_LOCALIZER: Final = "This is a CT localizer, a projection: its values are no Hounsfield units."
_GREY_FILM: Final = "The frames are in colour; they are read as grey, as ultrasound is outlined."
_LUMINANCE: Final = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601


def read(file: BinaryIO, limits: Limits) -> Scan:
    """Read a DICOM image.

    Grey values go through the modality LUT or rescale, so that CT is in Hounsfield units. Several
    grey frames become a stack, sorted by their places where the file states these. Of the header
    only kind, body part, geometry and display window are kept.

    Raises
    ------
    FileError
        For a DICOM object that holds no image, and damage.
    """
    dataset = read_dataset(file)
    check_kind(dataset)
    if is_tiled(dataset):
        pixels, notes = read_tiles(dataset, limits)
        return make_scan(dataset, Stack((0,), notes=notes), pixels, colour=pixels.ndim == 3)
    frames = check_size(dataset, limits)
    stack = frame_stack(dataset, frames)
    if is_grey(dataset):
        planes = grey_frames(dataset, stack.order)
        pixels = next(planes) if frames == 1 else stacked(planes, len(stack.order))
        return make_scan(dataset, stack, pixels)
    return _read_colours(dataset, stack)


def make_scan(
    dataset: Dataset, stack: Stack, pixels: NDArray[Any], *, colour: bool = False
) -> Scan:
    """The scan of pixels that lie so, with what a header says of them.

    Parameters
    ----------
    dataset : Dataset
        Header of the file, or of one slice of a series.
    stack : Stack
    pixels : (H, W) or (H, W, S) ndarray, or (H, W, 3) ndarray of uint8 when `colour`
    """
    kind = code(dataset, "Modality")
    geometry, notes = read_geometry(dataset, stack)
    inverted = code(dataset, "PhotometricInterpretation") == "MONOCHROME1"
    localizer = is_localizer(dataset)
    if inverted:
        notes = (_INVERTED, *notes)
    if localizer:
        notes = (_LOCALIZER, *notes)
    return Scan(
        pixels=pixels,
        geometry=geometry,
        colour=colour,
        modality="X-Ray" if localizer else modality(kind),
        body_part=body_part(code(dataset, "BodyPartExamined")),
        window=None if colour else _window(dataset),
        value_unit="HU" if kind == "CT" and not localizer and _in_hounsfield(dataset) else "1",
        inverted=inverted and not colour,
        source_format="DICOM",
        notes=(*stack.notes, *notes),
        stack_of=stack.of if not colour and pixels.ndim == 3 else None,
    )


def check_kind(dataset: Dataset) -> None:
    """Refuse DICOM objects that are no image or no single image."""
    if is_directory(dataset):
        raise FileError("This file is a DICOMDIR, a list of files; give one of the images in it.")
    kind = code(dataset, "Modality")
    if kind in NO_IMAGES:
        raise FileError(f"This file is {NO_IMAGES[kind]}.")
    if "PixelData" not in dataset:
        if "FloatPixelData" in dataset or "DoubleFloatPixelData" in dataset:
            raise FileError("This file is a DICOM parametric map; maps are not read so far.")
        if "Rows" in dataset:
            raise FileError("This DICOM file is cut short: it has a header but no pixels.")
        if len(dataset) == 0:  # what pydicom gives when the file ends inside an element
            raise FileError("This DICOM file is damaged or cut short; copy or export it again.")
        raise FileError("This DICOM file holds no image, or is cut short.")
    if is_label_photo(dataset):
        raise FileError("This file is a photo of a slide's label; give the slide itself.")


def is_directory(dataset: Dataset) -> bool:
    """Whether this is a DICOMDIR."""
    return "DirectoryRecordSequence" in dataset or (
        code(dataset.file_meta, "MediaStorageSOPClassUID") == MediaStorageDirectoryStorage
    )


def is_localizer(dataset: Dataset) -> bool:
    """Whether this is the projection by which a CT was planned."""
    return code(dataset, "Modality") == "CT" and "LOCALIZER" in codes(dataset, "ImageType")


def _read_colours(dataset: Dataset, stack: Stack) -> Scan:
    """A colour picture; of a film its first frame, of ultrasound all frames in grey."""
    count = len(stack.order)
    if count == 1:
        pixels, colour = without_equal_channels(next(colour_frames(dataset, stack.order)))
        return make_scan(dataset, stack, pixels, colour=colour)
    if code(dataset, "Modality") == "US":
        frames = colour_frames(dataset, stack.order)
        greys = (np.rint(frame @ _LUMINANCE).astype(np.uint8) for frame in frames)
        told = replace(stack, notes=(*stack.notes, _GREY_FILM))
        return make_scan(dataset, told, stacked(greys, count))
    note = f"The file holds {count} colour frames; the first one was read."
    first = Stack(stack.order[:1], stack.row_cosines, stack.origin, notes=(note,))
    pixels, colour = without_equal_channels(next(colour_frames(dataset, first.order)))
    return make_scan(dataset, first, pixels, colour=colour)


def _in_hounsfield(dataset: Dataset) -> bool:
    group = frame_group(dataset, "PixelValueTransformationSequence", "RescaleIntercept")
    stated = code(group, "RescaleType")
    return "RescaleIntercept" in group and stated in ("", "HU")


def _window(dataset: Dataset) -> tuple[float, float] | None:
    """The first display window (centre, width) of the file; without one, that of its VOI table."""
    group = frame_group(dataset, "FrameVOILUTSequence", "WindowCenter")
    centre, width = first_number(group, "WindowCenter"), first_number(group, "WindowWidth")
    if centre is not None and width is not None and width > 0:
        return centre, width
    tables = items(dataset, "VOILUTSequence")
    return _table_window(tables[0]) if tables else None


def _table_window(table: Dataset) -> tuple[float, float] | None:
    """The values between which a VOI table rises from its darkest to its brightest grey."""
    described = numbers(table, "LUTDescriptor", 3)
    stored = table.get("LUTData")
    if described is None or stored is None:
        return None
    greys = np.frombuffer(stored, "<u2") if isinstance(stored, bytes) else np.array(stored)
    if greys.dtype.kind not in "iu" or greys.size < 2 or greys.min() == greys.max():
        return None
    rising = greys[0] < greys[-1]
    dark, bright = (greys == greys.min(), greys == greys.max())
    below, above = (dark, bright) if rising else (bright, dark)
    first = described[1] + int(np.flatnonzero(below)[-1])
    last = described[1] + int(np.flatnonzero(above)[0])
    return ((first + last) / 2, last - first) if last > first else None
