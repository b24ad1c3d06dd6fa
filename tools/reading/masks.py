"""Masks from files, on the grid of the scan they belong to."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from parser_model.errors import FileError
from tools.frames import FileFrame
from tools.reading import file_format, open_scan
from tools.reading.companions import header_of
from tools.reading.grids import looked_up, planes_of
from tools.reading.limits import Limits
from tools.reading.process import POOL
from tools.scan import Scan

_MOST_LABELS: Final = 1000
_SAME_PLACE_MM: Final = 1e-2  # headers round what they keep
_NO_PLACE: Final = (
    "Masks can be put on a scan only when both say where they lie in the patient, or have the "
    "same size."
)
_ELSEWHERE: Final = "These masks lie elsewhere than the scan; give the scan that they belong to."


@dataclass(frozen=True, eq=False)
class NamedMask:
    """A mask that was read, on the grid of a scan.

    Attributes
    ----------
    label : str
        Known words of the file, e.g. "left kidney", else "segment 2" or "label 2".
    labels : (H, W[, S]) ndarray of unsigned integers
        Shared by the masks of a file.
    value : int
        Where `labels` hold it the object is.
    """

    label: str
    labels: NDArray[Any] = field(repr=False)
    value: int

    @cached_property
    def mask(self) -> NDArray[np.bool_]:
        """(H, W[, S]) ndarray of bool."""
        return self.labels == self.value


def open_masks(
    path: str | os.PathLike[str], scan: Scan, *, limits: Limits | None = None
) -> list[NamedMask]:
    """Read masks onto the grid of a scan.

    Each pixel of the scan gets the nearest pixel of the masks; where the grids coincide, masks
    are copied unchanged. Pixels outside belong to no mask.

    Parameters
    ----------
    path : str or path-like
        A DICOM segmentation (binary, fractional or label map), or a picture or volume (NIfTI,
        Analyze, NRRD, MetaImage) whose whole numbers are labels, 0 being the background.
    scan : Scan
        The one they were drawn on, or another of the same patient in the same position.
    limits : Limits, optional

    Returns
    -------
    list of NamedMask
        In the order of their numbers; empty masks included.

    Raises
    ------
    FileError
        If the file cannot be read, holds no masks, or they lie elsewhere than the scan.
    """
    limits = limits or Limits()
    name = file_format(header_of(Path(path)), limits)
    if name != "DICOM":
        return _of_labels(open_scan(path, limits=limits), scan, limits)
    affine = scan.geometry.affine
    if affine is None:
        raise FileError(_NO_PLACE)
    found, layers = POOL.call(
        Path(path),
        name,
        "tools.reading.segmentations:read",
        limits,
        affine=affine.tolist(),
        shape=list(scan.shape),
    )
    layers = layers.reshape(len(layers), *scan.shape)
    return [NamedMask(one["label"], layers[one["layer"]], one["value"]) for one in found["masks"]]


def _of_labels(drawn: Scan, scan: Scan, limits: Limits) -> list[NamedMask]:
    """The labels of a picture or volume on the grid of a scan."""
    if drawn.colour or not np.array_equal(drawn.pixels, np.rint(drawn.pixels)):
        raise FileError("This file holds no masks: its values are no labels.")
    values = np.unique(drawn.pixels)
    values = values[values != 0]
    if len(values) > _MOST_LABELS or (len(values) and not 0 < values[0] <= values[-1] < 1 << 16):
        raise FileError("This file holds no masks: it has too many values, as images have.")
    labels = drawn.pixels.astype(np.uint16)
    own, target = drawn.geometry, scan.geometry
    if drawn.frame and scan.frame and _same_voxels(drawn.frame, scan.frame):
        labels = scan.frame.to_display(drawn.frame.to_file(labels))
    elif own.affine is not None and target.affine is not None:
        stacked = labels.reshape(*labels.shape[:2], -1)
        distance = own.spacing_mm[2] if own.spacing_mm and len(own.spacing_mm) > 2 else 1.0
        planes = planes_of(own.affine, stacked.shape[2], distance)
        on_scan, overlap = looked_up(
            np.moveaxis(stacked, 2, 0)[np.newaxis], planes, target.affine, scan.shape
        )
        if not overlap:
            raise FileError(_ELSEWHERE)
        labels = on_scan[0].reshape(scan.shape)
    elif labels.shape != scan.shape:
        raise FileError(_NO_PLACE)
    return [NamedMask(f"label {value}", labels, int(value)) for value in values]


def _same_voxels(drawn: FileFrame, scanned: FileFrame) -> bool:
    """Whether two files share one grid; so they do if one of them does not say where it lies."""
    if drawn.shape != scanned.shape:
        return False
    if drawn.affine is None or scanned.affine is None:
        return True
    corners = np.array([[0, 0, 0, 1], [*drawn.shape, 1]], dtype=np.float64).T
    apart = (drawn.affine - scanned.affine) @ corners
    same_axes = np.allclose(drawn.affine[:3, :3], scanned.affine[:3, :3], rtol=1e-3, atol=1e-3)
    return same_axes and bool(np.abs(apart).max() < _SAME_PLACE_MM)
