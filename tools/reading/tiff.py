"""TIFF through tifffile: the first picture of a file, at full resolution."""

from __future__ import annotations

import re
from typing import Any, BinaryIO, Final
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray
from tifffile import COMPRESSION, PHOTOMETRIC, TiffFile, TiffPage, TiffTags

from parser_model.errors import FileError
from tools.geometry import Geometry
from tools.reading.limits import Limits
from tools.reading.pictures import FLATTENED, REDUCED, on_black, without_equal_channels
from tools.reading.slides import choose_level
from tools.scan import Scan

_INVERTED: Final = (
    "The file stores low values as bright (WhiteIsZero); it is shown inverted, and intensities are "
    "those of the file."
)
_TURNED: Final = "The picture is shown upright, as its orientation tag says."
_ORIENTATION: Final = 274  # TIFF 6.0; 1 to 8 as in EXIF
_KEPT: Final = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32")
_WITH_ALPHA: Final = (1, 2)  # ExtraSamples: associated or unassociated alpha
_MPP: Final = re.compile(r"\bMPP\s*=\s*([0-9.eE+-]+)")
_MILLIMETRES: Final = {"µm": 1e-3, "um": 1e-3, "nm": 1e-6, "mm": 1.0, "cm": 10.0, "m": 1000.0}


def read(file: BinaryIO, limits: Limits) -> Scan:
    """Read the first picture of a TIFF: grey of any depth, float, palette, RGB, CMYK, YCbCr.

    Of a slide the finest level that fits is read.

    Grey values are kept; more than 8 bits of colour are reduced. Transparency is put on black.
    The resolution tags, which are for printing, are no scale; the micrometres per pixel of slide
    scanners (Aperio) and of OME-TIFF are.

    Raises
    ------
    FileError
        If it is damaged, cut short, too large, or a volume in one page.
    """
    with TiffFile(file) as tiff:
        level = choose_level(tiff, limits)
        page = level.page
        limits.check_size(page.imagelength, page.imagewidth, page.imagedepth)
        if page.imagedepth != 1:
            raise FileError("This TIFF file is a volume; single images are read so far.")
        _check_complete(page, file)
        orientation = _orientation(page.tags)
        spacing = _slide_spacing(tiff, tiff.pages.first)
        if spacing is not None:
            spacing = (spacing[0] * level.scale[0], spacing[1] * level.scale[1])
        slide = tiff.is_svs
        stored = page.asarray()
        pixels, inverted, notes = _pixels(stored, page)
    notes += level.notes
    if orientation != 1:
        pixels = _upright(pixels, orientation)
        notes.append(_TURNED)
        if orientation >= 5 and spacing is not None:
            spacing = (spacing[1], spacing[0])
    pixels, colour = without_equal_channels(pixels)
    return Scan(
        pixels=pixels,
        geometry=Geometry(spacing, "slide-mpp") if spacing else Geometry(),
        colour=colour,
        modality="pathology" if slide else None,
        inverted=inverted,
        source_format="TIFF",
        notes=tuple(notes),
    )


def _check_complete(page: TiffPage, file: BinaryIO) -> None:
    """Refuse a file that ends before its pixels: the decoder would fill in what is missing."""
    end = file.seek(0, 2)
    ranges = list(zip(page.dataoffsets, page.databytecounts, strict=False))
    complete = all(offset > 0 and count > 0 and offset + count <= end for offset, count in ranges)
    if not ranges or not complete:
        raise FileError("This TIFF file is cut short: it announces more pixels than it holds.")


def _orientation(tags: TiffTags) -> int:
    tag = tags.get(_ORIENTATION)
    value = int(tag.value) if tag is not None else 1
    return value if 1 <= value <= 8 else 1


