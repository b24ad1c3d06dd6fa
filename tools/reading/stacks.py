"""How slices lie behind one another: their order, their distance, and what is odd about it.

Positions decide, never file names, slice numbers or slice thickness: thickness says how much
tissue a slice averages, and slices overlap or leave gaps.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tools.scan import StackOf

# Slices nearer than this lie at one place: less than the finest scanner's step, more than rounding.
_SAME_PLACE_MM: Final = 1e-3
_EVEN: Final = 0.01  # relative; distances that differ by more are told
_WHOLE: Final = 0.05  # a gap within this of 2, 3, ... distances is one of missing slices
_HOLE: Final = 10  # so many distances without a slice part two blocks
_STRAIGHT_DEGREES: Final = 0.5  # below, the drift of a stack is rounding and couch movement


@dataclass(frozen=True, eq=False)
class Stack:
    """Slices in order.

    Attributes
    ----------
    order : tuple of int
        Which slices to read, in order: axial ones towards the Head, coronal ones towards
        Posterior, sagittal ones towards the patient's Left. One slice a place.
    row_cosines : six floats or None
        Image Orientation (Patient) of all of them.
    origin : three floats or None
        Image Position (Patient) of the first in `order`: millimetres, LPS.
    spacing : float or None
        Median millimetres between the planes of neighbours, along their normal; None for one.
    step : (3,) ndarray of float64 or None
        From the first pixel of a slice to that of the next, millimetres, LPS. Longer than
        `spacing` where the stack is tilted.
    notes : tuple of str
        What the user must be told.
    of : {"slices", "frames"}
        As in `Scan.stack_of`.
    """

    order: tuple[int, ...]
    row_cosines: tuple[float, ...] | None = None
    origin: tuple[float, ...] | None = None
    spacing: float | None = None
    step: NDArray[np.float64] | None = None
    notes: tuple[str, ...] = ()
    of: StackOf = "slices"


def arrange(
    positions: Sequence[Sequence[float]],
    row_cosines: Sequence[float],
    rank: Sequence[tuple[float, ...]],
) -> Stack:
    """Sort slices of one orientation by where they lie.

    Parameters
    ----------
    positions : sequence of three floats
        Image Position (Patient): centre of the first pixel of every slice, millimetres, LPS.
    row_cosines : six floats
        Image Orientation (Patient), perpendicular unit vectors.
    rank : sequence of tuple of float
        Of slices at one place, the one of lowest rank is kept.

    Returns
    -------
    Stack
    """
    places = np.array(positions, dtype=np.float64)
    normal = _stacking_normal(row_cosines)
    along = places @ normal
    kept: list[int] = []
    for index in sorted(range(len(along)), key=lambda i: (along[i], rank[i])):
        if not kept or along[index] - along[kept[-1]] > _SAME_PLACE_MM:
            kept.append(index)
        elif rank[index] < rank[kept[-1]]:  # within rounding of one place
            kept[-1] = index
    notes = _repeats(along, along[kept])
    kept, more = _nearby(kept, along)
    notes += more
    order, cosines = tuple(kept), tuple(float(one) for one in row_cosines)
    origin = tuple(float(one) for one in positions[order[0]])
    if len(order) == 1:
        return Stack(order, cosines, origin, notes=notes)
    gaps = np.diff(along[kept])
    spacing = float(np.median(gaps))
    notes += _gaps(gaps)
    drift = (places[kept[-1]] - places[kept[0]]) / (along[kept[-1]] - along[kept[0]])
    tilt = math.degrees(math.acos(min(1.0, 1.0 / float(np.linalg.norm(drift)))))
    if tilt < _STRAIGHT_DEGREES:
        return Stack(order, cosines, origin, spacing, normal * spacing, notes)
    notes += (
        f"The slices are tilted by {tilt:.0f} degrees against the direction in which they are "
        "stacked (gantry tilt); volumes use the distance between their planes.",
    )
    return Stack(order, cosines, origin, spacing, drift * spacing, notes)


def _stacking_normal(row_cosines: Sequence[float]) -> NDArray[np.float64]:
    """Unit normal of the slices, towards Left, Posterior or Head, whichever it is closest to."""
    normal = np.cross(row_cosines[:3], row_cosines[3:])
    unit: NDArray[np.float64] = normal / np.linalg.norm(normal)
    return unit if unit[np.abs(unit).argmax()] > 0 else -unit


def _repeats(along: NDArray[np.float64], places: NDArray[np.float64]) -> tuple[str, ...]:
    """What to say of slices at one place."""
    extra = len(along) - len(places)
    if not extra:
        return ()
    nearest = Counter(int(np.abs(places - one).argmin()) for one in along)
    times = set(nearest.values())
    if len(times) == 1:
        return (
            f"Each of the {len(places)} places in the stack is there {times.pop()} times (time "
            "points, echoes or repeats); the first of each was read.",
        )
    lies = "1 slice lies" if extra == 1 else f"{extra} slices lie"
    return (
        f"{lies} where another one does (repeats, time points or echoes); one of each place was "
        "read.",
    )


def _nearby(kept: list[int], along: NDArray[np.float64]) -> tuple[list[int], tuple[str, ...]]:
    """The largest block of slices without a hole in which many more would fit."""
    if len(kept) < 3:
        return kept, ()
    gaps = np.diff(along[kept])
    holes = np.flatnonzero(gaps > _HOLE * _usual(gaps)) + 1
    blocks = [block.tolist() for block in np.split(np.array(kept), holes)]
    largest = max(blocks, key=len)
    apart = len(kept) - len(largest)
    if not apart:
        return kept, ()
    if apart == 1:
        return largest, ("1 slice lies far from the others and was left out.",)
    return largest, (f"{apart} slices lie far from the others and were left out.",)


def _usual(gaps: NDArray[np.float64]) -> float:
    """The lower median, which is a gap that occurs."""
    return float(np.sort(gaps)[(len(gaps) - 1) // 2])


def _gaps(gaps: NDArray[np.float64]) -> tuple[str, ...]:
    """What to say of distances that are not all alike."""
    times = gaps / _usual(gaps)
    if np.abs(times - 1).max() <= _EVEN:
        return ()
    missing = int((np.rint(times) - 1).clip(min=0).sum())
    if missing and (np.abs(times - np.rint(times)) <= _WHOLE).all():
        lacks = "1 slice is" if missing == 1 else f"{missing} slices are"
        return (
            f"{lacks} missing inside the stack, so volumes, and lengths and places across slices, "
            "would be off.",
        )
    return (
        f"The distance between slices varies from {gaps.min():.3g} to {gaps.max():.3g} mm; the "
        "median is used, so volumes and lengths across slices are affected.",
    )
