"""PNG, JPEG, WebP, BMP and GIF through Pillow."""

from __future__ import annotations

from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from parser_model.errors import FileError
from tools.geometry import Geometry
from tools.reading.limits import Limits
from tools.scan import Scan

FLATTENED: Final = "The picture has transparent parts; they are shown and measured as black."
REDUCED: Final = "The picture has 16 bits per colour; 8 of them are used."
_TURNED: Final = "The picture is shown upright, as its EXIF orientation says."
_EXIF_ORIENTATION: Final = 0x0112
_NAMES: Final = {"PNG": "PNG", "JPEG": "JPEG", "MPO": "JPEG", "WEBP": "WebP", "BMP": "BMP",
                 "DIB": "BMP", "GIF": "GIF"}  # fmt: skip


def read(file: BinaryIO, limits: Limits) -> Scan:
    """Read one picture: grey of 1 to 16 bits, palette, colour, CMYK, with or without transparency.

    Grey values are kept as they are. Transparency is put on black, the background of radiology.
    The EXIF orientation is applied. Dots per inch are not taken for a scale.

    Raises
    ------
    FileError
        If the picture is damaged, cut short or too large.
    """
    Image.MAX_IMAGE_PIXELS = None  # our own limit below is checked before decoding too
    formats = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
    with Image.open(file, formats=formats) as picture:
        limits.check_size(picture.height, picture.width)
        name = _NAMES[picture.format or ""]
        if name == "PNG":
            _check_png(file, limits)
        notes = _notes(picture, name, file)
        picture.seek(0)
        picture.load()
        upright = ImageOps.exif_transpose(picture)
        if picture.getexif().get(_EXIF_ORIENTATION, 1) not in (0, 1):
            notes.append(_TURNED)
        pixels, flattened = _pixels(upright)
    if flattened:
        notes.append(FLATTENED)
    pixels, colour = without_equal_channels(pixels)
    return Scan(pixels, Geometry(), colour=colour, source_format=name, notes=tuple(notes))


def without_equal_channels(pixels: NDArray[Any]) -> tuple[NDArray[Any], bool]:
    """Grey pixels (H, W) when all channels agree, and whether there is colour."""
    if pixels.ndim == 2:
        return pixels, False
    first = pixels[:, :, 0]
    if np.array_equal(first, pixels[:, :, 1]) and np.array_equal(first, pixels[:, :, 2]):
        return np.ascontiguousarray(first), False
    return pixels, True


def on_black(pixels: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pixels (H, W[, 3]) with transparency (H, W), 255 opaque, laid on black."""
    weight = alpha.astype(np.uint16)
    if pixels.ndim == 3:
        weight = weight[:, :, np.newaxis]
    return ((pixels * weight + 127) // 255).astype(np.uint8)


def _check_png(file: BinaryIO, limits: Limits) -> None:
    """Check the sums of all chunks: Pillow decodes pixels without looking at theirs."""
    file.seek(0)
    with Image.open(file, formats=("PNG",)) as picture:
        picture.verify()
    file.seek(0)


def _notes(picture: Image.Image, name: str, file: BinaryIO) -> list[str]:
    notes = []
    frames = int(getattr(picture, "n_frames", 1))
    if frames > 1 and picture.format != "MPO":  # a camera's second frame is a preview
        notes.append(f"The file is an animation of {frames} frames; the first one is read.")
    if name == "PNG":
        file.seek(24)
        depth, kind = file.read(2)  # in the header chunk of every PNG
        if depth == 16 and kind != 0:
            notes.append(REDUCED)
    return notes


def _pixels(picture: Image.Image) -> tuple[NDArray[Any], bool]:
    """Pixels as grey (H, W) or colour (H, W, 3), and whether transparency was flattened."""
    mode = picture.mode
    if mode == "1":
        return np.asarray(picture.convert("L")), False
    if mode in ("L", "F") and "transparency" not in picture.info:
        return np.asarray(picture), False
    if mode.startswith("I"):
        values = np.asarray(picture)
        return values.astype(values.dtype.newbyteorder("=")), False
    if mode == "LA":
        both = np.asarray(picture)
        return _flattened(both[:, :, 0], both[:, :, 1])
    if mode in ("RGBA", "PA", "La", "RGBa") or "transparency" in picture.info:
        both = np.asarray(picture.convert("RGBA"))
        return _flattened(both[:, :, :3], both[:, :, 3])
    if mode in ("RGB", "P", "CMYK", "YCbCr", "LAB", "HSV"):
        return np.asarray(picture.convert("RGB")), False
    raise FileError(f"This picture stores its pixels in a way that is not read ({mode}).")


def _flattened(
    pixels: NDArray[np.uint8], alpha: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], bool]:
    if (alpha == 255).all():
        return np.ascontiguousarray(pixels), False
    return on_black(pixels, alpha), True
