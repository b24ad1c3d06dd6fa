"""Reads image files, folders and archives into scans, in a process of its own."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from parser_model.errors import FileError, RequestError
from tools.reading.companions import header_names, header_of
from tools.reading.formats import HEAD_BYTES, READERS, frame_option, sniff
from tools.reading.limits import Limits
from tools.reading.process import POOL
from tools.scan import Scan

__all__ = [
    "Limits",
    "SeriesInfo",
    "group_series",
    "list_series",
    "open_scan",
    "open_series",
    "start_worker",
]

_FOLDER = "folder"


@dataclass(frozen=True)
class SeriesInfo:
    """One series of a folder or archive, without anything that names a person.

    Attributes
    ----------
    number : int
        What `open_scan` takes as `series`; 1 is the largest.
    slices, rows, columns : int
    modality, body_part : str or None
        As in `Scan`.
    plane : str or None
        "axial", "coronal" or "sagittal", whichever is closest.
    """

    number: int
    slices: int
    rows: int
    columns: int
    modality: str | None
    body_part: str | None
    plane: str | None


def open_scan(
    path: str | os.PathLike[str],
    *,
    series: int | None = None,
    frame: int | None = None,
    limits: Limits | None = None,
) -> Scan:
    """Read one image file, or one DICOM series of a folder or zip archive.

    The format is told by the content, not the name. Decoding happens in a worker process that is
    started once and kept; any thread may call. Slices of a series may come in any order: their
    positions sort them, axial ones towards the head, coronal ones towards the back, sagittal ones
    towards the patient's left. Volumes of other formats are turned to be seen in the same way
    (`tools.frames.radiological`). What is odd or left out is told in `Scan.notes`.

    Parameters
    ----------
    path : str or path-like
        PNG, JPEG, WebP, BMP, GIF, TIFF, DICOM, NIfTI, Analyze, NRRD or MetaImage, of pairs of
        header and pixels either file; a folder or zip archive with DICOM files, or with one file
        (or pair) of any of these kinds.
    series : int, optional
        Which one, by the numbers of `list_series`; the largest by default.
    frame : int, optional
        Which volume of a file that holds several (NIfTI, NRRD and the like), from 1; the first by
        default.
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
    RequestError
        If there is no such series or volume.
    """
    limits = limits or Limits()
    place = header_of(Path(path))
    name = file_format(place, limits)
    if name in (_FOLDER, "ZIP"):
        reader = "tools.reading.series:read_folder" if name == _FOLDER else READERS[name]
        return POOL.decode(place, name, reader, limits, series=series, frame=frame)
    if series not in (None, 1):
        raise RequestError(f"There is no series {series}: this is a single file.")
    return POOL.decode(place, name, READERS[name], limits, **frame_option(name, frame))


def list_series(
    path: str | os.PathLike[str], *, limits: Limits | None = None
) -> tuple[SeriesInfo, ...]:
    """The DICOM image series in a folder or zip archive, the one read by default first.

    At most the 1,000 largest.

    Parameters
    ----------
    path : str or path-like
    limits : Limits, optional

    Raises
    ------
    FileError
        As `open_scan`; if it is neither folder nor archive.
    """
    limits = limits or Limits()
    place = Path(path)
    name = file_format(place, limits)
    if name not in (_FOLDER, "ZIP"):
        raise FileError("This is a single file; give a folder or a zip archive to list its series.")
    reader = "list_folder" if name == _FOLDER else "list_zip"
    found, _ = POOL.call(place, name, f"tools.reading.series:{reader}", limits)
    return tuple(SeriesInfo(**one) for one in found["series"])


def group_series(
    folder: str | os.PathLike[str], names: Sequence[str], *, limits: Limits | None = None
) -> tuple[tuple[str, ...], ...]:
    """Which DICOM files of a folder belong together, told by their headers.

    Parameters
    ----------
    folder : str or path-like
    names : sequence of str
        Of files in it; no folders below it.
    limits : Limits, optional

    Returns
    -------
    tuple of tuple of str
        The files of every image series, in the order of `list_series`; files without an image and
        damaged ones are in none.

    Raises
    ------
    FileError
        If there are too many, they are too large together, or one is gone.
    """
    reader = "tools.reading.series:group_files"
    place, limits = Path(folder), limits or Limits()
    found, _ = POOL.call(place, _FOLDER, reader, limits, names=list(names))
    return tuple(tuple(names[index] for index in group) for group in found["groups"])


def open_series(
    folder: str | os.PathLike[str], names: Sequence[str], *, limits: Limits | None = None
) -> Scan:
    """Read one DICOM series from these files of a folder, as `open_scan` does.

    Parameters
    ----------
    folder : str or path-like
    names : sequence of str
        As `group_series` gives them.
    limits : Limits, optional

    Raises
    ------
    FileError
        As `open_scan`.
    """
    reader = "tools.reading.series:read_files"
    place, limits = Path(folder), limits or Limits()
    return POOL.decode(place, _FOLDER, reader, limits, names=list(names))


def start_worker(limits: Limits | None = None) -> None:
    """Start the worker already, beside other slow starts, to save its time on the first file."""
    POOL.start(limits or Limits())


def file_format(path: str | os.PathLike[str], limits: Limits) -> str:
    """What a path leads to: a key of `READERS` or "folder".

    Raises
    ------
    FileError
        If it leads to nothing that is read.
    """
    path = Path(path)
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            if not any(path.iterdir()):
                raise FileError("This folder is empty; give an image file.")
            return _FOLDER
        if not stat.S_ISREG(status.st_mode):
            raise FileError("This is not a regular file; give an image file.")
        if status.st_size > limits.file_bytes:
            size, most = status.st_size / 1024**3, limits.file_bytes / 1024**3
            raise FileError(f"This file has {size:.1f} GiB; the limit is {most:.2g} GiB.")
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except FileNotFoundError:
        raise FileError("There is no such file; check its name and folder.") from None
    except PermissionError:
        raise FileError("This file may not be read; check its permissions.") from None
    except (OSError, ValueError):  # a name with a zero byte, a broken disk
        raise FileError("This file cannot be read from disk.") from None
    try:
        return sniff(head)
    except FileError:
        if header_names(path.name):
            raise FileError(
                "This file is half of a pair, pixels without their header; put the header (.hdr, "
                ".mhd or .nhdr) of the same name beside it."
            ) from None
        raise