def _upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Pixels turned so that the first row is the top and the first column the left side."""
    if orientation >= 5:  # rows and columns are exchanged
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def _pixels(stored: NDArray[Any], page: TiffPage) -> tuple[NDArray[Any], bool, list[str]]:
    """Grey (H, W) or colour (H, W, 3) uint8, whether it is inverted, and notes."""
    rows, columns, samples = page.imagelength, page.imagewidth, page.samplesperpixel
    if stored.shape == (samples, rows, columns) and samples > 1 and page.planarconfig == 2:
        stored = np.moveaxis(stored, 0, 2)
    if stored.shape not in ((rows, columns), (rows, columns, samples)):
        raise FileError("This TIFF file arranges its pixels in a way that is not read.")
    notes: list[str] = []
    photometric = page.photometric
    channels = stored.reshape(rows, columns, samples)
    alpha = next((i for i, kind in enumerate(page.extrasamples) if kind in _WITH_ALPHA), None)
    own = samples - len(page.extrasamples)
    inverted = False
    if photometric == PHOTOMETRIC.PALETTE and own == 1 and page.colormap is not None:
        table = np.moveaxis(np.asarray(page.colormap), 0, 1)  # three columns of 16 bits
        pixels: NDArray[Any] = (table >> 8).astype(np.uint8)[channels[:, :, 0]]
    elif photometric in (PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.MINISWHITE) and own == 1:
        pixels = _grey(channels[:, :, 0])
        inverted = photometric == PHOTOMETRIC.MINISWHITE
        if inverted:
            notes.append(_INVERTED)
    elif photometric == PHOTOMETRIC.SEPARATED and own == 4:
        inks = _eight_bits(channels[:, :, :4], notes).astype(np.uint16)
        left = (255 - inks[:, :, :3]) * (255 - inks[:, :, 3:])
        pixels = ((left + 127) // 255).astype(np.uint8)
    elif own == 3 and (
        photometric == PHOTOMETRIC.RGB
        or (photometric == PHOTOMETRIC.YCBCR and page.compression in _GIVES_RGB)
    ):
        pixels = _eight_bits(channels[:, :, :3], notes)
    else:
        raise FileError("This TIFF file stores its colours in a way that is not read.")
    if alpha is not None and channels.dtype.kind == "u" and pixels.dtype == np.uint8:
        opacity = _eight_bits(channels[:, :, own + alpha], [])
        if (opacity != 255).any():
            # Associated alpha (1) has been multiplied in already: on black nothing is left to do.
            pixels = pixels if page.extrasamples[alpha] == 1 else on_black(pixels, opacity)
            notes.append(FLATTENED)
    return np.ascontiguousarray(pixels), inverted, notes


_GIVES_RGB: Final = (COMPRESSION.JPEG, COMPRESSION.OJPEG)


def _grey(plane: NDArray[Any]) -> NDArray[Any]:
    if plane.dtype == np.bool_:
        return plane.astype(np.uint8) * np.uint8(255)
    if plane.dtype.kind == "c":
        raise FileError("This TIFF file holds complex numbers, not an image to look at.")
    native = plane.astype(plane.dtype.newbyteorder("="))
    return native if native.dtype.name in _KEPT else native.astype(np.float32)


def _eight_bits(channels: NDArray[Any], notes: list[str]) -> NDArray[np.uint8]:
    if channels.dtype == np.uint8:
        return channels.astype(np.uint8, copy=False)
    if channels.dtype == np.uint16:
        notes.append(REDUCED)
        return (channels.astype(np.uint16, copy=False) >> 8).astype(np.uint8)
    raise FileError("This TIFF file stores its colours in a way that is not read.")


def _slide_spacing(tiff: TiffFile, page: TiffPage) -> tuple[float, float] | None:
    """(rows, columns) millimetres that a slide scanner or microscope wrote, None without."""
    if tiff.is_svs:
        found = _MPP.search(page.description)
        return _both(found.group(1), found.group(1), 1e-3) if found else None
    if tiff.is_ome and tiff.ome_metadata:
        for element in ElementTree.fromstring(tiff.ome_metadata).iter():
            if element.tag.rpartition("}")[2] == "Pixels":
                units = {element.get(f"PhysicalSize{axis}Unit", "µm") for axis in "XY"}
                unit = _MILLIMETRES.get(units.pop()) if len(units) == 1 else None
                sizes = element.get("PhysicalSizeY"), element.get("PhysicalSizeX")
                return _both(*sizes, unit) if unit and sizes[0] and sizes[1] else None
    return None


def _both(rows: str | None, columns: str | None, unit: float) -> tuple[float, float] | None:
    try:
        spacing = (float(rows or 0) * unit, float(columns or 0) * unit)
    except ValueError:
        return None
    return spacing if min(spacing) > 0 and max(spacing) < float("inf") else None
