"""DICOM series: files in any order become one stack, and what was left out is told.

The files of a folder or archive are told apart by their headers. Slices that share a series, an
orientation, a size and a way of storing pixels make a stack; everything else is a series of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from parser_model.errors import FileError, RequestError
from tools.reading import dicom
from tools.reading.containers import (
    Entry,
    folder_entries,
    named_entries,
    without_pixel_halves,
    zip_entries,
)
from tools.reading.dicom_file import read_dataset
from tools.reading.dicom_headers import Header, read_header, share_stack
from tools.reading.dicom_pixels import check_size, grey_frames, stacked
from tools.reading.dispatch import call_reader
from tools.reading.formats import HEAD_BYTES, READERS, frame_option, sniff
from tools.reading.limits import Limits
from tools.reading.stacks import Stack, arrange
from tools.scan import Scan

_NO_PLACES: Final = (
    "The files do not say where their slices lie, so these are in the order of their numbers and "
    "there are no volumes."
)
_MOST_TOLD: Final = 6
_MOST_LISTED: Final = 1000


@dataclass(frozen=True)
class _Found:
    """What a folder or archive holds."""

    kind: str
    series: tuple[tuple[Header, ...], ...]
    other_formats: tuple[tuple[str, Entry], ...]
    without_image: int
    damaged: int
    unknown: int


def read_folder(
    folder: Path, limits: Limits, series: int | None = None, frame: int | None = None
) -> Scan:
    """Read a series of a folder; see `tools.reading.open_scan`."""
    return _read(_look(folder_entries(folder, limits), "folder", limits), limits, series, frame)


def read_zip(
    file: BinaryIO, limits: Limits, series: int | None = None, frame: int | None = None
) -> Scan:
    """Read a series of a zip archive; see `tools.reading.open_scan`."""
    return _read(_look(zip_entries(file, limits), "zip archive", limits), limits, series, frame)


def list_folder(folder: Path, limits: Limits) -> tuple[dict[str, Any], NDArray[Any]]:
    """The series of a folder; see `tools.reading.list_series`."""
    return _list(_look(folder_entries(folder, limits), "folder", limits))


def list_zip(file: BinaryIO, limits: Limits) -> tuple[dict[str, Any], NDArray[Any]]:
    """The series of a zip archive; see `tools.reading.list_series`."""
    return _list(_look(zip_entries(file, limits), "zip archive", limits))


def read_files(folder: Path, limits: Limits, names: Sequence[str]) -> Scan:
    """Read the series that these files of a folder make; see `tools.reading.open_series`."""
    return _read(_look(named_entries(folder, names, limits), "series", limits), limits, None, None)


def group_files(
    folder: Path, limits: Limits, names: Sequence[str]
) -> tuple[dict[str, Any], NDArray[Any]]:
    """Which files make a series; see `tools.reading.group_series`."""
    found = _look(named_entries(folder, names, limits), "folder", limits)
    place = {name: index for index, name in enumerate(names)}
    groups = [sorted(place[header.entry.name] for header in group) for group in found.series]
    return {"groups": groups}, np.zeros(1, np.uint8)  # no array to give


def _look(entries: Sequence[Entry], kind: str, limits: Limits) -> _Found:
    """Tell the files apart by their first bytes and DICOM headers."""
    headers: list[Header] = []
    other: list[tuple[str, Entry]] = []
    without_image = damaged = unknown = 0
    for number, entry in enumerate(without_pixel_halves(entries)):
        try:
            with entry.open() as file:
                name = sniff(file.read(HEAD_BYTES))
                if name != "DICOM":
                    other.append((name, entry))
                    continue
                file.seek(0)
                header = read_header(file, entry, number, limits)
        except FileError:
            unknown += 1
        except MemoryError:
            raise
        except Exception:  # pydicom meets damage with many exceptions
            damaged += 1
        else:
            if header is None:
                without_image += 1
            elif header.rows:
                headers.append(header)
    series = sorted(_grouped(headers), key=_worth, reverse=True)
    return _Found(kind, tuple(series), tuple(other), without_image, damaged, unknown)


def _grouped(headers: Sequence[Header]) -> list[tuple[Header, ...]]:
    """Headers of one stack together."""
    alike: dict[tuple[object, ...], list[list[Header]]] = {}
    for header in headers:
        turned = alike.setdefault(header.group, [])
        home = next((group for group in turned if share_stack(group[0], header)), None)
        if home is None:
            turned.append([header])
        else:
            home.append(header)
    return [tuple(group) for turned in alike.values() for group in turned]


def _worth(group: Sequence[Header]) -> tuple[float, ...]:
    """Stacks before pictures, larger ones first, projections that only plan others last."""
    first = group[0]
    return (
        float(not first.last_resort),
        float(_images(group) > 1),
        float(_images(group) * first.rows * first.columns),
        -first.series_number,
        -float(first.number),
    )


def _images(group: Sequence[Header]) -> int:
    return sum(header.frames for header in group)


def _read(found: _Found, limits: Limits, series: int | None, frame: int | None) -> Scan:
    if not found.series:
        return _read_other(found, limits, series, frame)
    frame_option("DICOM", frame)
    number = 1 if series is None else series
    if not 1 <= number <= len(found.series):
        raise RequestError(
            f"There is no series {series}; this {found.kind} holds series 1 to {len(found.series)}."
        )
    chosen = found.series[number - 1]
    notes = _left_out(found, number - 1, by_size=series is None)
    if len(chosen) == 1:
        with chosen[0].entry.open() as file:
            scan = dicom.read(file, limits)
    else:
        scan = _read_stack(chosen, limits)
    return replace(scan, notes=(*notes, *scan.notes))


def _read_stack(headers: Sequence[Header], limits: Limits) -> Scan:
    """Decode the slices; one that cannot be decoded is left out and told."""
    limits.check_size(headers[0].rows, headers[0].columns, len(headers))
    planes: dict[int, NDArray[Any]] = {}
    left, failure = list(headers), FileError("")
    while True:
        if not left:
            raise failure
        stack = _arrange(left)
        ordered = [left[index] for index in stack.order]
        for header in ordered:
            if header.number not in planes:
                try:
                    planes[header.number] = _plane(header, limits)
                except FileError as error:
                    failure = error
                    left.remove(header)
        if all(header.number in planes for header in ordered):
            break
    lost = len(headers) - len(left)
    notes = stack.notes
    if lost:
        were = "1 slice is damaged and was" if lost == 1 else f"{lost} slices are damaged and were"
        notes = (f"{were} left out, so volumes would be off.", *notes)
    with ordered[len(ordered) // 2].entry.open() as file:
        dataset = read_dataset(file, pixels=False)
    # Each plane goes as soon as it is copied: the stack must not need twice its memory.
    pixels = stacked((planes.pop(header.number) for header in ordered), len(ordered))
    return dicom.make_scan(
        dataset, replace(stack, notes=notes), pixels[:, :, 0] if len(ordered) == 1 else pixels
    )


def _arrange(headers: Sequence[Header]) -> Stack:
    """How slices lie: by their positions, without these by their numbers."""
    first = headers[0]
    places = [header.position for header in headers if header.position is not None]
    ranks = [header.rank for header in headers]
    if first.row_cosines is not None and len(places) == len(headers):
        return arrange(places, first.row_cosines, ranks)
    order = sorted(range(len(headers)), key=lambda index: ranks[index])
    return Stack(tuple(order), first.row_cosines, notes=(_NO_PLACES,))


def _plane(header: Header, limits: Limits) -> NDArray[Any]:
    """Values (H, W) of one slice."""
    with header.entry.open() as file:
        try:
            dataset = read_dataset(file)
            dicom.check_kind(dataset)
            check_size(dataset, limits)
            return next(grey_frames(dataset, (0,)))
        except (FileError, MemoryError):
            raise
        except Exception:  # decoders meet damage with any exception there is
            raise FileError(
                "The slices of this series cannot be decoded; export or copy them again."
            ) from None


def _left_out(found: _Found, index: int, *, by_size: bool) -> tuple[str, ...]:
    """What is told of everything but the chosen series."""
    notes: tuple[str, ...] = ()
    count = len(found.series)
    if count > 1:
        chosen = "the largest one" if by_size else f"series {index + 1}"
        others = [_size(one) for at, one in enumerate(found.series) if at != index]
        listed = others[:_MOST_TOLD]
        if len(others) > len(listed):
            listed.append(f"{len(others) - len(listed)} more")
        notes = (
            f"This {found.kind} holds {count} series; {chosen} ({_size(found.series[index])}) was "
            f"read; others: {_and(listed)}.",
        )
    left = _counted(found)
    return (*notes, f"Left out: {left}.") if left else notes


def _counted(found: _Found) -> str:
    """The files that are in no series, in words."""
    counts = (
        (found.without_image, "DICOM file without an image", "DICOM files without an image"),
        (found.damaged, "damaged file", "damaged files"),
        (found.unknown + len(found.other_formats), "other file", "other files"),
    )
    return _and([f"{n} {one if n == 1 else many}" for n, one, many in counts if n])


def _size(group: Sequence[Header]) -> str:
    count = _images(group)
    if len(group) == 1 and count > 1:
        return f"{count} frames"
    if count == 1:
        return "1 slice" if group[0].position is not None else "1 picture"
    return f"{count} slices"


def _and(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def _read_other(found: _Found, limits: Limits, series: int | None, frame: int | None) -> Scan:
    """Without any DICOM image: the one file there is to read, or why there is none."""
    if series not in (None, 1):
        raise RequestError(f"There is no series {series}; this {found.kind} holds no DICOM series.")
    readable = [(name, entry) for name, entry in found.other_formats if name != "ZIP"]
    if len(readable) == 1:
        (name, entry) = readable[0]
        with entry.open() as file:
            option = frame_option(name, frame)
            scan: Scan = call_reader(READERS[name], file, limits, **option)
        notes = _left_out(replace(found, other_formats=()), 0, by_size=True)
        return replace(scan, notes=(*notes, *scan.notes))
    if readable:
        raise FileError(
            f"This {found.kind} holds {len(readable)} images and no DICOM series; how they belong "
            "together is not known, so give one of them."
        )
    if len(found.other_formats):
        raise FileError(
            f"This {found.kind} holds another archive; unpack it and give what is in it."
        )
    holds = _counted(found)
    raise FileError(f"This {found.kind} holds no image" + (f" but {holds}." if holds else "."))


def _list(found: _Found) -> tuple[dict[str, Any], NDArray[Any]]:
    listed = [
        {
            "number": number,
            "slices": _images(group),
            "rows": group[0].rows,
            "columns": group[0].columns,
            "modality": group[0].modality,
            "body_part": group[0].body_part,
            "plane": group[0].plane,
        }
        for number, group in enumerate(found.series[:_MOST_LISTED], 1)
    ]
    return {"series": listed}, np.zeros(1, np.uint8)  # no array to give
