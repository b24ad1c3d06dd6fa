"""Scoring a parser on labelled images: Dice per target, presence on absent targets, calibration."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from parser_model.errors import FileError
from parser_model.ontology import Ontology
from parser_model.presence import (
    EVIDENCE,
    Calibration,
    GivesEvidence,
    evidence_names,
    fit_calibration,
)
from parser_model.range_calibration import family
from parser_model.training.closeups import Square, square
from parser_model.training.data import (
    PARTLY_LABELLED,
    Sample,
    absent_targets,
    read_image,
    read_mask,
    same_site_absent,
)
from parser_model.types import Parser, Recogniser

_FOREIGN = 12  # absent targets of other sites that are asked of each image
_PRESENT, _SAME_SITE, _OTHER_SITE = "present", "same site", "other site"
_BESIDE, _NONSENSE = "beside", "nonsense"
LEAST_TRAINING_MASKS = 15


def dice(found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """Twice the overlap over the sum of areas; 1 when both are empty."""
    total = int(found.sum()) + int(truth.sum())
    return 2.0 * int((found & truth).sum()) / total if total else 1.0


@dataclass(frozen=True)
class MaskScore:
    """Dice of one mask, with what it belongs to."""

    modality: str
    target: str
    dice: float


def score_masks(parser: Parser, samples: Iterable[Sample], *, tell: bool = True) -> list[MaskScore]:
    """Dice of the raw probability map above one half, at the size of the file.

    Targets with an empty mask are absent and not scored.

    Parameters
    ----------
    tell : bool
        Give the parser the modality, as a DICOM header would.
    """
    scores = []
    for sample in samples:
        masks = {target: read_mask(path) for target, path in sorted(sample.masks.items())}
        truth = {target: mask for target, mask in masks.items() if mask.any()}
        if not truth:
            continue
        image = read_image(sample.image, None)
        modality = sample.place.modality if tell else None
        for found in parser.parse([image], list(truth), modality=modality)[0]:
            agreement = dice(found.probability > 0.5, truth[found.phrase])
            scores.append(MaskScore(family(sample.place.modality), found.phrase, agreement))
    return scores


def counted_targets(
    train: Iterable[Sample], least: int = LEAST_TRAINING_MASKS
) -> set[tuple[str, str]]:
    """What belongs to the figure of a modality: (modality, target) with 15 training masks or more.

    MRI sequences count as one modality. An empty mask, which says that its target is absent, does
    not count, nor one that cannot be read; no more files are opened than it takes to know.
    """
    number: dict[tuple[str, str], int] = defaultdict(int)
    for sample in train:
        for target, path in sample.masks.items():
            pair = (family(sample.place.modality), target)
            if number[pair] < least and _outlines(path):
                number[pair] += 1
    return {pair for pair, n in number.items() if n >= least}


def _outlines(path: Path) -> bool:
    """Whether training learns an object from a mask; it leaves out those that are damaged."""
    try:
        return bool(read_mask(path).any())
    except FileError:
        return False


@dataclass(frozen=True, eq=False)
class PresenceTable:
    """Evidence of present and absent targets.

    Attributes
    ----------
    evidence : (N, E) ndarray of float64
    present, same_site : (N,) ndarray of bool
        `same_site`: absent though the image is of the target's own modality and site.
    patients : list of str
    names : tuple of str
        Of the E kinds of evidence.
    nonsense : (N,) ndarray of bool, or None
        Asked in words for nothing; judged, but never fitted on. None where there are none.
    beside : (N,) ndarray of bool, or None
        Lesions asked of a square cut out beside them. None where there are none.
    """

    evidence: NDArray[np.float64]
    present: NDArray[np.bool_]
    same_site: NDArray[np.bool_]
    patients: list[str]
    names: tuple[str, ...] = EVIDENCE
    nonsense: NDArray[np.bool_] | None = None
    beside: NDArray[np.bool_] | None = None

    @property
    def alike(self) -> NDArray[np.bool_]:
        """Absent from an image of the target's own kind, whole or cut, (N,)."""
        return self.same_site if self.beside is None else self.same_site | self.beside

    @property
    def to_fit(self) -> NDArray[np.bool_]:
        """Rows that a calibration may be fitted on, (N,)."""
        sensible = np.ones(len(self.present), bool)
        return sensible if self.nonsense is None else ~self.nonsense


