"""From cases to 8-bit pictures with masks by label, through the readers of scans."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parser_model.errors import FileError
from parser_model.training.data import read_mask
from tools.building.cases import Case
from tools.reading import list_series, open_scan
from tools.reading.masks import NamedMask, open_masks
from tools.scan import Scan

_MOST_SERIES = 5


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture with masks.

    Attributes
    ----------
    pixels : (H, W, 3) ndarray of uint8
    masks : dict of str to (H, W) ndarray of bool
        By label of the source; empty ones left out.
    empty : frozenset of str
        Labels that an empty mask says are not in the picture.
    slice : int or None
        Of a volume, from 0.
    spacing_mm : (float, float) or None
    """

    pixels: NDArray[np.uint8]
    masks: dict[str, NDArray[np.bool_]]
    slice: int | None = None
    spacing_mm: tuple[float, float] | None = None
    empty: frozenset[str] = frozenset()


@dataclass(frozen=True, eq=False)
class Read:
    """A case that was read.

    Attributes
    ----------
    labels : tuple of str
        All labels the masks name, in this case or its data set.
    modality, site : str or None
        Where file or name say them.
    """

    labels: tuple[str, ...]
    modality: str | None
    site: str | None
    case: Case
    scan: Scan | None = None
    volume_masks: dict[str, NDArray[np.bool_]] | None = None

    def pictures(self, at_most: int) -> Iterator[Picture]:
        """The picture, or at most so many slices with masks, evenly spread."""
        if self.scan is None:
            yield _named_picture(self.case)
            return
        masks = self.volume_masks or {}
        if len(self.scan.shape) == 2:
            yield Picture(self.scan.display(), _filled(masks), None, self.scan.in_plane_mm)
            return
        used = np.zeros(self.scan.shape[2], bool)
        for mask in masks.values():
            used |= mask.any(axis=(0, 1))
        places = np.flatnonzero(used)
        if len(places) > at_most:
            places = places[np.linspace(0, len(places) - 1, at_most).round().astype(int)]
        for k in places.tolist():
            here = _filled({label: mask[:, :, k] for label, mask in masks.items()})
            yield Picture(self.scan.display(k), here, k, self.scan.in_plane_mm)


def read_case(case: Case, modality: str | None = None) -> Read:
    """Read a case.

    Parameters
    ----------
    case : Case
    modality : str, optional
        What the user says it is; goes before what the file says.

    Raises
    ------
    FileError, RequestError
        If image or masks cannot be read, or do not belong together.
    """
    stated = case.stated
    if case.kind == "named":
        labels = tuple(label for label, _ in case.masks if label)
        return Read(labels, modality or stated.get("modality"), stated.get("site"), case)
    if case.kind == "dicom":
        scan, masks = _dicom_masks(case, modality)
    else:
        scan = _as(open_scan(case.image), modality)
        masks = _volume_masks(case, scan)
    labels = tuple(dict.fromkeys([*case.names.values(), *masks]))
    return Read(labels, modality or scan.modality, None, case, scan, masks)


def _as(scan: Scan, modality: str | None) -> Scan:
    """The scan as what the user says it is; CT in whole Hounsfield units gets its window."""
    if modality is None or scan.modality == modality:
        return scan
    changes: dict[str, Any] = {"modality": modality}
    if modality == "CT" and not scan.colour and scan.pixels.min() < -200:  # air is -1000 HU
        changes["value_unit"] = "HU"
    return replace(scan, **changes)


def _volume_masks(case: Case, scan: Scan) -> dict[str, NDArray[np.bool_]]:
    masks: dict[str, NDArray[np.bool_]] = {}
    for label, path in case.masks:
        for one in open_masks(path, scan):
            name = label or case.names.get(one.value, one.label)
            masks[name] = masks[name] | one.mask if name in masks else one.mask
    return masks


def _dicom_masks(case: Case, modality: str | None) -> tuple[Scan, dict[str, NDArray[np.bool_]]]:
    """The series on which the most segmentations lie, with the masks of all of those."""
    best: tuple[Scan, list[NamedMask]] | None = None
    problem = FileError("no image series of this case has segmentations")
    for series in list_series(case.image)[:_MOST_SERIES]:
        scan = _as(open_scan(case.image, series=series.number), modality)
        masks: list[NamedMask] = []
        for _, path in case.masks:
            try:
                masks += [one for one in open_masks(path, scan) if one.mask.any()]
            except FileError as error:  # of another series, or no segmentation
                problem = error
        if masks and (best is None or len(masks) > len(best[1])):
            best = (scan, masks)
    if best is None:
        raise problem
    joined: dict[str, NDArray[np.bool_]] = {}
    for one in best[1]:
        joined[one.label] = joined[one.label] | one.mask if one.label in joined else one.mask
    return best[0], joined


def _named_picture(case: Case) -> Picture:
    try:
        pixels = open_scan(case.image).display()
    except FileError as error:
        raise FileError(f"a picture cannot be read: {error}") from error
    masks: dict[str, NDArray[np.bool_]] = {}
    for name, path in case.masks:
        label, mask = str(name), _mask(path)
        if mask.shape != pixels.shape[:2]:
            raise FileError("a mask has another size than its image")
        masks[label] = masks[label] | mask if label in masks else mask
    filled = _filled(masks)
    return Picture(pixels, filled, empty=frozenset(masks.keys() - filled.keys()))


def _mask(path: Path) -> NDArray[np.bool_]:
    try:
        return read_mask(path)
    except FileError as error:  # names the file, and thereby perhaps the patient
        why = str(error).rpartition(": ")[2]
        raise FileError(f"a mask cannot be read: {why}") from None


def _filled(masks: dict[str, NDArray[np.bool_]]) -> dict[str, NDArray[np.bool_]]:
    return {label: mask for label, mask in masks.items() if mask.any()}
