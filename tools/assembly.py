"""From outlines slice by slice to one object in three dimensions.

The rule is written down in docs/measuring.md, section Volumes. It corrects what a parser that
sees one slice at a time gets wrong and the neighbours know better: a slice in the middle of an
organ that it doubts or leaves empty, and an outline that flashes up in a single slice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tools.measuring.parts import find_parts

Mask = NDArray[np.bool_]

# What the parser doubts between slices where it does not, over at most this length or one slice.
_DOUBT_MM: Final = 15.0
# What is empty between two outlines is filled over at most this length.
_GAP_MM: Final = 5.0
# A roundish object this many slices wide does not lie in one slice only.
_FLICKER_SLICES: Final = 3.0
_TOUCHING: Final = np.ones((3, 3), np.bool_)


@dataclass(frozen=True, eq=False)
class Assembled:
    """An object put together from its slices.

    Attributes
    ----------
    mask : (H, W, S) ndarray of bool
    doubted : tuple of int
        Slices that count although the parser, alone, would say that the object is not there.
    filled : tuple of int
        Slices in which something was filled in between the outlines before and behind.
    flickers : int
        Outlines in a single slice that were left out.
    """

    mask: Mask
    doubted: tuple[int, ...] = ()
    filled: tuple[int, ...] = ()
    flickers: int = 0


def assemble(
    outlined: Mask, present: NDArray[np.bool_], spacing_mm: tuple[float, ...] | None
) -> Assembled:
    """Put an object together from what was outlined in each slice.

    Parameters
    ----------
    outlined : (H, W, S) ndarray of bool
        Where the parser's probability is above one half, in slices it doubts too.
    present : (S,) ndarray of bool
        In which slices the parser, seeing that slice alone, says that the object is there.
    spacing_mm : (row, column, slice) or shorter, or None
        Without a distance between slices one doubted slice may lie between others, nothing is
        filled, and nothing is taken for a flicker.

    Returns
    -------
    Assembled
        Its mask is new; `outlined` is left as it was.
    """
    spacing = spacing_mm if spacing_mm is not None and len(spacing_mm) == 3 else None
    between = _between(present, 1 if spacing is None else max(1, int(_DOUBT_MM / spacing[2])))
    mask = np.zeros(outlined.shape, np.bool_)
    slices = _holds(outlined) & (present | between)
    if not (slices & present).any():
        return Assembled(mask)
    # Work and memory stay near the object.
    box = _box(outlined)
    mask[box] = outlined[box] & slices[box[2]]
    inside: Mask = mask[box]
    filled: list[int] = []
    flickers = 0
    if spacing is not None:
        filled = _fill(inside, int(_GAP_MM / spacing[2]))
    labels, _ = ndimage.label(inside, structure=np.ones((3, 3, 3), bool))
    extents = ndimage.find_objects(labels)
    sure = present[box[2]]
    first = box[2].start
    for number, extent in enumerate(extents, 1):
        here = labels[extent] == number
        if not (_holds(here) & sure[extent[2]]).any():
            inside[extent] &= ~here  # nothing but doubt
        elif spacing is not None and _is_flicker(here, first + extent[2].start, mask, spacing):
            inside[extent] &= ~here
            flickers += 1
    kept = _holds(mask)
    return Assembled(
        mask,
        doubted=tuple(int(k) for k in np.flatnonzero(kept & between & slices)),
        filled=tuple(first + k for k in filled if kept[first + k]),
        flickers=flickers,
    )


def main_body(mask: Mask) -> tuple[Mask, float]:
    """The largest connected part of a mask, and which share of the mask the others were."""
    parts = find_parts(mask, keep_all=True)
    if len(parts) < 2:
        return mask, 0.0
    return parts.part(1), 1.0 - float(parts.areas[0] / parts.areas.sum())


def presence_of(presence: NDArray[np.float64], present: NDArray[np.bool_], mask: Mask) -> float:
    """Presence of an object in a volume, from that in its slices.

    Of two neighbouring slices the lower value, of all such pairs the highest: one slice alone
    proves nothing, two that agree do. Where the object was found only slices that hold it count;
    if no two of them are neighbours, the highest value of one.

    Parameters
    ----------
    presence : (S,) ndarray of float64
    present : (S,) ndarray of bool
        Where the parser, seeing that slice alone, says that the object is there.
    mask : (H, W, S) ndarray of bool
        What was assembled; empty where nothing was.
    """
    holds = _holds(mask)
    counted = holds & present if holds.any() else np.ones_like(present)
    pairs = np.minimum(presence[:-1], presence[1:])[counted[:-1] & counted[1:]]
    return float(pairs.max() if pairs.size else presence[counted].max())


def _holds(mask: Mask) -> Mask:
    """(S,) which slices hold something."""
    return np.asarray(mask.any(axis=(0, 1)))


def _between(present: NDArray[np.bool_], most: int) -> NDArray[np.bool_]:
    """Doubted slices with present ones on both sides, at most so many in a row."""
    between = np.zeros_like(present)
    there = np.flatnonzero(present)
    for before, behind in pairwise(there):
        if behind - before - 1 <= most:
            between[before + 1 : behind] = True
    return between


def _box(mask: Mask) -> tuple[slice, slice, slice]:
    """The smallest box around a mask that is not empty."""
    plane: Mask = np.asarray(mask.any(axis=2))
    sides = (plane.any(axis=1), plane.any(axis=0), _holds(mask))
    ends = [np.flatnonzero(side)[[0, -1]] for side in sides]
    top, left, first = (slice(int(a), int(b) + 1) for a, b in ends)
    return top, left, first


def _fill(mask: Mask, most: int) -> list[int]:
    """Fill, in place, short gaps along the slices; gives the slices in which that was done.

    Where an outline lies over another one beyond the gap and the slices between hold nothing of
    the object there, what lies inside both is filled. Of each two outlines that is at least half
    of the smaller one: ragged edges are no gaps, and where a slice holds some of the object
    between them, that is its shape.
    """
    filled: set[int] = set()
    found = mask.copy() if most else mask
    for gap in range(1, most + 1):
        for before in range(mask.shape[2] - gap - 1):
            behind = before + gap + 1
            both: Mask = found[:, :, before] & found[:, :, behind]
            there: Mask = np.asarray(found[:, :, before + 1 : behind].any(axis=2))
            if not (both & ~there).any():
                continue
            new = _overlaps(both, there, found[:, :, before], found[:, :, behind])
            if new.any():
                mask[:, :, before + 1 : behind] |= new[:, :, None]
                filled.update(range(before + 1, behind))
    return sorted(filled)


def _overlaps(both: Mask, there: Mask, before: Mask, behind: Mask) -> Mask:
    """The areas of `both` without anything `there` that are most of an outline on either side."""
    areas, count = ndimage.label(both, structure=_TOUCHING)
    sizes = np.bincount(areas.ravel(), minlength=count + 1)
    empty = np.ones(count + 1, np.bool_)
    empty[areas[there]] = empty[0] = False
    smaller = np.minimum(*(_outline_sizes(plane, areas, count) for plane in (before, behind)))
    new: Mask = (empty & (2 * sizes >= smaller))[areas]
    return new


def _outline_sizes(plane: Mask, areas: NDArray[np.int32], count: int) -> NDArray[np.intp]:
    """Pixels of the outline in which each area lies: any pixel of the area tells."""
    outlines, outlined = ndimage.label(plane, structure=_TOUCHING)
    belongs = np.zeros(count + 1, np.intp)
    belongs[areas] = outlines
    return np.bincount(outlines.ravel(), minlength=outlined + 1)[belongs]


def _is_flicker(part: Mask, first: int, whole: Mask, spacing: tuple[float, ...]) -> bool:
    """Whether a connected part is wide, lies in one slice, and both neighbours are there to say no.

    Parameters
    ----------
    part : (h, w, s) ndarray of bool
        In its own box.
    first : int
        Its first slice in the volume.
    whole : (H, W, S) ndarray of bool
        For the number of slices.
    """
    if part.shape[2] > 1 or first in (0, whole.shape[2] - 1):
        return False
    area = np.count_nonzero(part) * spacing[0] * spacing[1]
    return 2 * math.sqrt(area / math.pi) >= _FLICKER_SLICES * spacing[2]
