"""Numbers out of packed streams, never more than asked for."""

from __future__ import annotations

import bz2
import gzip
import io
import zlib
from typing import Any, BinaryIO, Final, cast

import numpy as np
from numpy.typing import NDArray

from parser_model.errors import FileError

_CHUNK: Final = 1 << 22
_GZIP: Final = b"\x1f\x8b"


def unpacked(file: BinaryIO) -> BinaryIO:
    """The file, or what is in it if it is a gzip file."""
    start = file.read(len(_GZIP))
    file.seek(-len(start), io.SEEK_CUR)
    return gunzipped(file) if start == _GZIP else file


def gunzipped(file: BinaryIO) -> BinaryIO:
    """What a gzip file holds."""
    return cast(BinaryIO, gzip.GzipFile(fileobj=file))


def bunzipped(file: BinaryIO) -> BinaryIO:
    """What a bzip2 file holds."""
    return cast(BinaryIO, bz2.BZ2File(file))


def inflated(file: BinaryIO) -> BinaryIO:
    """What a zlib stream holds."""
    return cast(BinaryIO, io.BufferedReader(_Inflated(file)))


def skip(stream: BinaryIO, count: int) -> None:
    """Move on by so many bytes.

    Raises
    ------
    FileError
        If the count is negative: a damaged header.
    """
    if count < 0:
        raise FileError("The header of this file is damaged; export or copy the file again.")
    if stream.seekable():
        stream.seek(count, io.SEEK_CUR)
        return
    while count > 0 and (passed := len(stream.read(min(count, _CHUNK)))):
        count -= passed


def read_numbers(stream: BinaryIO, dtype: np.dtype[Any], count: int) -> NDArray[Any]:
    """The next numbers of a stream, in the byte order of this machine.

    Raises
    ------
    FileError
        If the stream ends before them.
    """
    numbers = np.empty(count, dtype)
    target, filled = numbers.view(np.uint8).data, 0
    while filled < len(target):
        chunk = stream.read(min(_CHUNK, len(target) - filled))
        if not chunk:
            raise FileError("This file is cut short: it announces more pixels than it holds.")
        target[filled : filled + len(chunk)] = chunk
        filled += len(chunk)
    if not dtype.isnative:
        numbers.byteswap(inplace=True)
    return numbers.view(dtype.newbyteorder("="))


class _Inflated(io.RawIOBase):
    """Unpacks a zlib stream bit by bit, so that a small file cannot fill the memory."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._unpacker = zlib.decompressobj()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._unpacker.eof:
            packed = self._unpacker.unconsumed_tail or self._file.read(1 << 16)
            found = self._unpacker.decompress(packed, len(buffer))
            if found:
                buffer[: len(found)] = found
                return len(found)
            if not packed:
                break
        return 0
