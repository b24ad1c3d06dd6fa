"""Small volumes in any order of axes for the tests of reading."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

SHAPE = (5, 7, 9)  # of the patient grid: towards left, posterior, head
ORIGIN = np.array([-31.5, 12.25, -104.0])
# A voxel's number is its place: no two are alike, nothing is symmetric.
PATIENT = np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE)
ORDERS = [
    (order, flips)
    for order in itertools.permutations(range(3))
    for flips in itertools.product((False, True), repeat=3)
]
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def turned(
    order: tuple[int, ...], flips: tuple[bool, ...], steps: tuple[float, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """`PATIENT` with its axes in another order and direction, and its affine to LPS.

    Axis a of the result runs along patient axis order[a], against it if flips[a]; steps are
    the millimetres of patient axes.
    """
    stored = PATIENT.transpose(order)
    affine = np.eye(4)
    affine[:3, 3] = ORIGIN
    affine[:3, :3] = 0
    for axis, along in enumerate(order):
        affine[along, axis] = steps[along]
        if flips[axis]:
            stored = np.flip(stored, axis)
            affine[along, 3] += steps[along] * (SHAPE[along] - 1)
            affine[along, axis] *= -1
    return stored, affine


def shown(plane: str) -> np.ndarray:
    """`PATIENT` as radiologists look at it: (rows, columns, slices)."""
    if plane == "axial":  # rows to posterior, columns to left, slices to head
        return PATIENT.transpose(1, 0, 2)
    if plane == "coronal":  # rows to foot, columns to left, slices to posterior
        return PATIENT.transpose(2, 0, 1)[::-1]
    return PATIENT.transpose(2, 1, 0)[::-1]  # rows to foot, columns to posterior, slices to left


def place_of(value: int, steps: tuple[float, ...]) -> np.ndarray:
    """Millimetres (LPS) of the voxel of this number."""
    return ORIGIN + np.multiply(np.unravel_index(value, SHAPE), steps)


def write_nifti(
    path: Path, array: np.ndarray, lps: np.ndarray | None = None, **fields: Any
) -> Path:
    """Write a NIfTI file; the affine is given in LPS, fields go into the header."""
    affine = None if lps is None else LPS_TO_RAS @ lps
    image = nibabel.Nifti1Image(array, affine, dtype=array.dtype)
    image.header.set_xyzt_units("mm", "sec")
    for name, value in fields.items():
        image.header[name] = value
    nibabel.save(image, path)
    return path
