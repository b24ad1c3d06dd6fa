"""Is an object told to be there where it is, and only there? As the parser decides today."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parser_model.ontology import Ontology
from parser_model.range_calibration import family
from parser_model.training.data import (
    Sample,
    absent_targets,
    read_image,
    read_mask,
    same_site_absent,
)
from parser_model.training.ranking import auroc, auroc_interval
from parser_model.types import Parser
from tools.evaluating.answers import Progress

_FOREIGN = 12  # absent targets of other sites that are asked of each image
PRESENT, SAME_SITE, OTHER_SITES, NONSENSE = "present", "same_site", "other_sites", "nonsense"
NONSENSE_PHRASES = (
    "spaceship",
    "banana",
    "the left bicycle",
    "asdfghjkl",
    "blue",
    "seven",
    "my neighbour's dog",
    "table leg",
    "happiness",
    "the answer",
    "car engine",
    "??!",
    "Tuesday",
    "window",
    "mountain in the picture",
    "keyboard",
    "cloud",
    "shoe",
    "自行车",
    "香蕉",
    "lorem ipsum",
    "0",
    "guitar",
    "right chair",
)
"""Words for nothing in any image; each image is asked for two of them in turn."""


def asked_of(sample: Sample, names: Ontology, rng: np.random.Generator) -> dict[str, str]:
    """What an image is asked for: target to whether it is there, or why it surely is not.

    An empty mask says that its target is absent from an image of its own kind; so does a missing
    mask where the source labels all of that kind. Of the targets of other sites some are drawn.
    """
    local = same_site_absent(sample)
    foreign = [t for t in absent_targets(sample, names) if t not in local]
    asked = {str(t): OTHER_SITES for t in rng.permutation(foreign)[:_FOREIGN]}
    asked |= dict.fromkeys(local, SAME_SITE)
    for target, path in sorted(sample.masks.items()):
        asked[target] = PRESENT if read_mask(path).any() else SAME_SITE
    return asked


def nonsense_for(number: int) -> list[str]:
    """The two phrases of nonsense that the image of this number is asked for."""
    count = len(NONSENSE_PHRASES)
    return [NONSENSE_PHRASES[(2 * number + k) % count] for k in (0, 1)]


def presence_report(
    parser: Parser,
    samples: Sequence[Sample],
    names: Ontology,
    *,
    tell: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Present objects kept, absent ones refused, and how well the score ranks them.

    Parameters
    ----------
    parser : Parser
    samples : sequence of Sample
    names : Ontology
    tell : bool
        Give the parser the modality.
    progress : callable, optional

    Returns
    -------
    dict
        ``present`` {objects, kept}; ``same_site`` and ``other_sites`` {objects, refused, auroc,
        low, high}: 95 % of the AUROCs, patients drawn anew, where there are several; ``nonsense``
        {objects, refused}; ``modalities``: present and same_site of each that has both. Shares and
        AUROC are null where there are no objects, or no scores.
    """
    rng = np.random.default_rng(0)
    kinds: list[str] = []
    decided: list[bool] = []
    scores: list[float] = []
    whose: list[str] = []
    modalities: list[str] = []
    for done, sample in enumerate(samples, 1):
        asked = asked_of(sample, names, rng) | dict.fromkeys(nonsense_for(done), NONSENSE)
        if asked:
            image = read_image(sample.image, None)
            modality = sample.place.modality if tell else None
            for found in parser.parse([image], list(asked), modality=modality)[0]:
                kinds.append(asked[found.phrase])
                decided.append(found.present)
                scores.append(np.nan if found.presence is None else found.presence)
                whose.append(sample.patient)
                modalities.append(family(sample.place.modality))
        if progress:
            progress(done, len(samples))
    kind, kept, score = np.array(kinds, np.str_), np.array(decided, bool), np.array(scores, float)
    told = _Told(kind == PRESENT, kept, score, np.array(whose, np.str_))
    report: dict[str, Any] = {PRESENT: told.present(told.there)}
    for absent in (SAME_SITE, OTHER_SITES):
        report[absent] = told.absent(kind == absent, told.there)
    modality_of = np.array(modalities, np.str_)
    for name in sorted(set(modalities)):
        there, absent_here = told.there & (modality_of == name), kind == SAME_SITE
        absent_here &= modality_of == name
        if there.any() and absent_here.any():
            entry = {PRESENT: told.present(there), SAME_SITE: told.absent(absent_here, there)}
            report.setdefault("modalities", {})[name] = entry
    asked_in_vain = kind == NONSENSE
    report[NONSENSE] = {
        "objects": int(asked_in_vain.sum()),
        "refused": _share(~kept[asked_in_vain]),
    }
    return report


@dataclass(frozen=True, eq=False)
class _Told:
    """What was told of every object that was asked for; arrays of (N,)."""

    there: NDArray[np.bool_]
    kept: NDArray[np.bool_]
    score: NDArray[np.float64]
    patients: NDArray[np.str_]

    def present(self, rows: NDArray[np.bool_]) -> dict[str, Any]:
        """How many of these were kept."""
        return {"objects": int(rows.sum()), "kept": _share(self.kept[rows])}

    def absent(self, rows: NDArray[np.bool_], there: NDArray[np.bool_]) -> dict[str, Any]:
        """How many of these were refused, and how the score ranks them below those there."""
        both = (rows | there) & np.isfinite(self.score)
        area, ends = None, None
        if rows[both].any() and there[both].any():
            area = round(auroc(self.score[both], there[both]), 4)
            ends = auroc_interval(self.score[both], there[both], self.patients[both].tolist())
        return {
            "objects": int(rows.sum()),
            "refused": _share(~self.kept[rows]),
            "auroc": area,
            **(dict(zip(("low", "high"), ends, strict=True)) if ends else {}),
        }


def _share(true: NDArray[np.bool_]) -> float | None:
    return round(float(true.mean()), 4) if true.size else None
