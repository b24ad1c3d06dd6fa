"""Where the pixels of a scan lie in the patient, and where that is known from.

No spacing is ever assumed: it comes from a source that speaks of tissue, or it is absent. The dots
per inch of ordinary pictures say how large to print them, so they are not a source.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from parser_model.errors import RequestError

SpacingSource = Literal[
    "dicom-pixel-spacing",
    "dicom-imager-pixel-spacing",
    "dicom-ultrasound-region",
    "nifti-affine",
    "nrrd-header",
    "metaimage-header",
    "analyze-header",
    "slide-mpp",
    "user",
    "none",
]
SPACING_SOURCES: Final[tuple[str, ...]] = get_args(SpacingSource)

DETECTOR_PLANE: Final = (
    "The pixel size is that of the detector, not of the body: what lies away from the detector is "
    "magnified by an unknown factor, so millimetres here are upper limits."
)

SMALLEST_MM, LARGEST_MM = 1e-5, 50.0
"""Bounds of a pixel that a user states: below light can resolve, above what any scanner has."""
NO_SCALE: Final = (
    "No scanner has pixels of that size; say how many millimetres or micrometres one pixel is."
)

# DICOM PS3.3 C.7.6.1.1.1: the letters of patient directions, principal one first.
_BIPED: Final = frozenset("LRAPHF")
# An axis within 45 degrees of left-right shows left and right; beyond, the picture is sagittal.
_SHOWS_SIDES: Final = math.cos(math.radians(45))
_SPACING_TOLERANCE: Final = 1e-3


@dataclass(frozen=True, eq=False)
class Geometry:
    """Spacing, its source and the orientation of a scan; valid once constructed.

    Attributes
    ----------
    spacing_mm : tuple of float or None
        Millimetres between the centres of neighbouring (rows, columns[, slices]). Two numbers for
        a stack mean that the distance between its slices is unknown. None if and only if
        `spacing_source` is "none".
    spacing_source : str
        One of `SPACING_SOURCES`. "dicom-imager-pixel-spacing" is the plane of the detector.
    affine : (4, 4) ndarray of float64 or None
        Maps (column, row, slice, 1) of a pixel's centre to (x, y, z, 1) in millimetres, in the
        patient frame of DICOM: x towards the patient's Left, y Posterior, z towards the Head
        (LPS). Without a known distance between slices the third column is the unit normal of
        the picture: a direction, not a distance. None when the position is unknown.
    column_direction : str or None
        Direction in the patient in which columns grow, as DICOM letters, e.g. "L" or "LP"; used
        for left and right where there is no affine.
    caveat : str
        What a reader of millimetres must be told about them; empty when there is nothing.

    Raises
    ------
    ValueError
        For a spacing that is not positive and finite, a spacing without source or a source
        without spacing, or an affine that is singular or contradicts the spacing.
    """

    spacing_mm: tuple[float, ...] | None = None
    spacing_source: SpacingSource = "none"
    affine: NDArray[np.float64] | None = None
    column_direction: str | None = None
    caveat: str = ""

    def __post_init__(self) -> None:
        if self.spacing_source not in SPACING_SOURCES:
            raise ValueError(f"unknown spacing source {self.spacing_source!r}")
        if (self.spacing_mm is None) != (self.spacing_source == "none"):
            raise ValueError("a spacing and its source come together")
        if self.spacing_mm is not None:
            object.__setattr__(self, "spacing_mm", _valid_spacing(self.spacing_mm))
        if self.affine is not None:
            object.__setattr__(self, "affine", _valid_affine(self.affine, self.spacing_mm))
        letters = self.column_direction
        if letters is not None and not (letters and set(letters) <= _BIPED):
            raise ValueError("a direction is made of the letters L, R, A, P, H and F")
        if self.spacing_source == "dicom-imager-pixel-spacing" and not self.caveat:
            object.__setattr__(self, "caveat", DETECTOR_PLANE)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Geometry):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[object, ...]:
        affine = None if self.affine is None else tuple(self.affine.ravel().tolist())
        return (self.spacing_mm, self.spacing_source, affine, self.column_direction, self.caveat)

    @property
    def patient_left_is_viewer_right(self) -> bool | None:
        """Whether the patient's left is on the right of the displayed picture.

        True is the radiological display. None when the file has no orientation (callers assume
        radiological display and say so) or when the picture shows no left and right (sagittal).
        """
        if self.affine is not None:
            direction = self.affine[:3, 0]
            towards_left = float(direction[0] / np.linalg.norm(direction))
            return towards_left > 0 if abs(towards_left) > _SHOWS_SIDES else None
        if self.column_direction and self.column_direction[0] in "LR":
            return self.column_direction[0] == "L"
        return None

    def with_user_scale(self, mm_per_pixel: float, height_mm: float | None = None) -> Geometry:
        """The same with pixels of the size that the user states.

        The distance between slices stays as it was, the source becomes "user" and the caveat
        about the old spacing goes.

        Parameters
        ----------
        mm_per_pixel : float
            Width and height of a pixel in millimetres.
        height_mm : float, optional
            The height where it is another.

        Raises
        ------
        RequestError
            If one is no size that a pixel can have.
        """
        width = float(mm_per_pixel)
        height = width if height_mm is None else float(height_mm)
        if not all(SMALLEST_MM <= side <= LARGEST_MM for side in (width, height)):
            raise RequestError(NO_SCALE)
        slices = self.spacing_mm[2:] if self.spacing_mm else ()
        affine = self.affine
        if affine is not None:
            affine = affine.copy()
            affine[:3, :2] *= np.array([width, height]) / np.linalg.norm(affine[:3, :2], axis=0)
        return Geometry(
            spacing_mm=(height, width, *slices),
            spacing_source="user",
            affine=affine,
            column_direction=self.column_direction,
        )


def patient_affine(
    row_cosines: Sequence[float],
    position: Sequence[float],
    spacing_mm: Sequence[float],
) -> NDArray[np.float64]:
    """The affine of a picture from DICOM's orientation and position.

    Parameters
    ----------
    row_cosines : six floats
        Image Orientation (Patient): direction of growing columns, then of growing rows.
    position : three floats
        Image Position (Patient): centre of the first pixel, millimetres, LPS.
    spacing_mm : two or three floats
        Between (rows, columns[, slices]); a negative third runs against the normal.

    Returns
    -------
    (4, 4) ndarray of float64
        See `Geometry.affine`.

    Raises
    ------
    ValueError
        If the two directions are not perpendicular unit vectors (within 1 %).
    """
    along_columns, along_rows = np.array(row_cosines, dtype=np.float64).reshape(2, 3)
    lengths = np.array([np.linalg.norm(along_columns), np.linalg.norm(along_rows)])
    if not (np.abs(lengths - 1) < 0.01).all() or abs(along_columns @ along_rows) > 0.01:
        raise ValueError("the orientation is not made of two perpendicular unit vectors")
    along_columns, along_rows = along_columns / lengths[0], along_rows / lengths[1]
    affine = np.eye(4)
    affine[:3, 0] = along_columns * spacing_mm[1]
    affine[:3, 1] = along_rows * spacing_mm[0]
    affine[:3, 2] = np.cross(along_columns, along_rows)
    if len(spacing_mm) > 2:
        affine[:3, 2] *= spacing_mm[2]
    affine[:3, 3] = position
    return affine


def _valid_spacing(spacing: Sequence[float]) -> tuple[float, ...]:
    values = tuple(float(value) for value in spacing)
    if len(values) not in (2, 3):
        raise ValueError("a spacing has two or three numbers: rows, columns[, slices]")
    if not all(math.isfinite(value) and value > 0 for value in values):
        raise ValueError("a spacing is positive and finite")
    return values


def _valid_affine(
    affine: NDArray[np.float64], spacing: tuple[float, ...] | None
) -> NDArray[np.float64]:
    matrix = np.array(affine, dtype=np.float64)
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
        raise ValueError("an affine is a finite 4 x 4 matrix")
    steps = np.linalg.norm(matrix[:3, :3], axis=0)
    if not (steps > 0).all() or abs(np.linalg.det(matrix[:3, :3] / steps)) < 1e-3:
        raise ValueError("the affine is singular")
    if spacing is not None:
        # Columns of the matrix follow (column, row, slice), spacings (row, column, slice).
        expected = np.array([spacing[1], spacing[0], *spacing[2:]])
        # Of a tilted stack the spacing is the distance of its planes, not that of first pixels.
        across = np.cross(matrix[:3, 0], matrix[:3, 1])
        steps[2] = abs(matrix[:3, 2] @ across) / np.linalg.norm(across)
        if not np.allclose(steps[: len(expected)], expected, rtol=_SPACING_TOLERANCE):
            raise ValueError("the affine contradicts the spacing")
    matrix.setflags(write=False)
    return matrix
