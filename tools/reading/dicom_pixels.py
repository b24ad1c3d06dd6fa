"""The pixels of a DICOM image: decoded, in the units of the modality, frame by frame."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut
from pydicom.pixels.utils import iter_pixels, pixel_array
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from parser_model.errors import FileError
from tools.reading.dicom_tags import code, first_number, frame_group, items, whole_number
from tools.reading.limits import Limits

GREY: Final = ("MONOCHROME1", "MONOCHROME2")
_COLOURS: Final = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "YBR_ICT", "PALETTE COLOR")
_CUT_SHORT: Final = "This DICOM file is cut short: it announces more pixels than it holds."
_MOST_FRAMES: Final = 20_000
_KEPT: Final = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32")


def check_size(dataset: Dataset, limits: Limits) -> int:
    """Check what an image announces against limits and file; gives the number of frames.

    Raises
    ------
    FileError
        If there are too many pixels, fewer than announced, or they are stored in a way not read.
    """
    frames = _announced_frames(dataset, limits)
    photometric = code(dataset, "PhotometricInterpretation")
    samples = whole_number(dataset, "SamplesPerPixel", 1)
    if (photometric, samples) not in {(name, 1) for name in (*GREY, "PALETTE COLOR")} | {
        (name, 3) for name in _COLOURS if name != "PALETTE COLOR"
    }:
        raise FileError(
            "This DICOM file stores its pixels in a way that is not read (grey, palette, RGB and "
            "YBR are)."
        )
    _check_length(dataset, frames)
    return frames


def check_mask_size(dataset: Dataset, limits: Limits) -> int:
    """Like `check_size`, for masks, which are stored in one way only."""
    frames = _announced_frames(dataset, limits)
    _check_length(dataset, frames)
    return frames


def _announced_frames(dataset: Dataset, limits: Limits) -> int:
    rows, columns = whole_number(dataset, "Rows", 0), whole_number(dataset, "Columns", 0)
    frames = whole_number(dataset, "NumberOfFrames", 1) or 1
    limits.check_size(rows, columns, frames)
    if frames > _MOST_FRAMES:
        raise FileError(f"This DICOM file announces {frames:,} frames, too many to be true.")
    return frames


def _check_length(dataset: Dataset, frames: int) -> None:
    """Refuse an uncompressed file that ends before its pixels."""
    if transfer_syntax(dataset).is_encapsulated:
        return
    bits = frames * whole_number(dataset, "BitsAllocated", 0)
    for side in ("Rows", "Columns"):
        bits *= whole_number(dataset, side, 0)
    bits *= whole_number(dataset, "SamplesPerPixel", 1)
    if code(dataset, "PhotometricInterpretation") == "YBR_FULL_422":
        bits = bits * 2 // 3  # two pixels share their colour
    if len(dataset.PixelData) * 8 < bits:
        raise FileError(_CUT_SHORT)


def transfer_syntax(dataset: Dataset) -> UID:
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


def is_grey(dataset: Dataset) -> bool:
    """Whether the file stores one grey value a pixel."""
    return code(dataset, "PhotometricInterpretation") in GREY


def stored_frames(dataset: Dataset, order: Sequence[int]) -> Iterator[NDArray[Any]]:
    """Decoded frames (H, W) or (H, W, 3), in this order; colours are RGB, palettes are not."""
    if whole_number(dataset, "NumberOfFrames", 1) <= 1:
        yield pixel_array(dataset)
    elif whole_number(dataset, "BitsAllocated", 0) == 1:
        # Frames of single bits may start inside a byte, which pydicom reads all at once only.
        yield from pixel_array(dataset)[list(order)]
    else:
        yield from iter_pixels(dataset, indices=list(order))


def grey_frames(dataset: Dataset, order: Sequence[int]) -> Iterator[NDArray[Any]]:
    """Values (H, W) of frames of a grey file after its modality LUT or rescale.

    Whole numbers stay whole where slope and intercept are.
    """
    for frame, stored in zip(order, stored_frames(dataset, order), strict=True):
        _check_shape(stored, dataset, ())
        yield _modality_values(_without_unused_bits(stored, dataset), dataset, frame)


def colour_frames(dataset: Dataset, order: Sequence[int]) -> Iterator[NDArray[np.uint8]]:
    """Frames (H, W, 3) of a colour or palette file, red, green, blue."""
    palette = code(dataset, "PhotometricInterpretation") == "PALETTE COLOR"
    for stored in stored_frames(dataset, order):
        colours = _eight_bits(apply_color_lut(stored, dataset) if palette else stored)
        _check_shape(colours, dataset, (3,))
        yield colours


def stacked(planes: Iterable[NDArray[Any]], count: int) -> NDArray[Any]:
    """So many planes (H, W) as (H, W, count), in a type that holds the values of all."""
    volume: NDArray[Any] | None = None
    for index, plane in enumerate(planes):
        if volume is None:
            volume = np.empty((count, *plane.shape), plane.dtype)
        elif plane.dtype != volume.dtype:
            common = np.promote_types(plane.dtype, volume.dtype)
            volume = volume.astype(common if common.name in _KEPT else np.float32)
        volume[index] = plane
    if volume is None:
        raise ValueError("there are no planes to stack")
    return np.ascontiguousarray(np.moveaxis(volume, 0, 2))


def _check_shape(decoded: NDArray[Any], dataset: Dataset, channels: tuple[int, ...]) -> None:
    size = (whole_number(dataset, "Rows", 0), whole_number(dataset, "Columns", 0))
    if decoded.shape != (*size, *channels):
        raise ValueError("the decoded pixels have another shape than the header says")


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
    if transfer_syntax(dataset).is_encapsulated:
        return stored  # a codec knows how many bits it gives
    allocated = stored.dtype.itemsize * 8
    used = whole_number(dataset, "BitsStored", allocated)
    above = allocated - 1 - whole_number(dataset, "HighBit", used - 1)
    if not 0 < used <= allocated or not 0 <= above <= allocated - used or used == allocated:
        return stored
    # To the top and back: the shift back repeats the sign of signed values.
    return np.right_shift(np.left_shift(stored, above), allocated - used)


def _modality_values(stored: NDArray[Any], dataset: Dataset, frame: int) -> NDArray[Any]:
    """Values (H, W) in the units of the modality, whole numbers where they stay whole."""
    if items(dataset, "ModalityLUTSequence"):
        return _kept_dtype(apply_modality_lut(stored, dataset))
    slope, intercept = _rescale(dataset, frame)
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
    return values if values.dtype.name in _KEPT else values.astype(np.float32)
