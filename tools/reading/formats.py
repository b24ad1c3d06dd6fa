"""Which format a file has, by its first bytes; names and extensions do not count.

A new reader is one module with ``read(file, limits) -> Scan`` and one line in `READERS`, plus how
its files begin in `sniff`.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

from parser_model.errors import FileError, RequestError

HEAD_BYTES: Final = 4096
"""How much of a file `sniff` wants to see."""

READERS: Final[dict[str, str]] = {
    "PNG": "tools.reading.pictures:read",
    "JPEG": "tools.reading.pictures:read",
    "WebP": "tools.reading.pictures:read",
    "BMP": "tools.reading.pictures:read",
    "GIF": "tools.reading.pictures:read",
    "TIFF": "tools.reading.tiff:read",
    "DICOM": "tools.reading.dicom:read",
    "NIfTI": "tools.reading.nifti:read",
    "Analyze": "tools.reading.nifti:read",
    "NRRD": "tools.reading.nrrd:read",
    "MetaImage": "tools.reading.metaimage:read",
    "ZIP": "tools.reading.series:read_zip",
}
"""Format to ``module:function``; a name, because the function is imported in the worker only."""

OF_SEVERAL: Final = ("folder", "ZIP")
"""What holds many files, and gets more time."""

VOLUMES: Final = ("NIfTI", "Analyze", "NRRD", "MetaImage")
"""Formats whose files may hold several volumes; their readers take a `frame`."""

_READABLE: Final = "PNG, JPEG, WebP, BMP, GIF, TIFF, DICOM, NIfTI, NRRD or MetaImage"

_SIGNATURES: Final[tuple[tuple[bytes, str], ...]] = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"BM", "BMP"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),  # BigTIFF
    (b"MM\0+", "TIFF"),
    (b"PK\x03\x04", "ZIP"),
    (b"NRRD000", "NRRD"),
)

_GZIP: Final = b"\x1f\x8b"
_ANALYZE_BYTES: Final = 348
_META_STARTS: Final = (b"ObjectType", b"NDims", b"Comment")

# What people do drop on such a program, and what to do about it.
_REFUSED: Final[tuple[tuple[bytes, str], ...]] = (
    (b"%PDF", "a PDF document; export the picture in it as PNG or JPEG"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"7z\xbc\xaf", "a 7z archive; unpack it and give an image in it"),
    (b"Rar!", "a RAR archive; unpack it and give an image in it"),
    (b"\x1f\x8b", "a gzip archive or damaged; unpack it and give an image in it"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 picture; convert it to PNG"),
    (b"\xff\x4f\xff\x51", "a bare JPEG 2000 stream; convert it to PNG"),
    (b"\x89HDF", "an HDF5 file; export the image in it as PNG or TIFF"),
    (b"MATLAB ", "a MATLAB file; export the image in it as PNG or TIFF"),
    (b"\x93NUMPY", "a NumPy array; save it as PNG or TIFF"),
)


def frame_option(name: str, frame: int | None) -> dict[str, int | None]:
    """The option of a reader that chooses one of several volumes; none where there is one.

    Raises
    ------
    RequestError
        If another than the first is asked of a format without several.
    """
    if name in VOLUMES:
        return {"frame": frame}
    if frame not in (None, 1):
        raise RequestError(f"There is no volume {frame}: this file holds no volumes over time.")
    return {}


def sniff(head: bytes) -> str:
    """The format of a file, a key of `READERS`.

    Parameters
    ----------
    head : bytes
        The first `HEAD_BYTES` of the file, fewer when it is shorter.

    Raises
    ------
    FileError
        When the file is empty, or of a kind that is not read; says which kind where it shows.
    """
    if not head:
        raise FileError("This file is empty (0 bytes).")
    if head.startswith(_GZIP) and (volume := _volume(_unpacked(head))):
        return volume
    if head[128:132] == b"DICM":
        return "DICOM"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    for start, name in _SIGNATURES:
        if head.startswith(start):
            return name
    for start, kind in _REFUSED:
        if head.startswith(start):
            raise FileError(f"This file is {kind}.")
    if volume := _volume(head):
        return volume
    if _is_dicom_without_preamble(head):
        return "DICOM"
    raise FileError(f"This file is {_describe_text(head)}; give a {_READABLE} image.")


def _unpacked(head: bytes) -> bytes:
    """What the head of a gzip file begins with; nothing if it is damaged."""
    try:
        return zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(head, HEAD_BYTES)
    except zlib.error:
        return b""


def _volume(head: bytes) -> str | None:
    """Which format of NIfTI, Analyze or MetaImage begins so."""
    if head[344:348] in (b"n+1\0", b"ni1\0") or head[4:8] in (b"n+2\0", b"ni2\0"):
        return "NIfTI"
    if len(head) >= _ANALYZE_BYTES:  # no mark but its own length and a number of axes
        for order in "<>":
            (length,) = struct.unpack(order + "i", head[:4])
            (axes,) = struct.unpack(order + "h", head[40:42])
            if length == _ANALYZE_BYTES and 1 <= axes <= 7:
                return "Analyze"
    is_meta = head.startswith(_META_STARTS) and b"DimSize" in head
    return "MetaImage" if is_meta else None


def _describe_text(head: bytes) -> str:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:512].lower()
    if b"<svg" in start:
        return "an SVG drawing, not an image of pixels"
    if start.startswith((b"<!doctype html", b"<html")):
        return "a web page, not an image"
    try:
        text = head[: len(head) - 3].decode("utf-8") if len(head) > 8 else head.decode("utf-8")
    except UnicodeDecodeError:
        return "not of a kind that parsechat knows"
    printable = all(character.isprintable() or character in "\t\r\n\f" for character in text)
    return "text, not an image" if printable else "not of a kind that parsechat knows"


def _is_dicom_without_preamble(head: bytes) -> bool:
    """Old files start at once with an element of group 2 or 8: tag, then a type or a length."""
    if len(head) < 16:
        return False
    for order in "<>":
        group, element = struct.unpack(order + "HH", head[:4])
        if group not in (0x0002, 0x0008) or element > 0x0100:
            continue
        value_type = head[4:6]
        if value_type.isalpha() and value_type.isupper():
            return True
        (length,) = struct.unpack(order + "I", head[4:8])
        if length <= 64 and length % 2 == 0:  # first elements are lengths, dates and short codes
            return True
    return False
