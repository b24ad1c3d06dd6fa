"""How the array of a file relates to the array that is shown, and back.

Volumes of the research world keep their axes in any order and direction. They are shown as
radiologists look at them; what is drawn there returns to exactly the voxels it came from.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_THICK: Final = 1.2  # an axis with steps so much longer than all others counts the slices

_LEFT, _POSTERIOR, _HEAD = range(3)  # the axes of the patient frame (LPS)
# By the patient axis that slices follow: (patient axis, towards its end) of rows, columns, slices.
_DISPLAYS: Final = {
    _HEAD: ((_POSTERIOR, True), (_LEFT, True), (_HEAD, True)),  # axial
    _POSTERIOR: ((_HEAD, False), (_LEFT, True), (_POSTERIOR, True)),  # coronal
    _LEFT: ((_HEAD, False), (_POSTERIOR, True), (_LEFT, True)),  # sagittal
}


@dataclass(frozen=True, eq=False)
class FileFrame:
    """The grid of a file beside the grid that is shown; valid once constructed.

    Attributes
    ----------
    shape : three ints
        Of the file's array (i, j, k).
    axes : three ints
        Axis of the file along which shown (rows, columns, slices) follow each other.
    flips : three bools
        Whether shown (rows, columns, slices) run against their axis of the file.
    affine : (4, 4) ndarray of float64 or None
        Maps (i, j, k, 1) of the file to millimetres in the patient (LPS); None where unknown.

    Raises
    ------
    ValueError
        If the parts do not fit each other.
    """

    shape: tuple[int, int, int]
    axes: tuple[int, int, int]
    flips: tuple[bool, bool, bool]
    affine: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        if len(self.shape) != 3 or min(self.shape) < 1:
            raise ValueError("the array of a file has three axes")
        if sorted(self.axes) != [0, 1, 2] or len(self.flips) != 3:
            raise ValueError("each axis of the file is shown once")
        if self.affine is not None:
            affine = np.array(self.affine, dtype=np.float64)
            if affine.shape != (4, 4) or not np.isfinite(affine).all():
                raise ValueError("an affine is a finite 4 x 4 matrix")
            affine.setflags(write=False)
            object.__setattr__(self, "affine", affine)

    @property
    def display_shape(self) -> tuple[int, ...]:
        """(H, W, S) of the shown array; (H, W) of one slice."""
        height, width, depth = (self.shape[axis] for axis in self.axes)
        return (height, width) if depth == 1 else (height, width, depth)

    def to_display(self, array: NDArray[Any]) -> NDArray[Any]:
        """The array (i, j, k) of the file as it is shown: (H, W, S), or (H, W) of one slice.

        Raises
        ------
        ValueError
            If the array has another shape.
        """
        if array.shape != self.shape:
            raise ValueError(f"expected the file's shape {self.shape}, not {array.shape}")
        return self._flipped(array.transpose(self.axes)).reshape(self.display_shape)

    def to_file(self, array: NDArray[Any]) -> NDArray[Any]:
        """The shown array (H, W, S) or (H, W) as the file keeps it: (i, j, k).

        Raises
        ------
        ValueError
            If the array has another shape.
        """
        if array.shape != self.display_shape:
            raise ValueError(f"expected the shown shape {self.display_shape}, not {array.shape}")
        shown = array.reshape([self.shape[axis] for axis in self.axes])
        return self._flipped(shown).transpose(np.argsort(self.axes))

    def display_affine(self, affine: NDArray[np.float64]) -> NDArray[np.float64]:
        """An affine of (i, j, k) as one of shown (column, row, slice), as in `Geometry`."""
        step = np.zeros((4, 4))  # from (column, row, slice, 1) to (i, j, k, 1)
        step[3, 3] = 1
        for place, shown in enumerate((1, 0, 2)):
            axis = self.axes[shown]
            step[axis, place] = -1 if self.flips[shown] else 1
            step[axis, 3] = self.shape[axis] - 1 if self.flips[shown] else 0
        return affine @ step

    def _flipped(self, shown: NDArray[Any]) -> NDArray[Any]:
        return shown[tuple(slice(None, None, -1 if flip else 1) for flip in self.flips)]


def radiological(
    shape: tuple[int, int, int], affine: NDArray[np.float64], *, known: bool = True
) -> FileFrame:
    """The frame in which radiologists look at a volume.

    Slices follow the one axis of length 1; else the axis whose steps are longer than 1.2 times
    those of all others; else the axis nearest to head-foot. Axial slices are shown with the
    patient's left on the right and the front at the top, from foot to head; coronal ones with the
    left on the right and the head at the top, from front to back; sagittal ones with the front on
    the left and the head at the top, from right to left. Of oblique volumes the nearest axes count.

    Parameters
    ----------
    shape : three ints
        Of the file's array (i, j, k).
    affine : (4, 4) ndarray of float64
        Maps (i, j, k, 1) to the patient (LPS); not singular.
    known : bool
        False if the affine is only assumed for display; the frame then has none.
    """
    steps = np.linalg.norm(affine[:3, :3], axis=0)
    cosines = affine[:3, :3] / steps
    patient = max(permutations(range(3)), key=lambda order: _agreement(cosines, order))
    rows, columns, slices = (
        (patient.index(along), towards_end)
        for along, towards_end in _DISPLAYS[patient[_slice_axis(shape, steps, patient)]]
    )
    axes = rows[0], columns[0], slices[0]

    def flipped(shown: tuple[int, bool]) -> bool:
        axis, towards_end = shown
        return bool((cosines[patient[axis], axis] > 0) != towards_end)

    flips = flipped(rows), flipped(columns), flipped(slices)
    return FileFrame(shape, axes, flips, affine if known else None)


def _agreement(cosines: NDArray[np.float64], patient: tuple[int, ...]) -> float:
    """How well axes of the file run along these axes of the patient."""
    return float(sum(abs(cosines[along, axis]) for axis, along in enumerate(patient)))


def _slice_axis(
    shape: tuple[int, int, int], steps: NDArray[np.float64], patient: tuple[int, ...]
) -> int:
    if shape.count(1) == 1:
        return shape.index(1)
    order = np.argsort(steps)
    if steps[order[2]] > _THICK * steps[order[1]]:
        return int(order[2])
    return patient.index(_HEAD)
