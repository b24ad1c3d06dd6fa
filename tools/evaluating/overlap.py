"""How well an outline agrees with the reference: Dice and normalised surface Dice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from parser_model.training.score import dice
from tools.evaluating.answers import Answer

TOLERANCE = 2 / 256
"""Of the longer side of an image: two pixels at 256, whatever the size of the file."""
FAILED_BELOW = 0.1


@dataclass(frozen=True)
class Overlap:
    """Agreement of one mask with the reference.

    Attributes
    ----------
    modality, target, patient : str
    dice : float
        Of what was outlined, whatever was decided about presence.
    surface_dice : float
        Share of both outlines that lies within the tolerance of the other.
    refused : bool
        The object was judged absent although it is there.
    source : str
        Data set.
    image : Path
        The file that was looked at.
    shape : tuple of int
        (rows, columns) at which the masks were compared.
    missing, resized : bool
        See `Answer`.
    """

    modality: str
    target: str
    patient: str
    dice: float
    surface_dice: float
    refused: bool
    source: str = ""
    image: Path = Path()
    shape: tuple[int, ...] = ()
    missing: bool = False
    resized: bool = False

    @property
    def failed(self) -> bool:
        """Nothing was outlined, or hardly any of it is right: Dice below 0.1."""
        return self.dice < FAILED_BELOW


def overlaps(answers: Iterable[Answer]) -> list[Overlap]:
    """Agreement of every answer."""
    return [
        Overlap(
            a.modality,
            a.target,
            a.patient,
            dice(a.mask, a.truth),
            surface_dice(a.mask, a.truth, tolerance_px(a.truth.shape)),
            not a.present,
            a.source,
            a.image,
            a.truth.shape,
            a.missing,
            a.resized,
        )
        for a in answers
    ]


def tolerance_px(shape: Sequence[int]) -> float:
    """The tolerance of surface Dice in pixels for an image of this (H, W): 2 at 256 x 256."""
    return TOLERANCE * max(shape)


def surface_dice(found: NDArray[np.bool_], truth: NDArray[np.bool_], tolerance: float) -> float:
    """Normalised surface Dice: the share of both outlines within a tolerance of the other.

    Outlines are the pixels of a mask that touch what is outside along a side; the frame of the
    image counts as outside. 0 where one mask is empty and 1 where both are. After Nikolov et al.,
    *Deep learning to achieve clinically applicable segmentation of head and neck anatomy for
    radiotherapy* (2018), with pixels counted instead of surface elements.

    Parameters
    ----------
    found, truth : (H, W) ndarray of bool
    tolerance : float
        In pixels, between the centres of outline pixels.
    """
    if not found.any() or not truth.any():
        return float(found.any() == truth.any())
    first, second = (mask & ~ndimage.binary_erosion(mask) for mask in (found, truth))
    near_second = ndimage.distance_transform_edt(~second)[first] <= tolerance
    near_first = ndimage.distance_transform_edt(~first)[second] <= tolerance
    return float((near_second.sum() + near_first.sum()) / (first.sum() + second.sum()))
