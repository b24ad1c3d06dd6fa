"""Reads DICOM files as data sets, within bounds that pydicom does not have."""

from __future__ import annotations

import struct
import zlib
from typing import BinaryIO, Final

from pydicom.dataset import Dataset
from pydicom.filereader import read_partial
from pydicom.tag import BaseTag, Tag
from pydicom.uid import DeflatedExplicitVRLittleEndian

from parser_model.errors import FileError

_PIXELS: Final = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
_PADDING: Final = 0  # a tag of zeros: what follows is not data
# The largest headers have some thousands at their top; to parse millions would take minutes.
_MOST_ELEMENTS: Final = 100_000
_DEFLATED: Final = str(DeflatedExplicitVRLittleEndian).encode()
_MOST_INFLATED: Final = 512 * 1024 * 1024
# Preamble, "DICM", then (0002,0000): the length of what precedes the data set (PS3.10 7.1).
_GROUP_LENGTH: Final = b"DICM\x02\x00\x00\x00UL\x04\x00"
_GROUP_START: Final = 144


def read_dataset(
    file: BinaryIO, *, pixels: bool = True, tags: tuple[str, ...] | None = None
) -> Dataset:
    """Read a DICOM file, also one without preamble.

    Parameters
    ----------
    file : BinaryIO
    pixels : bool
        Whether to read on to the pixels.
    tags : tuple of str, optional
        Keywords of the only elements to read.

    Raises
    ------
    FileError
        If a compressed data set is too large.
    Exception
        Any, for a damaged file.
    """
    _check_inflated_size(file)
    seen = 0

    def stop(tag: BaseTag, value_type: str | None, length: int) -> bool:
        nonlocal seen
        seen += 1
        if seen > _MOST_ELEMENTS:
            raise ValueError("more elements than a DICOM file has")
        return tag == _PADDING or (not pixels and tag in _PIXELS)

    wanted: list[BaseTag | int] | None = None if tags is None else [Tag(one) for one in tags]
    return read_partial(file, stop_when=stop, force=True, specific_tags=wanted)


def _check_inflated_size(file: BinaryIO) -> None:
    """Refuse a deflated data set, which may be a thousand times as large, before it is inflated."""
    head = file.read(2048)
    file.seek(0)
    if _DEFLATED not in head:
        return
    (length,) = struct.unpack("<I", head[_GROUP_START - 4 : _GROUP_START])
    if head[128 : _GROUP_START - 4] != _GROUP_LENGTH:
        raise FileError("This DICOM file is damaged or cut short; copy or export it again.")
    file.seek(_GROUP_START + length)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    inflated, rest = 0, file.read()
    while rest and not inflater.eof and inflated <= _MOST_INFLATED:
        inflated += len(inflater.decompress(rest, 1 << 24))
        rest = inflater.unconsumed_tail
    file.seek(0)
    if inflated > _MOST_INFLATED:
        raise FileError("This DICOM file would unpack to more than 512 MiB; it is made to harm.")