def presence_table(
    parser: GivesEvidence,
    samples: Sequence[Sample],
    ontology: Ontology,
    *,
    seed: int = 0,
    nonsense: Sequence[str] = (),
    progress: Callable[[int, int], None] | None = None,
) -> PresenceTable:
    """Evidence for each image's targets, some surely absent ones, all absent of the same site.

    And of lesions in a square cut out beside them: nearly all sources give images with a lesion
    alone, but people ask about others too.

    A parser that recognises modalities is not told them: what it sees is part of the evidence.

    Parameters
    ----------
    parser : GivesEvidence
    samples : sequence of Sample
        An empty mask says that its target is absent.
    ontology : Ontology
    seed : int
    nonsense : sequence of str
        Phrases for nothing; two of them are asked of each image in turn.
    progress : callable, optional
        Called with the number of images done, and of all.
    """
    rng, places = np.random.default_rng(seed), np.random.default_rng((seed, 1))
    rows: list[NDArray[np.float64]] = []
    kinds: list[str] = []
    patients: list[str] = []
    for done, sample in enumerate(samples, 1):
        if not sample.masks and not sample.absent:
            continue
        image = read_image(sample.image, None)
        modality = None if isinstance(parser, Recogniser) else sample.place.modality
        local = same_site_absent(sample)
        foreign = [t for t in absent_targets(sample, ontology) if t not in local]
        masks = {target: read_mask(path) for target, path in sorted(sample.masks.items())}
        asked = [(t, _PRESENT if mask.any() else _SAME_SITE) for t, mask in masks.items()]
        asked += [(t, _SAME_SITE) for t in local]
        if foreign:
            drawn = rng.choice(foreign, min(_FOREIGN, len(foreign)), replace=False)
            asked += [(str(t), _OTHER_SITE) for t in drawn]
        if nonsense:
            asked += [(nonsense[(2 * done + k) % len(nonsense)], _NONSENSE) for k in (0, 1)]
        for target, kind in asked:
            rows.append(parser.evidence(image, target, modality=modality))
            kinds.append(kind)
        for target, part in squares_beside(sample, masks, ontology, places).items():
            rows.append(parser.evidence(part.cut(image), target, modality=modality))
            kinds.append(_BESIDE)
        patients += [sample.patient] * (len(rows) - len(patients))
        if progress:
            progress(done, len(samples))
    names = evidence_names(parser)
    is_of = {kind: np.array([one == kind for one in kinds], bool) for kind in set(kinds)}
    none = np.zeros(len(kinds), bool)
    return PresenceTable(
        np.array(rows, np.float64).reshape(-1, len(names)),
        is_of.get(_PRESENT, none),
        is_of.get(_SAME_SITE, none),
        patients,
        names,
        is_of.get(_NONSENSE, none) if nonsense else None,
        is_of.get(_BESIDE, none),
    )


def squares_beside(
    sample: Sample,
    masks: Mapping[str, NDArray[np.bool_]],
    ontology: Ontology,
    rng: np.random.Generator,
) -> dict[str, Square]:
    """By lesion, a square of its image where neither it nor another lesion is, where there is one.

    None of sources that do not outline every lesion.
    """
    lesions = [t for t, mask in masks.items() if ontology.is_lesion(t) and mask.any()]
    if not lesions or sample.source in PARTLY_LABELLED:
        return {}
    every = np.logical_or.reduce([masks[target] for target in lesions])
    found = {target: square(every, rng, beside=True) for target in lesions}
    return {target: part for target, part in found.items() if part is not None}


def cross_fitted(
    table: PresenceTable, folds: int = 5
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Presence and decision of every row from a calibration that never saw its patient."""
    names = sorted(set(table.patients))
    fold_of = {
        name: i % folds for i, name in enumerate(np.random.default_rng(0).permutation(names))
    }
    fold = np.array([fold_of[p] for p in table.patients])
    probability = np.zeros(len(fold))
    decided = np.zeros(len(fold), bool)
    for k in range(folds):
        held = fold == k
        fitted = fit(table, ~held & table.to_fit, "fold", "")
        probability[held] = fitted.probability(table.evidence[held])
        decided[held] = probability[held] >= fitted.threshold
    return probability, decided


def fit(table: PresenceTable, rows: NDArray[np.bool_], name: str, sha256: str) -> Calibration:
    """A calibration from chosen rows.

    Raises
    ------
    FileError
        If there are only present objects among them, or only absent ones.
    """
    present = table.present[rows]
    if present.all() or not present.any():
        raise FileError("Presence needs images with the objects and without, of several patients.")
    return fit_calibration(
        table.evidence[rows],
        present,
        name=name,
        weights_sha256=sha256,
        fitted_on=f"{int(present.sum())} present and {int((~present).sum())} absent objects",
        names=table.names,
        alike=table.same_site[rows],
        beside=None if table.beside is None else table.beside[rows],
    )
