"""What there is to measure below some paths: pictures one by one, slices of a series together.

Walking looks at the first bytes of every file only; which DICOM files belong together is told when
their folder's turn comes (`sources_in`), so a tree of many thousand slices starts at once.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from parser_model.errors import FileError
from tools.reading import group_series, list_series, open_scan, open_series
from tools.reading.companions import header_names
from tools.reading.formats import HEAD_BYTES, sniff
from tools.scan import Scan

_ESCAPED: Final = {ord("\\"): "\\\\", **{code: f"\\x{code:02x}" for code in (*range(32), 127)}}

# What makes a table program calculate a cell, in ASCII and full width.
FORMULAS: Final = ("=", "+", "-", "@", "＝", "＋", "－", "＠")


@dataclass(frozen=True)
class Place:
    """A file, or the DICOM files of one folder, not yet told apart.

    Attributes
    ----------
    folder : Path
    files : tuple of str
        Names of files in it; one, unless they are DICOM.
    base : Path
        The names in the table are relative to this folder.
    dicom : bool
    """

    folder: Path
    files: tuple[str, ...]
    base: Path
    dicom: bool = False


@dataclass(frozen=True)
class Source:
    """One scan to measure.

    Attributes
    ----------
    name : str
        As the table gives it: the path of the file, or of the folder of a series, relative to the
        folder given. The user's own words: for the table they asked for, never for logs.
    path : Path
        The file, or the folder of the series.
    files : tuple of str
        The files of a series, names in `path`; empty for a single file.
    series : int or None
        From 1, where a folder or archive holds several.
    failure : str or None
        Why it cannot be read, when that is known already.
    """

    name: str
    path: Path
    files: tuple[str, ...] = ()
    series: int | None = None
    failure: str | None = None

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from the others of a table."""
        return self.name, "" if self.series is None else str(self.series)

    def open(self) -> Scan:
        """Read it.

        Raises
        ------
        FileError
            In one sentence without its name.
        """
        if self.failure is not None:
            raise FileError(self.failure)
        if self.files:
            return open_series(self.path, self.files)
        return open_scan(self.path, series=self.series)


def find_places(paths: Sequence[Path], *, without: Iterable[Path] = ()) -> list[Place]:
    """The files at and below some paths, in the order of their names; hidden ones are left out.

    Parameters
    ----------
    paths : sequence of Path
        Files and folders. Inside them links to files count as files, links to folders are not
        followed.
    without : iterable of Path
        Files that are no input, such as the table that is being written.

    Raises
    ------
    FileError
        When a path leads nowhere.
    """
    for number, path in enumerate(paths, 1):
        if not os.path.exists(path):  # also for a name that no file can have
            which = "There" if len(paths) == 1 else f"Path {number} leads nowhere; there"
            raise FileError(f"{which} is no such file or folder; check its name.")
    base = base_folder(paths)
    own = {path.resolve() for path in without}
    seen: set[Path] = set()
    found: list[Place] = []
    for folder, names in _folders(paths):
        # Two links to one file are two scans, as two copies would be; one path named twice is one.
        new = dict.fromkeys(name for name in names if folder / name not in seen)
        seen.update(folder / name for name in new)
        fresh = [name for name in new if (folder / name).resolve() not in own]
        dicom = tuple(name for name in fresh if _is_dicom(folder / name))
        if dicom:
            found.append(Place(folder, dicom, base, dicom=True))
        rest = set(fresh) - set(dicom)
        found += [
            Place(folder, (name,), base)
            for name in fresh
            if name in rest and rest.isdisjoint(header_names(name))
        ]
    return found


def base_folder(paths: Sequence[Path]) -> Path:
    """The folder that names in a table are relative to: the one given, or that of all given."""
    return Path(os.path.commonpath([_folder_of(path) for path in paths]))


def sources_in(place: Place) -> list[Source]:
    """The scans of one place; what cannot be told apart is a source with a failure.

    DICOM files of one series are one scan, named by their folder; a series of one file is named
    by the file. An archive gives a scan for each of its series.
    """
    if place.dicom:
        return _sources_of_dicom(place)
    path = place.folder / place.files[0]
    name = _name(path, place.base)
    if not _is_zip(path):
        return [Source(name, path)]
    try:
        count = len(list_series(path))
    except FileError as error:
        return [Source(name, path, failure=str(error))]
    if count < 2:
        return [Source(name, path)]
    return [Source(name, path, series=number) for number in range(1, count + 1)]


def _sources_of_dicom(place: Place) -> list[Source]:
    folder = _name(place.folder, place.base)
    try:
        groups = group_series(place.folder, place.files)
    except FileError as error:
        return [Source(folder, place.folder, failure=str(error))]
    several = len([group for group in groups if len(group) > 1]) > 1
    found = []
    for number, group in enumerate(groups, 1):
        if len(group) == 1:
            path = place.folder / group[0]
            found.append(Source(_name(path, place.base), path))
        else:
            chosen = number if several else None
            found.append(Source(folder, place.folder, group, series=chosen))
    grouped = {name for group in groups for name in group}
    alone = [place.folder / name for name in place.files if name not in grouped]
    return found + [Source(_name(path, place.base), path) for path in alone]


def _folders(paths: Sequence[Path]) -> Iterator[tuple[Path, list[str]]]:
    """Every folder with the names of its regular files; single files by their folders."""
    given: dict[Path, list[str]] = {}
    for path in paths:
        if not path.is_dir():
            given.setdefault(_folder_of(path), []).append(path.name)
    yield from given.items()
    for path in paths:
        if not path.is_dir():
            continue
        for place, below, names in os.walk(path.resolve()):
            below[:] = sorted(name for name in below if not _is_hidden(name))
            folder = Path(place)
            shown = sorted(name for name in names if not _is_hidden(name))
            yield folder, [name for name in shown if _is_regular(folder / name)]


def _folder_of(path: Path) -> Path:
    return path.resolve() if path.is_dir() else path.parent.resolve()


def _name(path: Path, base: Path) -> str:
    """A path as text on one line, whatever its name is made of, and never like a formula."""
    relative = os.path.relpath(path, base)
    text = os.fsencode(relative).decode("utf-8", "surrogateescape").translate(_ESCAPED)
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return f"./{text}" if text.startswith(FORMULAS) else text


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _is_regular(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False  # a link that leads nowhere


def _is_dicom(path: Path) -> bool:
    return _format(path) == "DICOM"


def _is_zip(path: Path) -> bool:
    return _format(path) == "ZIP"


def _format(path: Path) -> str | None:
    """The format by the first bytes; None for what is not read, which opening it explains."""
    if not _is_regular(path):
        return None
    try:
        with path.open("rb") as file:
            return sniff(file.read(HEAD_BYTES))
    except (FileError, OSError):
        return None
