"""A phrase in a volume: slice by slice through the parser, then put together.

Of each object only probability (two bytes a voxel) and mask (one) are kept, and memory is taken
only where the object may lie.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from parser_model.errors import RequestError, ToolError
from parser_model.types import ParsedImage, ParsedObject, Parser
from tools.assembly import Assembled, assemble, main_body, presence_of
from tools.measuring.slices import key_slice
from tools.preparing import picture_for
from tools.scan import Scan

Progress = Callable[[int, int], None]
"""Told how many slices are done, and of how many."""
Cancelled = Callable[[], bool]
"""Asked between slices whether to stop."""

# Slices given to the parser at once: enough to fill two cores, few enough to stop soon.
_AT_ONCE: Final = 4
_ONE_PIECE: Final = frozenset(
    {
        "bladder", "gallbladder", "left heart atrium", "left heart ventricle", "left kidney",
        "left lung", "liver", "myocardium", "pancreas", "prostate", "right heart ventricle",
        "right kidney", "right lung", "spleen", "stomach",
    }
)  # fmt: skip
_SAID_FROM: Final = 0.02  # a smaller share of an organ is not worth a sentence
_INSIDE: Final = 0.5
_FAR: Final = 0.01  # what is less likely is kept as zero


@dataclass(frozen=True, eq=False)
class VolumeObject:
    """The answer to one phrase about one volume; see `parser_model.ParsedObject`.

    Attributes
    ----------
    phrase : str
    target : str or None
    probability : (H, W, S) ndarray of float16
        As the parser gave it, slice by slice; below 1 % zero.
    mask : (H, W, S) ndarray of bool
        Assembled; all False where the object is absent or the phrase unknown.
    presence : float or None
        Of the whole volume (`tools.assembly.presence_of`).
    present : bool
    slice_presence : tuple of (float or None)
        As the parser gave it, one a slice.
    key_slice : int or None
        Slice of largest extent, from 0; None where there is no mask.
    encoded : bool
        Whether any slice was encoded now.
    notes : tuple of str
        What assembling changed, whole sentences; empty when nothing.
    """

    phrase: str
    target: str | None
    probability: NDArray[np.float16] = field(repr=False)
    mask: NDArray[np.bool_] = field(repr=False)
    presence: float | None
    present: bool
    slice_presence: tuple[float | None, ...] = field(repr=False)
    key_slice: int | None
    encoded: bool
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.probability.dtype != np.float16 or self.mask.dtype != np.bool_:
            raise ValueError("probability is float16 and mask is bool")
        if self.probability.ndim != 3 or self.probability.shape != self.mask.shape:
            raise ValueError("probability and mask have the volume's (H, W, S)")
        if len(self.slice_presence) != self.mask.shape[2]:
            raise ValueError("presence is given for every slice")
        if self.present != (self.key_slice is not None):
            raise ValueError("a present object has a slice of largest extent")


def parse_volume(
    parser: Parser,
    scan: Scan,
    phrases: Sequence[str],
    *,
    modality: str | None = None,
    site: str | None = None,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
) -> list[VolumeObject]:
    """Find each phrase in a volume.

    Parameters
    ----------
    parser : Parser
    scan : Scan
        A volume (`Scan.is_volume`).
    phrases : sequence of str
    modality, site : str, optional
        Of the whole volume. Give the modality where it is known or recognised: a parser that has
        to recognise it may read slices of one volume differently.
    progress, cancelled : callable, optional

    Returns
    -------
    list of VolumeObject
        One a phrase.

    Raises
    ------
    RequestError
        If the scan is no volume; also what the parser refuses.
    ToolError
        When `cancelled` says so.
    """
    if not scan.is_volume:
        raise RequestError("This scan is no volume; its pictures are looked at one by one.")
    looks = [_Look(scan.shape) for _ in phrases]
    slices = scan.shape[2]
    for start in range(0, slices, _AT_ONCE):
        if cancelled is not None and cancelled():
            raise ToolError(f"Stopped after {start} of {slices} slices; nothing was measured.")
        some = range(start, min(start + _AT_ONCE, slices))
        images = [ParsedImage(picture_for(parser, scan, k), stack_size=slices) for k in some]
        rows = parser.parse(images, phrases, modality=modality, site=site)
        for k, row in zip(some, rows, strict=True):
            for look, one in zip(looks, row, strict=True):
                look.take(k, one)
        if progress is not None:
            progress(some.stop, slices)
    return [
        look.finished(phrase, scan.geometry.spacing_mm)
        for look, phrase in zip(looks, phrases, strict=True)
    ]


class _Look:
    """What is gathered about one phrase, slice by slice."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._probability = np.zeros(shape, np.float16)
        self._outlined = np.zeros(shape, np.bool_)
        self._present = np.zeros(shape[2], np.bool_)
        self._presence: list[float | None] = [None] * shape[2]
        self._targets: list[str | None] = [None] * shape[2]
        self._encoded = False

    def take(self, index: int, one: ParsedObject) -> None:
        """The parser's answer about one slice."""
        near = one.probability >= _FAR
        # Zeros that are not written take no memory.
        self._probability[near, index] = one.probability[near]
        # The mask of an absent object is empty, its probability is not.
        outlined = one.mask if one.present else one.probability > _INSIDE
        self._outlined[outlined, index] = True
        self._present[index] = one.present
        self._presence[index] = one.presence
        self._targets[index] = one.target
        self._encoded |= one.encoded

    def finished(self, phrase: str, spacing_mm: tuple[float, ...] | None) -> VolumeObject:
        """The object in the volume."""
        target = self._target()
        made = assemble(self._outlined, self._present, spacing_mm)
        mask, apart = main_body(made.mask) if target in _ONE_PIECE else (made.mask, 0.0)
        present = bool(mask.any())
        known = np.array([p for p in self._presence if p is not None], np.float64)
        judged = len(known) == len(self._presence)
        return VolumeObject(
            phrase=phrase,
            target=target,
            probability=self._probability,
            mask=mask,
            presence=presence_of(known, self._present, mask) if judged else None,
            present=present,
            slice_presence=tuple(self._presence),
            key_slice=key_slice(mask) if present else None,
            encoded=self._encoded,
            notes=_told(made, apart),
        )

    def _target(self) -> str | None:
        """What the phrase meant in most slices."""
        known = [target for target in self._targets if target is not None]
        return max(dict.fromkeys(known), key=known.count) if known else None


def _told(made: Assembled, apart: float) -> tuple[str, ...]:
    """What putting together changed, as a person reads it."""
    notes = []
    if made.filled:
        where = (
            f"slice {made.filled[0] + 1}" if len(made.filled) == 1 else f"{len(made.filled)} slices"
        )
        notes.append(
            f"In {where} between others nothing was outlined; what lies inside the outlines before "
            "and behind was filled in."
        )
    if made.flickers:
        outlines = "1 outline" if made.flickers == 1 else f"{made.flickers} outlines"
        notes.append(f"{outlines} in a single slice, with nothing in the slices beside, left out.")
    if apart >= _SAID_FROM:
        notes.append(
            f"{100 * apart:.0f} % of what was outlined lies apart from the main body and was left "
            "out, as this organ is one piece."
        )
    return tuple(notes)
