"""Files in a folder or a zip archive, found with bounds and opened one at a time.

Nothing is unpacked to disk, so names inside an archive lead nowhere: entries are read into memory.
"""

from __future__ import annotations

import functools
import io
import os
import stat
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final
from zipfile import BadZipFile, LargeZipFile, ZipFile, ZipInfo

from parser_model.errors import FileError
from tools.reading.companions import Packed, header_names
from tools.reading.limits import Limits

MOST_FILES: Final = 20_000
"""More files than a study has; a folder with more is not one."""

_ENCRYPTED: Final = 0x1  # general purpose bit flag of a zip entry
# Scans shrink 2 to 10 times and blank ones some hundred; archives made to harm, 1,000 and more.
_MOST_RATIO: Final = 200
_FREE_BYTES: Final = 256 * 1024 * 1024  # unpacked sizes below are harmless at any ratio
_OFFICE: Final = ("[Content_Types].xml", "mimetype")


@dataclass(frozen=True)
class Entry:
    """One file in a folder or archive.

    Attributes
    ----------
    name : str
        Its path inside; never told or kept.
    size : int
        Bytes, unpacked.
    open : callable
        Gives the file, to be closed by the caller; may raise FileError.
    """

    name: str
    size: int
    open: Callable[[], BinaryIO]


def folder_entries(folder: Path, limits: Limits) -> list[Entry]:
    """The regular files in a folder and the folders in it, without hidden ones, in name order.

    Raises
    ------
    FileError
        If there are too many, or they are too large together.
    """
    found: list[Entry] = []
    for place, folders, names in os.walk(folder):  # does not follow links to folders
        folders[:] = sorted(name for name in folders if not _is_hidden(name))
        for name in sorted(name for name in names if not _is_hidden(name)):
            path = Path(place) / name
            try:
                status = path.stat()
            except OSError:
                continue  # a link that leads nowhere
            if stat.S_ISREG(status.st_mode):
                found.append(Entry(str(path), status.st_size, functools.partial(_open_file, path)))
        if len(found) > MOST_FILES:
            raise FileError(
                f"This folder holds more than {MOST_FILES:,} files; give the folder of one series."
            )
    _check_total(found, "folder", limits)
    return found


def named_entries(folder: Path, names: Sequence[str], limits: Limits) -> list[Entry]:
    """These files of a folder, in the order given.

    Raises
    ------
    FileError
        If there are too many, they are too large together, or one is gone.
    """
    if len(names) > MOST_FILES:
        raise FileError(
            f"This folder holds more than {MOST_FILES:,} files; give the folder of one series."
        )
    try:
        found = [
            Entry(
                name, (folder / name).stat().st_size, functools.partial(_open_file, folder / name)
            )
            for name in names
        ]
    except OSError:
        raise FileError("A file of this folder is gone; look whether it is still there.") from None
    _check_total(found, "folder", limits)
    return found


def zip_entries(file: BinaryIO, limits: Limits) -> list[Entry]:
    """The files in a zip archive, without folders and hidden ones, in name order.

    Raises
    ------
    FileError
        If the archive is damaged, encrypted or an office document, or would unpack to too many
        or too many bytes.
    """
    try:
        archive = ZipFile(file)
        listed = archive.infolist()
    except (BadZipFile, LargeZipFile, NotImplementedError, UnicodeDecodeError, ValueError):
        raise FileError(
            "This zip archive is damaged or cut short; make or copy it again."
        ) from None
    if len(listed) > MOST_FILES:
        raise FileError(
            f"This zip archive holds more than {MOST_FILES:,} files; give one series of it."
        )
    if any(info.filename in _OFFICE for info in listed):
        raise FileError("This file is an office document; export the picture in it as PNG or JPEG.")
    infos = [i for i in listed if not i.is_dir() and not _is_hidden_path(i.filename)]
    if any(info.flag_bits & _ENCRYPTED for info in infos):
        raise FileError("This zip archive is encrypted; unpack it and give the files in it.")
    infos.sort(key=lambda info: info.filename)
    found = [
        Entry(info.filename, info.file_size, functools.partial(_open_packed, archive, info))
        for info in infos
    ]
    _check_total(found, "zip archive", limits)
    unpacked, packed = sum(entry.size for entry in found), file.seek(0, io.SEEK_END)
    if unpacked > _FREE_BYTES and unpacked > _MOST_RATIO * packed:
        raise FileError(
            f"This zip archive would unpack to more than {_MOST_RATIO} times its size; it is "
            "damaged or made to harm."
        )
    return found


def without_pixel_halves(entries: Sequence[Entry]) -> list[Entry]:
    """Entries without the files of pixels whose header is among them."""
    names = {entry.name for entry in entries}
    return [entry for entry in entries if names.isdisjoint(header_names(entry.name))]


def _open_file(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError:
        raise FileError("A file in this folder may not be read; check its permissions.") from None


def _open_packed(archive: ZipFile, info: ZipInfo) -> BinaryIO:
    """An entry in memory; `zipfile` gives no more bytes than announced, which were counted."""
    try:
        data = archive.read(info)
    except (BadZipFile, EOFError, NotImplementedError, OSError, RuntimeError, zlib.error):
        raise FileError(
            "A file in this zip archive is damaged or packed in a way that is not read; unpack "
            "the archive and give the files in it."
        ) from None

    def beside(name: str) -> BinaryIO | None:
        path = info.filename.rpartition("/")[0] + "/" + name
        other = archive.NameToInfo.get(path.removeprefix("/"))
        return None if other is None else _open_packed(archive, other)

    return Packed(data, info.filename, beside)


def _check_total(found: list[Entry], kind: str, limits: Limits) -> None:
    total = sum(entry.size for entry in found)
    if total > limits.file_bytes:
        size, most = total / 1024**3, limits.file_bytes / 1024**3
        raise FileError(
            f"The files in this {kind} have {size:.1f} GiB together; the limit is {most:.2g} GiB, "
            "so give one series of it."
        )


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _is_hidden_path(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    return any(_is_hidden(part) for part in parts if part not in (".", ".."))
