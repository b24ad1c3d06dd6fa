"""How well outlines agree with the reference: Dice, surface Dice, and how sure the means are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from parser_model.training.score import dice
from tools.evaluating.answers import Answer

TOLERANCE_PX = 2.0
_DRAWS = 2000


@dataclass(frozen=True)
class Overlap:
    """Agreement of one mask with the reference.

    Attributes
    ----------
    modality, target, patient : str
    dice : float
        Of what was outlined, whatever was decided about presence.
    surface_dice : float
        Share of both outlines that lies within two pixels of the other.
    refused : bool
        The object was judged absent although it is there.
    """

    modality: str
    target: str
    patient: str
    dice: float
    surface_dice: float
    refused: bool

    @property
    def failed(self) -> bool:
        """Not one pixel in common, or refused."""
        return self.refused or self.dice == 0.0


def overlaps(answers: Iterable[Answer]) -> list[Overlap]:
    """Agreement of every answer."""
    return [
        Overlap(
            a.modality,
            a.target,
            a.patient,
            dice(a.mask, a.truth),
            surface_dice(a.mask, a.truth),
            not a.present,
        )
        for a in answers
    ]


def surface_dice(
    found: NDArray[np.bool_], truth: NDArray[np.bool_], tolerance: float = TOLERANCE_PX
) -> float:
    """Normalised surface Dice: the share of both outlines within a tolerance of the other.

    Outlines are the pixels of a mask that touch what is outside along a side; the frame of the
    image counts as outside. 0 where one mask is empty and 1 where both are. After Nikolov et al.,
    *Deep learning to achieve clinically applicable segmentation of head and neck anatomy for
    radiotherapy* (2018), with pixels counted instead of surface elements.

    Parameters
    ----------
    found, truth : (H, W) ndarray of bool
    tolerance : float
        In pixels.
    """
    if not found.any() or not truth.any():
        return float(found.any() == truth.any())
    first, second = (mask & ~ndimage.binary_erosion(mask) for mask in (found, truth))
    near_second = ndimage.distance_transform_edt(~second)[first] <= tolerance
    near_first = ndimage.distance_transform_edt(~first)[second] <= tolerance
    return float((near_second.sum() + near_first.sum()) / (first.sum() + second.sum()))


def dice_report(scores: Sequence[Overlap], counted: set[tuple[str, str]]) -> dict[str, Any]:
    """Means with bootstrap intervals by patient, per modality and target.

    Parameters
    ----------
    scores : sequence of Overlap
    counted : set of (modality, target)
        What belongs to the figure of a modality; the headline is the mean of these figures.

    Returns
    -------
    dict
        ``headline``, ``modalities`` and ``targets`` ("CT liver"); every entry has dice, low and
        high (95 % of the patients drawn anew), surface_dice, failures, masks and patients.
    """
    in_rule = [s for s in scores if (s.modality, s.target) in counted]
    by_modality = _grouped(in_rule, lambda s: s.modality)
    by_target = _grouped(scores, lambda s: f"{s.modality} {s.target}")
    drawn = {name: _drawn(group) for name, group in by_modality.items()}
    report: dict[str, Any] = {
        "modalities": {n: _entry(g, drawn[n]) for n, g in by_modality.items()},
        "targets": {n: _entry(g, _drawn(g)) for n, g in by_target.items()},
    }
    if by_modality:
        figures = [float(np.mean([s.dice for s in g])) for g in by_modality.values()]
        surfaces = [float(np.mean([s.surface_dice for s in g])) for g in by_modality.values()]
        report["headline"] = {
            "dice": round(float(np.mean(figures)), 4),
            **_interval(np.mean(list(drawn.values()), axis=0)),
            "surface_dice": round(float(np.mean(surfaces)), 4),
            **_counts(in_rule),
        }
    return report


def _grouped(scores: Iterable[Overlap], key: Any) -> dict[str, list[Overlap]]:
    groups: dict[str, list[Overlap]] = defaultdict(list)
    for score in scores:
        groups[key(score)].append(score)
    return dict(sorted(groups.items()))


def _drawn(scores: Sequence[Overlap]) -> NDArray[np.float64]:
    """Mean Dice of so many draws of patients with replacement, (D,)."""
    patients = sorted({s.patient for s in scores})
    number = {patient: k for k, patient in enumerate(patients)}
    whose = np.array([number[s.patient] for s in scores])
    total = np.bincount(whose, weights=[s.dice for s in scores], minlength=len(patients))
    masks = np.bincount(whose, minlength=len(patients))
    even = np.full(len(patients), 1 / len(patients))
    times = np.random.default_rng(0).multinomial(len(patients), even, size=_DRAWS)
    return np.asarray((times @ total) / (times @ masks))


def _entry(scores: Sequence[Overlap], drawn: NDArray[np.float64]) -> dict[str, Any]:
    return {
        "dice": round(float(np.mean([s.dice for s in scores])), 4),
        **_interval(drawn),
        "surface_dice": round(float(np.mean([s.surface_dice for s in scores])), 4),
        **_counts(scores),
    }


def _interval(drawn: NDArray[np.float64]) -> dict[str, float]:
    low, high = np.quantile(drawn, [0.025, 0.975])
    return {"low": round(float(low), 4), "high": round(float(high), 4)}


def _counts(scores: Sequence[Overlap]) -> dict[str, int]:
    return {
        "failures": sum(s.failed for s in scores),
        "masks": len(scores),
        "patients": len({s.patient for s in scores}),
    }
