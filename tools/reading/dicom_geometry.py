"""Pixel size and orientation of a DICOM image, and where each is known from."""

from __future__ import annotations

from typing import Final

import numpy as np
from pydicom.dataset import Dataset

from tools.geometry import Geometry, SpacingSource, patient_affine
from tools.reading.dicom_tags import code, codes, first_number, frame_group, items, numbers
from tools.reading.dicom_words import PROJECTIONS
from tools.reading.stacks import Stack

_CENTIMETRES: Final = 3  # PhysicalUnitsXDirection, PS3.3 C.8.5.5.1.15
_TWO_DIMENSIONAL: Final = 1  # RegionSpatialFormat, PS3.3 C.8.5.5.1.1
_SAME: Final = 1e-3  # relative; files round what they write twice

_UNCLEAR_PLANE: Final = (
    "The file does not say whether its pixel size is that of the body or of the detector, so "
    "millimetres may be too large by the magnification."
)
_CALIBRATED: Final = (
    "The pixel size was calibrated for one depth in the body; what lies nearer to or farther "
    "from the detector is larger or smaller than measured."
)
_LOCALIZER: Final = "The picture is a localizer, a projection: its pixel size holds for one depth."
_SECTOR: Final = "The pixel size holds inside the ultrasound region, not for the frame around it."
_REGIONS_DIFFER: Final = (
    "The picture has ultrasound regions of different scales, so no pixel size is taken from it."
)
_NOT_SQUARE: Final = "The pixels are not square: lengths in pixels depend on their direction."


def read_geometry(dataset: Dataset, stack: Stack) -> tuple[Geometry, tuple[str, ...]]:
    """Geometry of an image whose frames or slices lie so, and what the user must be told besides.

    Sources are taken in this order: calibrated ultrasound regions, Pixel Spacing, Imager Pixel
    Spacing. A Pixel Spacing that only repeats the Imager Pixel Spacing of a radiograph is that
    of the detector (DICOM PS3.3 10.7.1.3). Nominal Scanned Pixel Spacing is that of a film and
    is not taken.
    """
    spacing, source, caveat, notes = _in_plane(dataset)
    direction = _column_direction(dataset, stack.row_cosines)
    if spacing is None:
        return Geometry(column_direction=direction), notes
    full = spacing if stack.spacing is None else (*spacing, stack.spacing)
    affine = None
    if stack.row_cosines is not None and stack.origin is not None:
        affine = patient_affine(stack.row_cosines, stack.origin, spacing)
        if stack.step is not None:
            affine[:3, 2] = stack.step
    return Geometry(full, source, affine, direction, caveat), notes


def _in_plane(
    dataset: Dataset,
) -> tuple[tuple[float, float] | None, SpacingSource, str, tuple[str, ...]]:
    """(rows, columns) spacing in millimetres, its source, its caveat, and notes."""
    regions = _region_spacings(dataset)
    if regions:
        first = regions[0]
        if all(np.allclose(one, first, rtol=_SAME) for one in regions):
            return first, "dicom-ultrasound-region", _SECTOR, ()
        return None, "none", "", (_REGIONS_DIFFER,)
    kind = code(dataset, "Modality")
    group = frame_group(dataset, "PixelMeasuresSequence", "PixelSpacing")
    spacing = _positive(numbers(group, "PixelSpacing", 2))
    detector = _positive(numbers(dataset, "ImagerPixelSpacing", 2))
    if kind not in PROJECTIONS:
        if spacing is not None:
            caveat = _LOCALIZER if "LOCALIZER" in codes(dataset, "ImageType") else ""
            return spacing, "slide-mpp" if kind == "SM" else "dicom-pixel-spacing", caveat, ()
    elif spacing is not None:
        calibrated = bool(code(dataset, "PixelSpacingCalibrationType"))
        if detector is None or calibrated or not np.allclose(spacing, detector, rtol=_SAME):
            caveat = _UNCLEAR_PLANE if detector is None and not calibrated else _CALIBRATED
            return spacing, "dicom-pixel-spacing", caveat, ()
    if detector is not None:
        return detector, "dicom-imager-pixel-spacing", "", ()
    aspect = numbers(dataset, "PixelAspectRatio", 2)
    return None, "none", "", (_NOT_SQUARE,) if aspect and aspect[0] != aspect[1] else ()


def _region_spacings(dataset: Dataset) -> list[tuple[float, float]]:
    """(rows, columns) spacing in millimetres of every 2D ultrasound region in centimetres."""
    found = []
    for region in items(dataset, "SequenceOfUltrasoundRegions"):
        if first_number(region, "RegionSpatialFormat") != _TWO_DIMENSIONAL:
            continue
        units = [first_number(region, f"PhysicalUnits{axis}Direction") for axis in "YX"]
        deltas = [first_number(region, f"PhysicalDelta{axis}") for axis in "YX"]
        if units == [_CENTIMETRES, _CENTIMETRES] and all(deltas):
            found.append((abs(deltas[0] or 0.0) * 10, abs(deltas[1] or 0.0) * 10))
    return found


def _column_direction(dataset: Dataset, orientation: tuple[float, ...] | None) -> str | None:
    """Letters of the direction in which columns grow, principal one first."""
    if orientation is not None:
        letters = zip(orientation[:3], ("LR", "PA", "HF"), strict=True)
        return max((abs(x), pair[0] if x > 0 else pair[1]) for x, pair in letters)[1]
    stated = codes(dataset, "PatientOrientation")[0]
    return stated if stated and set(stated) <= set("LRAPHF") else None


def _positive(found: tuple[float, ...] | None) -> tuple[float, float] | None:
    if found is None or min(found) <= 0:
        return None
    return found[0], found[1]
