"""DICOM images: one frame, or several grey frames as a stack."""

from __future__ import annotations

from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut
from pydicom.pixels.utils import pixel_array
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MediaStorageDirectoryStorage,
)

from parser_model.errors import FileError
from tools.reading.dicom_geometry import read_geometry
from tools.reading.dicom_tags import (
    code,
    codes,
    first_number,
    frame_group,
    items,
    whole_number,
)
from tools.reading.dicom_words import NO_IMAGES, body_part, modality
from tools.reading.limits import Limits
from tools.reading.pictures import without_equal_channels
from tools.scan import Scan

_INVERTED: Final = (
    "The file stores low values as bright (MONOCHROME1); it is shown inverted, as radiographs are "
    "read, and intensities are those of the file."
)
_LOCALIZER: Final = "This is a CT localizer, a projection: its values are no Hounsfield units."
_CUT_SHORT: Final = "This DICOM file is cut short: it announces more pixels than it holds."
_GREY: Final = ("MONOCHROME1", "MONOCHROME2")
_COLOURS: Final = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "YBR_ICT", "PALETTE COLOR")


def read(file: BinaryIO, limits: Limits) -> Scan:
    """Read a DICOM image.

    Grey values go through the modality LUT or rescale, so that CT is in Hounsfield units. Several
    grey frames become a stack in the order of the file. Of the header only kind, body part,
    geometry and display window are kept.

    Raises
    ------
    FileError
        For a DICOM object that holds no image, several colour frames, and damage.
    """
    dataset = dcmread(file, force=True)  # force: `sniff` knows files without preamble
    _check_kind(dataset)
    frames = _check_size(dataset, limits)
    kind = code(dataset, "Modality")
    localizer = kind == "CT" and "LOCALIZER" in codes(dataset, "ImageType")
    pixels, colour = _pixels(dataset, frames)
    geometry, notes = read_geometry(dataset, frames)
    inverted = code(dataset, "PhotometricInterpretation") == "MONOCHROME1"
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
        notes=notes,
    )


def _check_kind(dataset: Dataset) -> None:
    """Refuse DICOM objects that are no image or no single image."""
    if "DirectoryRecordSequence" in dataset or (
        code(dataset.file_meta, "MediaStorageSOPClassUID") == MediaStorageDirectoryStorage
    ):
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
    if kind == "SM" and (
        whole_number(dataset, "NumberOfFrames", 1) > 1
        or whole_number(dataset, "TotalPixelMatrixRows", 0) > whole_number(dataset, "Rows", 0)
    ):
        raise FileError(
            "This file is a tiled DICOM slide; single images are read so far, so export a region."
        )


def _check_size(dataset: Dataset, limits: Limits) -> int:
    """Check what the header announces against limits and file; gives the number of frames."""
    rows, columns = whole_number(dataset, "Rows", 0), whole_number(dataset, "Columns", 0)
    frames = whole_number(dataset, "NumberOfFrames", 1) or 1
    limits.check_size(rows, columns, frames)
    photometric = code(dataset, "PhotometricInterpretation")
    samples = whole_number(dataset, "SamplesPerPixel", 1)
    if (photometric, samples) not in {(name, 1) for name in (*_GREY, "PALETTE COLOR")} | {
        (name, 3) for name in _COLOURS if name != "PALETTE COLOR"
    }:
        raise FileError(
            "This DICOM file stores its pixels in a way that is not read (grey, palette, RGB and "
            "YBR are)."
        )
    if frames > 1 and photometric not in _GREY:
        raise FileError(
            f"This is a DICOM file with {frames} colour frames; of colour, single images are read "
            "so far."
        )
    if not _transfer_syntax(dataset).is_encapsulated:
        bits = whole_number(dataset, "BitsAllocated", 0) * samples
        if photometric == "YBR_FULL_422":
            bits = bits * 2 // 3  # two pixels share their colour
        if len(dataset.PixelData) * 8 < rows * columns * frames * bits:
            raise FileError(_CUT_SHORT)
    return frames


def _transfer_syntax(dataset: Dataset) -> UID:
    """How pixels are encoded; files without preamble do not say, but their tags show it."""
    stated = dataset.file_meta.get("TransferSyntaxUID")
    if stated is None:
        implicit, little_endian = dataset.original_encoding
        if implicit:
            stated = ImplicitVRLittleEndian
        else:
            stated = ExplicitVRLittleEndian if little_endian else ExplicitVRBigEndian
        dataset.file_meta.TransferSyntaxUID = stated
    return UID(stated)


