"""Scoring a parser on labelled images: Dice per target, presence on absent targets, calibration."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

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
from parser_model.training.data import (
    Sample,
    absent_targets,
    read_image,
    read_mask,
    same_site_absent,
)
from parser_model.types import Parser, Recogniser

_FOREIGN = 12  # absent targets of other sites that are asked of each image
_FAMILY = {"MRI-FLAIR": "MRI", "MRI-T1-Gd": "MRI"}


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
    """Dice of the raw probability map above one half, at the size of the mask file.

    Parameters
    ----------
    tell : bool
        Give the parser the modality, as a DICOM header would.
    """
    scores = []
    for sample in samples:
        targets = sorted(sample.masks)
        if not targets:
            continue
        truth = {t: read_mask(sample.masks[t]) for t in targets}
        image = read_image(sample.image, next(iter(truth.values())).shape[0])
        modality = sample.place.modality if tell else None
        for found in parser.parse([image], targets, modality=modality)[0]:
            mask = found.probability > 0.5
            family = _FAMILY.get(sample.place.modality, sample.place.modality)
            scores.append(MaskScore(family, found.phrase, dice(mask, truth[found.phrase])))
    return scores


def headline(scores: list[MaskScore], counted: set[tuple[str, str]]) -> dict[str, float]:
    """Mean Dice per modality over the counted (modality, target) pairs, and their mean."""
    groups: dict[str, list[float]] = defaultdict(list)
    for score in scores:
        if (score.modality, score.target) in counted:
            groups[score.modality].append(score.dice)
    table = {name: float(np.mean(values)) for name, values in sorted(groups.items())}
    table["headline"] = float(np.mean(list(table.values())))
    return table


def recognition(parser: Recogniser, samples: Iterable[Sample]) -> dict[str, float]:
    """How often the kind of image is told rightly from pixels, and how often it is left open."""
    right, unsure, total = 0, 0, 0
    for sample in samples:
        seen = parser.recognise(read_image(sample.image, 256)).modality
        total += 1
        unsure += seen is None
        right += seen == sample.place.modality
    return {"right": right / total, "unsure": unsure / total, "images": float(total)}


def counted_targets(train: Iterable[Sample], least: int = 15) -> set[tuple[str, str]]:
    """(modality, target) pairs with at least 15 training masks; MRI sequences count as one."""
    number: dict[tuple[str, str], int] = defaultdict(int)
    for sample in train:
        family = _FAMILY.get(sample.place.modality, sample.place.modality)
        for target in sample.masks:
            number[(family, target)] += 1
    return {pair for pair, n in number.items() if n >= least}


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
    """

    evidence: NDArray[np.float64]
    present: NDArray[np.bool_]
    same_site: NDArray[np.bool_]
    patients: list[str]
    names: tuple[str, ...] = EVIDENCE


def presence_table(
    parser: GivesEvidence,
    samples: Sequence[Sample],
    ontology: Ontology,
    *,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> PresenceTable:
    """Evidence for each image's targets, some surely absent ones, all absent of the same site.

    A parser that recognises modalities is not told them: what it sees is part of the evidence.

    Parameters
    ----------
    parser : GivesEvidence
    samples : sequence of Sample
        An empty mask says that its target is absent.
    ontology : Ontology
    seed : int
    progress : callable, optional
        Called with the number of images done, and of all.
    """
    rng = np.random.default_rng(seed)
    rows, present, same_site, patients = [], [], [], []
    for done, sample in enumerate(samples, 1):
        if not sample.masks:
            continue
        image = read_image(sample.image, None)
        modality = None if isinstance(parser, Recogniser) else sample.place.modality
        local = same_site_absent(sample)
        foreign = [t for t in absent_targets(sample, ontology) if t not in local]
        labelled = [(t, bool(read_mask(sample.masks[t]).any())) for t in sorted(sample.masks)]
        asked = [(t, there, not there) for t, there in labelled]
        asked += [(t, False, True) for t in local]
        if foreign:
            drawn = rng.choice(foreign, min(_FOREIGN, len(foreign)), replace=False)
            asked += [(str(t), False, False) for t in drawn]
        for target, is_present, is_local in asked:
            rows.append(parser.evidence(image, target, modality=modality))
            present.append(is_present)
            same_site.append(is_local)
            patients.append(sample.patient)
        if progress:
            progress(done, len(samples))
    names = evidence_names(parser)
    return PresenceTable(
        np.array(rows, np.float64).reshape(-1, len(names)),
        np.array(present, bool),
        np.array(same_site, bool),
        patients,
        names,
    )


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
        fitted = fit(table, ~held, "fold", "")
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
    )


def auroc(score: NDArray[np.float64], present: NDArray[np.bool_]) -> float:
    """Chance that a present object scores above an absent one (ties count half)."""
    from scipy.stats import rankdata

    rank = rankdata(score)
    n, m = int(present.sum()), int((~present).sum())
    return float((rank[present].sum() - n * (n + 1) / 2) / (n * m))
