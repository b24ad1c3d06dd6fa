"""Mean agreement by modality, target and source, and how sure the means are.

The rule, everywhere: a modality's figure is the mean over the masks of its targets that have at
least 15 training masks; all sequences of MRI are one modality; the headline is the mean of the
modalities' figures, of nine where all are there.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parser_model.range_calibration import family
from parser_model.types import MODALITIES
from tools.evaluating.overlap import Overlap

DRAWS = 2000
LEAST_OF_SOURCE = 10
"""A source with fewer masks is reported, but tells nothing by itself."""
COUNTED_MODALITIES = tuple(sorted({family(modality) for modality in MODALITIES}))
Pairs = set[tuple[str, str]]
Numbers = NDArray[np.float64]


def dice_report(scores: Sequence[Overlap], counted: Pairs) -> dict[str, Any]:
    """Means with bootstrap intervals by patient, per modality, target and source.

    Parameters
    ----------
    scores : sequence of Overlap
    counted : set of (modality, target)
        What belongs to the figure of a modality and of a source.

    Returns
    -------
    dict
        ``headline``, ``modalities``, ``targets`` ("CT liver") and ``sources``; where nothing counts
        there is no headline, modalities and sources are of all targets, and ``all_targets`` says
        so. Every entry has dice and surface_dice, each with the ends of its interval (95 %, the
        patients of each modality drawn anew; None where a modality has a single one), and the
        numbers of masks, patients, failures, refused, missing and resized ones.
    """
    in_rule = [s for s in scores if (s.modality, s.target) in counted]
    shown = in_rule or scores
    by_modality = _grouped(shown, lambda s: s.modality)
    report: dict[str, Any] = {
        "modalities": {name: _entry(name, group) for name, group in by_modality.items()},
        "targets": _entries(scores, lambda s: f"{s.modality} {s.target}"),
        "sources": _entries([s for s in shown if s.source], lambda s: s.source),
        "all_targets": not in_rule,
    }
    if in_rule:
        dice, surface = (_headline(by_modality, of) for of in (_dice, _surface_dice))
        report["headline"] = {
            "dice": round(dice[0], 4),
            **_interval(dice[1]),
            "surface_dice": round(surface[0], 4),
            **_interval(surface[1], "surface_"),
            **_counts(in_rule),
            "modalities": len(by_modality),
            "without": [m for m in COUNTED_MODALITIES if m not in by_modality],
        }
    return report


def difference(scores: Sequence[Overlap], first: Sequence[Overlap], counted: Pairs) -> Any:
    """How far the headline lies above that of another, on the same masks.

    The same patients are drawn for both, so that what they have in common cancels out.

    Returns
    -------
    dict or None
        dice, low and high of the difference (no ends where a modality has a single patient); None
        where nothing counts.
    """
    mine, theirs = (
        _grouped([s for s in some if (s.modality, s.target) in counted], lambda s: s.modality)
        for some in (scores, first)
    )
    if not mine or mine.keys() != theirs.keys():
        return None
    (figure, drawn), (other, others) = (_headline(group, _dice) for group in (mine, theirs))
    return {"dice": round(figure - other, 4), **_interval(drawn - others)}


def _dice(score: Overlap) -> float:
    return score.dice


def _surface_dice(score: Overlap) -> float:
    return score.surface_dice


Figure = Callable[[Overlap], float]


def _headline(by_modality: dict[str, list[Overlap]], of: Figure) -> tuple[float, Numbers]:
    """The mean of the modalities' means, and of each draw (D,)."""
    means = [float(np.mean([of(s) for s in group])) for group in by_modality.values()]
    drawn = [_drawn(name, group, of) for name, group in by_modality.items()]
    return float(np.mean(means)), np.mean(drawn, axis=0)


def _grouped(scores: Iterable[Overlap], key: Callable[[Overlap], str]) -> dict[str, list[Overlap]]:
    groups: dict[str, list[Overlap]] = defaultdict(list)
    for score in scores:
        groups[key(score)].append(score)
    return dict(sorted(groups.items()))


def _entries(scores: Iterable[Overlap], key: Callable[[Overlap], str]) -> dict[str, Any]:
    return {name: _entry(name, group) for name, group in _grouped(scores, key).items()}


def _drawn(name: str, scores: Sequence[Overlap], of: Figure) -> Numbers:
    """Means of draws of patients with replacement, (D,); nan of a single patient.

    The seed follows the name: independent between modalities, alike for all that is compared.
    """
    patients = sorted({s.patient for s in scores})
    if len(patients) == 1:  # always drawn: it says nothing of how patients differ
        return np.full(DRAWS, np.nan)
    number = {patient: k for k, patient in enumerate(patients)}
    whose = np.array([number[s.patient] for s in scores])
    total = np.bincount(whose, weights=[of(s) for s in scores], minlength=len(patients))
    masks = np.bincount(whose, minlength=len(patients))
    even = np.full(len(patients), 1 / len(patients))
    generator = np.random.default_rng([0, zlib.crc32(name.encode())])
    times = generator.multinomial(len(patients), even, size=DRAWS)
    return np.asarray((times @ total) / (times @ masks))


def _entry(name: str, scores: Sequence[Overlap]) -> dict[str, Any]:
    return {
        "dice": round(float(np.mean([s.dice for s in scores])), 4),
        **_interval(_drawn(name, scores, _dice)),
        "surface_dice": round(float(np.mean([s.surface_dice for s in scores])), 4),
        **_interval(_drawn(name, scores, _surface_dice), "surface_"),
        **_counts(scores),
    }


def _interval(drawn: Numbers, prefix: str = "") -> dict[str, float | None]:
    if not np.isfinite(drawn).all():
        return {f"{prefix}low": None, f"{prefix}high": None}
    low, high = np.quantile(drawn, [0.025, 0.975])
    return {f"{prefix}low": round(float(low), 4), f"{prefix}high": round(float(high), 4)}


def _counts(scores: Sequence[Overlap]) -> dict[str, int]:
    return {
        "failures": sum(s.failed for s in scores),
        "refused": sum(s.refused for s in scores),
        "missing": sum(s.missing for s in scores),
        "resized": sum(s.resized for s in scores),
        "masks": len(scores),
        "patients": len({s.patient for s in scores}),
    }