def _pixels(dataset: Dataset, frames: int) -> tuple[NDArray[Any], bool]:
    """Grey (H, W[, frames]) after rescale, or colour (H, W, 3) uint8; and whether it is colour."""
    size = (whole_number(dataset, "Rows", 0), whole_number(dataset, "Columns", 0))
    stored = pixel_array(dataset)
    if code(dataset, "PhotometricInterpretation") == "PALETTE COLOR":
        stored = _eight_bits(apply_color_lut(stored, dataset))
    elif code(dataset, "PhotometricInterpretation") not in _GREY:
        stored = _eight_bits(stored)
    else:
        stored = _without_unused_bits(stored, dataset)
        stored = stored.reshape((frames, *size))
        planes = _modality_values(stored, dataset)
        return (planes[0] if frames == 1 else np.moveaxis(planes, 0, 2)), False
    if stored.shape != (*size, 3):
        raise ValueError("the decoded pixels have another shape than the header says")
    return without_equal_channels(stored)


def _eight_bits(colours: NDArray[Any]) -> NDArray[np.uint8]:
    """Colours of more than 8 bits by their upper 8, as display hardware takes them."""
    if colours.dtype == np.uint8:
        return colours.astype(np.uint8, copy=False)
    if colours.dtype == np.uint16:
        return (colours.astype(np.uint16, copy=False) >> 8).astype(np.uint8)
    raise FileError("This DICOM file stores colours in a way that is not read.")


def _without_unused_bits(stored: NDArray[Any], dataset: Dataset) -> NDArray[Any]:
    """Values of Bits Stored bits: old files keep overlays in the bits above."""
    if whole_number(dataset, "BitsAllocated", 0) == 1:
        return stored.astype(np.uint8) * np.uint8(255)
    if _transfer_syntax(dataset).is_encapsulated:
        return stored  # a codec knows how many bits it gives
    allocated = stored.dtype.itemsize * 8
    used = whole_number(dataset, "BitsStored", allocated)
    above = allocated - 1 - whole_number(dataset, "HighBit", used - 1)
    if not 0 < used <= allocated or not 0 <= above <= allocated - used or used == allocated:
        return stored
    # To the top and back: the shift back repeats the sign of signed values.
    return np.right_shift(np.left_shift(stored, above), allocated - used)


def _modality_values(stored: NDArray[Any], dataset: Dataset) -> NDArray[Any]:
    """Values (frames, H, W) in the units of the modality, whole numbers where they stay whole."""
    if items(dataset, "ModalityLUTSequence"):
        return _kept_dtype(apply_modality_lut(stored, dataset))
    lines = [_rescale(dataset, frame) for frame in range(len(stored))]
    if len(set(lines)) > 1:
        each = [plane * slope + shift for plane, (slope, shift) in zip(stored, lines, strict=True)]
        return np.stack(each).astype(np.float32)
    slope, intercept = lines[0]
    if (slope, intercept) == (1.0, 0.0):
        return _kept_dtype(stored)
    if slope.is_integer() and intercept.is_integer() and stored.dtype.kind in "iu":
        ends = [int(end) * int(slope) + int(intercept) for end in (stored.min(), stored.max())]
        for dtype in (np.int16, np.int32):
            if np.iinfo(dtype).min <= min(ends) and max(ends) <= np.iinfo(dtype).max:
                wide = stored.astype(np.int64 if stored.dtype.itemsize > 2 else np.int32)
                return (wide * int(slope) + int(intercept)).astype(dtype)
    return (stored * slope + intercept).astype(np.float32)


def _rescale(dataset: Dataset, frame: int) -> tuple[float, float]:
    """Slope and intercept of a frame; a slope of zero is no slope."""
    group = frame_group(dataset, "PixelValueTransformationSequence", "RescaleSlope", frame)
    slope = first_number(group, "RescaleSlope")
    intercept = first_number(group, "RescaleIntercept")
    return slope or 1.0, intercept or 0.0


def _kept_dtype(values: NDArray[Any]) -> NDArray[Any]:
    kept = values.dtype.name in ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32")
    return values if kept else values.astype(np.float32)


def _in_hounsfield(dataset: Dataset) -> bool:
    group = frame_group(dataset, "PixelValueTransformationSequence", "RescaleIntercept")
    stated = code(group, "RescaleType")
    return "RescaleIntercept" in group and stated in ("", "HU")


def _window(dataset: Dataset) -> tuple[float, float] | None:
    """The first display window (centre, width) of the file."""
    group = frame_group(dataset, "FrameVOILUTSequence", "WindowCenter")
    centre, width = first_number(group, "WindowCenter"), first_number(group, "WindowWidth")
    if centre is None or width is None or width <= 0:
        return None
    return centre, width
