"""Files that come in two: a header, and the pixels in another file beside it.

A header is text from strangers: what it names is looked for in its own folder or archive only.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final

from parser_model.errors import FileError
from tools.reading.limits import Limits

# Endings of files of pixels, and those of the headers that may stand beside them.
_HEADERS: Final = {
    ".img": (".hdr",),
    ".img.gz": (".hdr", ".hdr.gz"),
    ".raw": (".mhd", ".nhdr"),
    ".raw.gz": (".nhdr",),
    ".raw.bz2": (".nhdr",),
    ".zraw": (".mhd",),
}
_ELSEWHERE: Final = (
    "This header names a file of pixels in another place; only the same folder counts."
)
_MISSING: Final = (
    "The pixels of this header are in a second file that is not beside it; give both in one folder "
    "or zip archive."
)


class Packed(io.BytesIO):
    """A file of an archive in memory, which finds the files packed beside it."""

    def __init__(self, data: bytes, name: str, beside: Callable[[str], BinaryIO | None]) -> None:
        super().__init__(data)
        self.name = name
        self.beside = beside


def own_name(file: BinaryIO) -> str:
    """The name of an open file without its folder."""
    return PurePosixPath(os.fsdecode(getattr(file, "name", ""))).name


def open_beside(file: BinaryIO, names: Sequence[str], limits: Limits) -> BinaryIO:
    """The first of these files that stands beside an open one.

    Raises
    ------
    FileError
        If none does, a name leads elsewhere, or the file is too large.
    """
    for name in names:
        if not name or name in (".", "..") or set(name) & set("/\\:\0"):
            raise FileError(_ELSEWHERE)
        found = file.beside(name) if isinstance(file, Packed) else _on_disk(file, name, limits)
        if found is not None:
            return found
    raise FileError(_MISSING)


def header_names(name: str) -> tuple[str, ...]:
    """The headers that a file of pixels may belong to; none for other endings."""
    for ending in sorted(_HEADERS, key=len, reverse=True):
        if name.lower().endswith(ending):
            stem, upper = name[: -len(ending)], name[-len(ending) :].isupper()
            return tuple(stem + (one.upper() if upper else one) for one in _HEADERS[ending])
    return ()


def header_of(path: Path) -> Path:
    """The header beside a file of pixels; otherwise the path itself."""
    beside = (path.with_name(name) for name in header_names(path.name))
    return next((header for header in beside if os.path.isfile(header)), path)


def _on_disk(file: BinaryIO, name: str, limits: Limits) -> BinaryIO | None:
    own = getattr(file, "name", None)
    if not isinstance(own, str):
        return None
    folder = Path(own).parent
    path = folder / name
    if not path.exists():
        return None
    if path.resolve().parent != folder.resolve():  # a link
        raise FileError(_ELSEWHERE)
    status = path.stat()
    if not stat.S_ISREG(status.st_mode) or status.st_size > limits.file_bytes:
        raise FileError("The file of pixels beside this header is too large or no regular file.")
    return path.open("rb")
