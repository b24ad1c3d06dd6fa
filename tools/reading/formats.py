"""Which format a file has, by its first bytes; names and extensions do not count.

A new reader is one module with ``read(file, limits) -> Scan`` and one line in `READERS`, plus how
its files begin in `sniff`.
"""

from __future__ import annotations

import struct
from typing import Final

from parser_model.errors import FileError

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
    "ZIP": "tools.reading.series:read_zip",
}
"""Format to ``module:function``; a name, because the function is imported in the worker only."""

_READABLE: Final = "PNG, JPEG, WebP, BMP, GIF, TIFF or DICOM"

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
)

# What people do drop on such a program, and what to do about it.
_REFUSED: Final[tuple[tuple[bytes, str], ...]] = (
    (b"%PDF", "a PDF document; export the picture in it as PNG or JPEG"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"7z\xbc\xaf", "a 7z archive; unpack it and give an image in it"),
    (b"Rar!", "a RAR archive; unpack it and give an image in it"),
    (b"\x1f\x8b", "a gzip file, perhaps a NIfTI volume; single images are read so far"),
    (b"NRRD", "an NRRD volume; single images are read so far"),
    (b"ObjectType", "a MetaImage volume; single images are read so far"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 picture; convert it to PNG"),
    (b"\xff\x4f\xff\x51", "a bare JPEG 2000 stream; convert it to PNG"),
    (b"\x89HDF", "an HDF5 file; export the image in it as PNG or TIFF"),
    (b"MATLAB ", "a MATLAB file; export the image in it as PNG or TIFF"),
    (b"\x93NUMPY", "a NumPy array; save it as PNG or TIFF"),
)


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
    if head[344:348] in (b"n+1\0", b"ni1\0") or head[4:8] == b"n+2\0":
        raise FileError("This file is a NIfTI volume; single images are read so far.")
    if _is_dicom_without_preamble(head):
        return "DICOM"
    raise FileError(f"This file is {_describe_text(head)}; give a {_READABLE} image.")


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
