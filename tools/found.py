"""What a case holds of an object: where it is, and what was measured on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tools.measuring.value import Value
from tools.units import Unit


@dataclass(frozen=True, eq=False)
class FoundObject:
    """An object looked for in a scan, found or not.

    Attributes
    ----------
    id, scan : str
    slice : int or None
        The slice looked at, from 0; of an object in a volume its key slice, where it is largest.
        None for pictures, and for an object that is absent from a volume.
    phrase : str
        The words asked with.
    target : str or None
        The ontology's name; None when the phrase is unknown.
    presence : float or None
    present : bool
    mask : (H, W) or (H, W, S) ndarray of bool
        The pixels measured, as the scan is shown: parts too small to count are removed. Three
        axes for an object in a volume.
    probability : ndarray of float16, same shape
    parts : int
        Connected parts that count.
    ignored_parts : int
        Parts that were too small to count.
    mask_file, overlay_file : Path or None
        None for an absent object. Masks of volumes are NIfTI on the grid of the file, others PNG;
        the overlay shows `slice`.
    colour : str
        As drawn, e.g. "#e69f00".
    notes : tuple of str
        What the user must be told about how it was found.
    """

    id: str
    scan: str
    slice: int | None
    phrase: str
    target: str | None
    presence: float | None
    present: bool
    mask: NDArray[np.bool_] = field(repr=False)
    probability: NDArray[np.float16] = field(repr=False)
    parts: int
    ignored_parts: int
    mask_file: Path | None
    overlay_file: Path | None
    colour: str
    notes: tuple[str, ...] = ()

    @property
    def in_volume(self) -> bool:
        """Whether it was looked for in all slices of a volume."""
        return self.mask.ndim == 3

    @property
    def looked_at(self) -> int | None:
        """The one slice of a stack it was looked for in; None for pictures and volumes."""
        return None if self.in_volume else self.slice

    @property
    def section(self) -> NDArray[np.bool_]:
        """(H, W) ndarray of bool: the mask of a picture, of a volume that on its key slice."""
        if not self.in_volume:
            return self.mask
        plane: NDArray[np.bool_] = self.mask[:, :, self.slice or 0]
        return plane

    @property
    def name(self) -> str:
        """What to call it: the words asked with, without a leading article."""
        words = self.phrase.split()
        return " ".join(words[1:] if words and words[0].lower() in ("the", "a", "an") else words)

    @property
    def label(self) -> str:
        """The name, and what it was taken for where that is another word."""
        same = self.target is None or self.target == self.name
        return self.name if same else f"{self.name} ({self.target})"

    def as_dict(self) -> dict[str, Any]:
        """As `ask --json` gives it."""
        return {
            "id": self.id,
            "scan": self.scan,
            "slice": self.slice,
            "phrase": self.phrase,
            "target": self.target,
            "presence": None if self.presence is None else round(self.presence, 4),
            "present": self.present,
            "parts": self.parts,
            "mask_file": str(self.mask_file) if self.mask_file else None,
            "overlay_file": str(self.overlay_file) if self.overlay_file else None,
        }


@dataclass(frozen=True)
class Measurement:
    """A value filed in a case.

    Attributes
    ----------
    id : str
    object : str or None
        The mask it belongs to.
    measured : Value
    derived_from : tuple of str
        Measurements it was computed from.
    """

    id: str
    object: str | None
    measured: Value
    derived_from: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Name of the measurement, e.g. "area"."""
        return self.measured.name

    @property
    def part(self) -> int | None:
        """The part measured; None for the whole mask."""
        return self.measured.part

    @property
    def value(self) -> float | tuple[float, ...]:
        """The number, or the coordinates of a position."""
        return self.measured.value

    @property
    def unit(self) -> Unit:
        """The unit of `value`."""
        return self.measured.unit

    @property
    def low(self) -> float | None:
        """Lower end of the range."""
        return self.measured.low

    @property
    def high(self) -> float | None:
        """Upper end of the range."""
        return self.measured.high

    @property
    def text(self) -> str:
        """As a person reads it, in a sensible unit."""
        return self.measured.text()

    def as_dict(self) -> dict[str, Any]:
        """As `ask --json` gives it."""
        entry = self.measured.as_dict()
        entry.pop("endpoints", None)
        start = {"id": self.id, "object": self.object}
        return {**start, **entry, "derived_from": list(self.derived_from)}
