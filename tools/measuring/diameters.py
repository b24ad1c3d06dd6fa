"""Diameters of one part as radiologists state them, in a picture or over the slices of a stack.

RECIST 1.1 and the WHO criteria measure in the plane of acquisition, so in a stack the longest
diameter is the longest on any slice, never one that runs through slices.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from tools.measuring.callipers import Diameters, Segment, in_plane_diameters, reach
from tools.measuring.checks import (
    Mask,
    Spacing,
    box_around,
    checked,
    in_plane,
    length_unit,
    pixel_size,
)
from tools.measuring.value import Value

_SAME_LENGTH = 1e-9
_TOUCHING = np.ones((3, 3), dtype=bool)


class _InStack(NamedTuple):
    """The diameters of a part in a stack: on the slice of the longest, and the short axis."""

    longest: Segment
    perpendicular: Segment
    short_axis: Segment


class _Section(NamedTuple):
    """One connected piece of a part on one slice; no diameter exceeds the diagonal of its box."""

    slice: int
    top: int
    left: int
    mask: Mask
    diagonal: float


def diameters(mask: Mask, spacing_mm: Spacing = None) -> Diameters:
    """The longest diameter of one part and the one perpendicular to it on the same slice.

    In a stack the pieces that a part falls into on one slice are measured each by itself. Of
    slices on which the longest diameter is equal, the one with the longest perpendicular is
    taken, then the one nearest to the middle.

    Parameters
    ----------
    mask : (H, W) or (H, W, S) bool ndarray
        One connected part (`find_parts`).
    spacing_mm : (row, column[, slice]) or None
        The distance between slices does not matter.

    Raises
    ------
    ToolError
        If the mask is empty.
    """
    if checked(mask).ndim == 2:
        return in_plane_diameters(mask, spacing_mm)
    found = _in_stack(mask, spacing_mm)
    return Diameters(found.longest, found.perpendicular)


def longest_diameter(mask: Mask, spacing_mm: Spacing = None) -> Value:
    """Longest edge-to-edge distance of one part in a plane; see `diameters`."""
    line = diameters(mask, spacing_mm).longest
    what = "largest distance between two pixel corners of one part, edge to edge"
    return _value("longest_diameter", line, spacing_mm, what + _where(line, "it is longest"))


def perpendicular_diameter(mask: Mask, spacing_mm: Spacing = None) -> Value:
    """Longest line inside one part perpendicular to its longest diameter; see `diameters`."""
    line = diameters(mask, spacing_mm).perpendicular
    what = (
        "longest line inside the part's outline at right angles to its longest diameter, "
        "edge to edge"
    )
    where = _where(line, "the longest diameter is")
    return _value("perpendicular_diameter", line, spacing_mm, what + where)


def short_axis(mask: Mask, spacing_mm: Spacing = None) -> Value:
    """Short axis of a lymph node as RECIST 1.1 has it: the diameter across the longest one.

    In a picture the same as `perpendicular_diameter`. In a stack each slice has its own; the
    largest counts, which need not lie on the slice of the longest diameter.
    """
    if checked(mask).ndim == 2:
        line = in_plane_diameters(mask, spacing_mm).perpendicular
    else:
        line = _in_stack(mask, spacing_mm).short_axis
    what = "diameter at right angles to the longest one of the same slice (RECIST 1.1, nodes)"
    return _value("short_axis", line, spacing_mm, what + _where(line, "it is largest"))


def _where(line: Segment, why: str) -> str:
    if len(line.start) == 2:
        return ""
    return f", on slice {int(line.start[2]) + 1} where {why} (slices count from 1)"


def _value(name: str, line: Segment, spacing_mm: Spacing, convention: str) -> Value:
    ends = (line.start, line.end)
    return Value(name, line.length, length_unit(spacing_mm), convention=convention, endpoints=ends)


def _in_stack(mask: Mask, spacing_mm: Spacing) -> _InStack:
    """The diameters of a part in a stack, in the coordinates of the stack."""
    box = box_around(mask)
    crop = mask[box]
    packed = np.packbits(crop).tobytes()
    shift = tuple(float(side.start) for side in box)
    return _InStack(
        *(
            Segment(_moved(line.start, shift), _moved(line.end, shift), line.length)
            for line in _of_crop(packed, crop.shape, in_plane(spacing_mm))
        )
    )


def _moved(place: tuple[float, ...], shift: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(a + b for a, b in zip(place, shift, strict=True))


@lru_cache(maxsize=4)
def _of_crop(
    packed: bytes, shape: tuple[int, int, int], size: tuple[float, float] | None
) -> _InStack:
    """`_in_stack` of a mask without its margins, kept: the other diameters come for free."""
    bits = np.unpackbits(np.frombuffer(packed, np.uint8), count=math.prod(shape))
    sections = list(_sections(bits.reshape(shape).view(bool), size))
    longest = _longest(sections, size, middle=(shape[2] - 1) / 2)
    short = longest.perpendicular
    wide = [(reach(s.mask, size)[1], s) for s in sections if s.diagonal > short.length]
    for widest, section in sorted(wide, key=lambda one: -one[0]):
        if widest <= short.length * (1 + _SAME_LENGTH):
            break  # no later one can win
        across = _diameters(section, size).perpendicular
        if _exceeds(across, short):
            short = across
    return _InStack(longest.longest, longest.perpendicular, short)


def _sections(stack: Mask, size: tuple[float, float] | None) -> Iterator[_Section]:
    height, width = pixel_size(size)
    for at, plane in enumerate(np.ascontiguousarray(np.moveaxis(stack, 2, 0))):
        labels, _ = ndimage.label(plane, structure=_TOUCHING)
        for number, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
            piece: Mask = labels[rows, columns] == number
            diagonal = math.hypot(height * piece.shape[0], width * piece.shape[1])
            yield _Section(at, rows.start, columns.start, piece, diagonal)


def _longest(
    sections: list[_Section], size: tuple[float, float] | None, middle: float
) -> Diameters:
    """The diameters of the section with the longest one; of equals as `diameters` says."""
    measured: list[tuple[float, _Section]] = []
    most = 0.0
    for section in sorted(sections, key=lambda one: -one.diagonal):
        if section.diagonal < most * (1 - _SAME_LENGTH):
            break  # no later one can win
        length = reach(section.mask, size)[0]
        measured.append((length, section))
        most = max(most, length)
    ties = [section for length, section in measured if length >= most * (1 - _SAME_LENGTH)]
    best: Diameters | None = None
    for section in sorted(ties, key=lambda one: abs(one.slice - middle)):
        found = _diameters(section, size)
        if best is None or _exceeds(found.perpendicular, best.perpendicular):
            best = found
    assert best is not None  # a part has pixels, so it has a section
    return best


def _diameters(section: _Section, size: tuple[float, float] | None) -> Diameters:
    """Both diameters of a section, in the coordinates of the stack."""
    shift = (float(section.top), float(section.left), section.slice + 0.5)
    return Diameters(
        *(
            Segment(_moved((*line.start, 0.0), shift), _moved((*line.end, 0.0), shift), line.length)
            for line in in_plane_diameters(section.mask, size)
        )
    )


def _exceeds(line: Segment, other: Segment) -> bool:
    return line.length > other.length * (1 + _SAME_LENGTH)
