"""Reads image files into scans, in a process of its own."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from parser_model.errors import FileError
from tools.reading.formats import HEAD_BYTES, READERS, sniff
from tools.reading.limits import Limits
from tools.reading.process import POOL
from tools.scan import Scan

__all__ = ["Limits", "open_scan", "start_worker"]


def open_scan(path: str | os.PathLike[str], *, limits: Limits | None = None) -> Scan:
    """Read one image file.

    The format is told by the content, not the name. Decoding happens in a worker process that is
    started once and kept; any thread may call.

    Parameters
    ----------
    path : str or path-like
        PNG, JPEG, WebP, BMP, GIF, TIFF or DICOM.
    limits : Limits, optional
        Of pixels, seconds and memory.

    Returns
    -------
    Scan

    Raises
    ------
    FileError
        In one sentence, without the name of the file or anything it says: there is no such file,
        it is no image, damaged, too large, or of a kind that is not read.
    """
    limits = limits or Limits()
    place = Path(path)
    name = sniff(_head(place, limits))
    return POOL.decode(place, name, READERS[name], limits)


def start_worker(limits: Limits | None = None) -> None:
    """Start the worker already, beside other slow starts, to save its time on the first file."""
    POOL.start(limits or Limits())


def _head(path: Path, limits: Limits) -> bytes:
    """The first bytes of a regular file, or why there are none."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise FileError(_describe_folder(path))
        if not stat.S_ISREG(status.st_mode):
            raise FileError("This is not a regular file; give an image file.")
        if status.st_size > limits.file_bytes:
            size, most = status.st_size / 1024**3, limits.file_bytes / 1024**3
            raise FileError(f"This file has {size:.1f} GiB; the limit is {most:.2g} GiB.")
        with path.open("rb") as file:
            return file.read(HEAD_BYTES)
    except FileNotFoundError:
        raise FileError("There is no such file; check its name and folder.") from None
    except PermissionError:
        raise FileError("This file may not be read; check its permissions.") from None
    except (OSError, ValueError):  # a name with a zero byte, a broken disk
        raise FileError("This file cannot be read from disk.") from None


def _describe_folder(path: Path) -> str:
    if not any(path.iterdir()):
        return "This folder is empty; give an image file."
    return "This is a folder; single image files are read so far, so give one of the files in it."
